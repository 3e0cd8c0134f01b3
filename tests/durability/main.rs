//! What a client was told is saved stays saved: the server program is killed, its power is cut, its disk is filled,
//! and then its rows and its answers are compared with what the writers wrote down (SPEC A2, L2).
#![allow(missing_docs, reason = "a test's name is its documentation")]

mod checker;
mod compaction;
mod crash;
mod disk;
mod full;
mod journal;
mod log;
mod pen;
mod power;
mod program;
mod restart;
mod shim;
mod writer;

use thexr_tests::env_number;

/// The seed of a run: `THEXR_SEED`, or the time. Printed, so that a run can be had again as far as chance goes (the
/// moments at which a process dies stay its own).
fn seed(test: &str) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = env_number("THEXR_SEED", now.map_or(1, |now| now.as_millis() as u64));
    eprintln!("{test}: THEXR_SEED={seed}");
    seed
}

/// Nanoseconds of the clock that the shim writes into its log.
fn monotonic_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
