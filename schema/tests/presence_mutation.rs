//! Every reader of `/presence` on bytes that are nearly right: none panics, and what is accepted says what it said.
//! `THEXR_MUTATIONS=50000000 cargo test --release -p thexr-schema --test presence_mutation` runs it for longer.

use serde_json::Value;
use thexr_schema::presence::{Down, Payloads, Up};

/// splitmix64 (Steele, Lea, Flood 2014).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

fn golden() -> Vec<Vec<u8>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/presence.json");
    let text = std::fs::read_to_string(path).expect("the fixtures are there");
    let cases: Value = serde_json::from_str(&text).expect("they are JSON");
    let cases = cases
        .as_array()
        .or_else(|| cases["cases"].as_array())
        .expect("a list")
        .clone();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex");
    let hex = |case: &Value| {
        case["hex"]
            .as_str()
            .map(|text| text.as_bytes().chunks(2).map(byte).collect())
    };
    cases.iter().filter_map(hex).collect()
}

fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len());
        match rng.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, rng.next() as u8),
            2 if !bytes.is_empty() => drop(bytes.remove(at)),
            3 => bytes.extend((0..rng.below(40)).map(|_| 0xFF)),
            _ if !bytes.is_empty() => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF, rng.next() as u8][rng.below(6)],
            _ => {}
        }
    }
}

/// SPEC M2, M4; corpus rows 91 to 93.
#[test]
fn no_reader_of_presence_panics_and_what_is_accepted_is_what_it_says() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (seed, count) = (number("THEXR_SEED", 1), number("THEXR_MUTATIONS", 200_000));
    let (golden, mut rng) = (golden(), Rng(seed));
    assert!(golden.len() > 20, "{} golden messages", golden.len());
    let (mut accepted, mut refused) = (0u64, 0u64);
    for case in 0..count {
        let mut bytes = golden[rng.below(golden.len())].clone();
        mutate(&mut bytes, &mut rng);
        for payload in Payloads::new(&bytes) {
            let Ok(payload) = payload else {
                refused += 1;
                continue;
            };
            match Up::read(payload) {
                Ok(up) if !matches!(up, Up::Unknown(_)) => {
                    accepted += 1;
                    assert_eq!(Up::read(&up.write()), Ok(up), "seed {seed}, case {case}");
                }
                _ => refused += 1,
            }
            if let Ok(Down::Tick(tick)) = Down::read(payload) {
                for (_, record) in tick.records() {
                    assert!(record.pose().head.rot.iter().all(|v| v.is_finite()));
                }
                let _ = tick.dots().count();
            }
        }
    }
    println!("seed {seed}: {accepted} accepted, {refused} refused");
    assert!(
        accepted > count / 100,
        "the mutations are too wild to test anything"
    );
}
