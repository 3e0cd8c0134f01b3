//! The long mutation run: `cargo run --release -p thexr-tests --bin mutate -- --count 4000000 --seed 1`.

use std::process::ExitCode;
use std::time::Instant;
use thexr_tests::mutation;

fn main() -> ExitCode {
    let (mut count, mut seed, mut first, mut threads) = (4_000_000, 1, 0, 2);
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args
            .next()
            .and_then(|text| text.replace('_', "").parse::<u64>().ok());
        match (name.as_str(), value) {
            ("--count", Some(n)) => count = n,
            ("--seed", Some(n)) => seed = n,
            ("--first", Some(n)) => first = n,
            ("--threads", Some(n)) => threads = n as usize,
            _ => {
                eprintln!("usage: mutate [--count N] [--seed N] [--first CASE] [--threads N]");
                return ExitCode::from(64);
            }
        }
    }
    let started = Instant::now();
    let tally = mutation::run(seed, first, count, threads);
    println!(
        "seed {seed}, {:.0} s: {}",
        started.elapsed().as_secs_f64(),
        tally.summary()
    );
    for finding in tally.findings.iter().take(20) {
        println!("\ncase {}: {}", finding.case, finding.what);
        println!("state {}", finding.state);
        finding
            .updates
            .iter()
            .for_each(|(update, outcome)| println!("update {update}: {outcome}"));
    }
    if tally.findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
