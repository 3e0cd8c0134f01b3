//! What the scanner costs: `cargo run --release -p thexr-schema --example scan_bench`. Prints the fixtures of a
//! usual size and the largest one, repeated into a 2 MiB update.

use std::hint::black_box;
use std::time::Instant;

use thexr_schema::lib0::{write_str, write_var};
use thexr_schema::scan::scan_update;

fn time(name: &str, bytes: &[u8], rounds: u32) {
    if let Err(fault) = scan_update(bytes) {
        println!("{name}: {fault}");
        return;
    }
    let mut best = f64::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        for _ in 0..rounds {
            let _ = black_box(scan_update(black_box(bytes)));
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(rounds));
    }
    println!("{name}: {} bytes, {best:.0} ns", bytes.len());
}

/// As many entities with a transform and a shape as one client would make.
fn entities(count: u64) -> Vec<u8> {
    let mut out = vec![1];
    write_var(&mut out, count * 3);
    write_var(&mut out, 4_000_000_000);
    out.push(0);
    for i in 0..count {
        out.extend([0x27, 1]);
        write_str(&mut out, "entities");
        write_str(&mut out, &format!("entity-number-{i:07}"));
        out.push(1);
        for name in ["transform", "shape"] {
            out.extend([0x28, 0]);
            write_var(&mut out, 4_000_000_000);
            write_var(&mut out, i * 3);
            write_str(&mut out, name);
            out.extend([1, 118, 1]);
            write_str(&mut out, "pos");
            out.extend([117, 3]);
            for n in 0..3 {
                out.push(123);
                out.extend((0.1 + f64::from(n)).to_be_bytes());
            }
        }
    }
    out.push(0);
    out
}

fn main() {
    let path = format!("{}/fixtures/updates.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    for case in value["cases"].as_array().into_iter().flatten() {
        let name = case["name"].as_str().unwrap_or_default();
        let hex = case["hex"].as_str().unwrap_or_default();
        let digit = |b: u8| char::from(b).to_digit(16).unwrap_or(0) as u8;
        let bytes: Vec<u8> = hex
            .as_bytes()
            .chunks(2)
            .map(|p| p.iter().fold(0, |n, b| n << 4 | digit(*b)))
            .collect();
        if matches!(
            name,
            "overwrite a component"
                | "create an entity with three components"
                | "push a stroke"
                | "a large document of sixty clients"
        ) {
            time(name, &bytes, 20_000);
        }
    }
    time("10,000 entities of one client", &entities(10_000), 20);
}
