//! Fault plan F1, the time: how long after a crash a large space is there again.

use crate::program::{self, Program};
use std::time::{Duration, Instant};
use thexr_schema::frame;
use thexr_tests::{Client, RawSocket, Rng, env_number, value};
use yrs::Map;
use yrs::types::map::MapPrelim;

const ENTITIES: u64 = 10_000;
const ENTITIES_PER_UPDATE: u64 = 500;
/// Edits after the snapshot.
const LOG: u64 = 200;

/// SPEC A2, S3. The times are reported, not judged: only the deadline of every wait is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_space_of_ten_thousand_entities_is_served_soon_after_a_crash() {
    let mut rng = Rng::new(crate::seed("restart"));
    let restarts = env_number("THEXR_RESTARTS", 5);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Program::start(folder.path(), &[], &[]).await;
    let client = Client::connect(server.addr, "hall").await;
    for first in (0..ENTITIES).step_by(ENTITIES_PER_UPDATE as usize) {
        client.edit(|txn, entities| {
            for n in first..first + ENTITIES_PER_UPDATE {
                let entity = entities.insert(txn, format!("entity-{n:08}"), MapPrelim::default());
                let at = [rng.below(1_000), rng.below(1_000), rng.below(1_000)].map(|n| n as f64 / 10.0);
                let transform = serde_json::json!({"pos": at, "rot": [0, 0, 0, 1], "scale": [1, 1, 1]});
                entity.insert(txn, "transform", value::any(&transform));
                entity.insert(
                    txn,
                    "material",
                    value::any(&serde_json::json!({"color": "#112233"})),
                );
            }
        });
        client.saved().await;
    }
    assert_eq!(program::compact(server.addr, "hall").await, 200);
    for n in 0..LOG {
        client.set(&format!("entity-{n:08}"), "name", &n.into());
    }
    client.saved().await;
    let content = client.content();

    let (mut listening, mut synced) = (Vec::new(), Vec::new());
    for _ in 0..restarts {
        server.kill().await;
        let started = Instant::now();
        server = Program::start(folder.path(), &[], &[]).await;
        listening.push(started.elapsed());
        let mut socket = RawSocket::connect(server.addr, "hall").await;
        socket.message(&frame::sync_step1(&[0])).await;
        socket.message_with(&[0, 1]).await;
        synced.push(started.elapsed());
    }
    let again = Client::connect(server.addr, "hall").await;
    again.agrees_with(&content).await;
    assert_eq!(
        content.json["entities"].as_object().map(serde_json::Map::len),
        Some(ENTITIES as usize)
    );
    server.stop().await;
    eprintln!(
        "restart: {restarts} times {ENTITIES} entities and {LOG} edits after the snapshot; listening {}; synced {}",
        times(listening),
        times(synced),
    );
}

fn times(mut all: Vec<Duration>) -> String {
    all.sort_unstable();
    let ms = |time: &Duration| time.as_secs_f64() * 1e3;
    format!(
        "median {:.0} ms, max {:.0} ms",
        ms(&all[all.len() / 2]),
        all.last().map_or(0.0, ms)
    )
}
