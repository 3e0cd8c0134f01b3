//! Mutated updates through scanner, engine and reload: none panics, none hangs, none means two things.

use thexr_tests::{env_number, mutation};

/// SPEC U1 to U16. The seed is fixed: a red run is red again. `THEXR_SEED` and `THEXR_MUTATIONS` for other and
/// longer ones; the longest is the `mutate` program in release.
#[test]
fn what_the_scanner_lets_pass_is_harmless() {
    let seed = env_number("THEXR_SEED", 1);
    let tally = mutation::run(seed, 0, env_number("THEXR_MUTATIONS", 200_000), 2);
    println!("{}", tally.summary());
    assert!(
        tally.accepted > tally.updates / 50,
        "hardly anything was accepted: the run proves little"
    );
    let first = tally.findings.first();
    assert!(
        first.is_none(),
        "{} findings, the first: {first:#?}",
        tally.findings.len()
    );
}
