//! Fault plan F1: the process dies by SIGKILL at random moments while twenty writers write and spaces are compacted.

use crate::checker::{self, Verdict};
use crate::pen::Pen;
use crate::program::{self, Program};
use crate::writer::Crew;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use thexr_tests::{Rng, env_number};
use tokio::task::JoinSet;

const WRITERS: u64 = 20;
const SPACES: u64 = 4;
/// Updates a writer has under way at most.
const AHEAD: usize = 6;
/// A fresh folder after so many crashes: the history that is checked each time stays short.
const CRASHES_PER_FOLDER: u64 = 10;
/// The server compacts by itself too, soon and often.
const ARGS: &[&str] = &["--compact-updates", "200", "--compact-min-gap", "200ms"];

/// Asks for compactions of random spaces, one after the other, until it is dropped; counts those that were done.
fn compactions(addr: SocketAddr, mut rng: Rng, done: Arc<AtomicU64>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            // Load, not a wait for something: how often is left to chance.
            tokio::time::sleep(Duration::from_millis(rng.below(30) as u64)).await;
            let status = program::compact(addr, &format!("space-{}", rng.below(SPACES as usize))).await;
            assert!([0, 200, 404, 409].contains(&status), "compact answered {status}");
            done.fetch_add(u64::from(status == 200), Ordering::Relaxed);
        }
    });
    tasks
}

/// SPEC A2, S2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() {
    let mut rng = Rng::new(crate::seed("crash"));
    let cycles = env_number("THEXR_CRASH_CYCLES", 20);
    let (mut total, mut starts) = (Verdict::default(), Vec::new());
    let compacted = Arc::new(AtomicU64::new(0));
    let mut done = 0;
    while done < cycles {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let pens: Vec<Arc<Pen>> = (0..WRITERS)
            .map(|n| Arc::new(Pen::new(&format!("space-{}", n % SPACES), 100 + n)))
            .collect();
        let mut server = Program::start(folder.path(), ARGS, &[]).await;
        let mut verdict = Verdict::default();
        for _ in 0..CRASHES_PER_FOLDER.min(cycles - done) {
            let mut crew = Crew::start(server.addr, &pens, AHEAD, &mut rng);
            let mut compacting = compactions(server.addr, rng.fork(), compacted.clone());
            // Sometimes during the handshakes, most often in the middle of things.
            crew.acks(if rng.one_in(8) { 0 } else { rng.below(1_500) as u64 })
                .await;
            tokio::time::sleep(Duration::from_micros(rng.below(5_000) as u64)).await;
            compacting.shutdown().await;
            server.kill().await;
            crew.ends().await;

            let started = Instant::now();
            server = Program::start(folder.path(), ARGS, &[]).await;
            starts.push(started.elapsed());
            verdict = checker::check(server.addr, folder.path(), &pens).await;
            verdict.assert_clean();
            done += 1;
        }
        server.stop().await;
        total.add(verdict);
        eprintln!(
            "crash: {done} of {cycles} cycles, {} acknowledged updates checked",
            total.acked
        );
    }
    starts.sort_unstable();
    eprintln!(
        "crash: {cycles} cycles, {} acknowledged, {} lost, {} phantoms, {} compactions; process start to listening: median {:?}, max {:?}",
        total.acked,
        total.lost,
        total.phantoms.len(),
        compacted.load(Ordering::Relaxed),
        starts[starts.len() / 2],
        starts.last().expect("at least one cycle"),
    );
}
