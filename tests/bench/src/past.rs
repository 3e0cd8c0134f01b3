//! `past`: the document of any moment, by how far that is from the snapshot before it, against the present one after a
//! restart.

use crate::process::{NO_COMPACTION, Process};
use crate::report::Row;
use crate::space::{self, Content, SPACE};
use crate::ws::Socket;
use crate::{Run, parse};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use thexr::metrics::Metrics;
use thexr::store::Store;
use tokio_util::task::TaskTracker;

/// Stretches between two snapshots that are looked at, spread over the span.
const STRETCHES: usize = 9;
/// Where in a stretch: how much of it lies before the moment.
const PARTS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// Cases: how many entities; a hundred thousand drags of them follow.
pub async fn run(run: &Run, case: &str) -> Result<Vec<Row>> {
    let entities = parse(case, space::count(case))?;
    let edits = if run.smoke { 4_500 } else { 100_000 };
    let server = Process::server(NO_COMPACTION)?;
    let seeded = space::seed(&server, Content::Overwrites(edits, entities)).await?;
    // One long log, as after a burst: its compaction leaves keyframes on the way.
    space::compact(&server).await?;
    drop(seeded);
    let folder = server.kill()?;
    let (head, snapshots) = snapshots(folder.path()).await?;
    let first = (head - edits as i64).max(0);
    let (cold_ms, server) = cold_load(folder).await?;
    let stretches: Vec<(i64, i64)> = snapshots
        .windows(2)
        .map(|pair| (pair[0], pair[1]))
        .filter(|(from, _)| *from >= first)
        .collect();
    ensure!(!stretches.is_empty(), "no two snapshots among {snapshots:?}");
    let step = stretches.len().div_ceil(STRETCHES).max(1);
    let mut rows = Vec::new();
    let mut all = Vec::new();
    for part in PARTS {
        let (mut took, mut json, mut behind, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (from, to) in stretches.iter().step_by(step) {
            let distance = ((to - from - 1) as f64 * part) as i64;
            let path = format!("/api/v1/spaces/{SPACE}/document?seq={}", from + distance);
            let start = Instant::now();
            bytes = space::get(&server, &path, "application/octet-stream")
                .await?
                .len();
            took.push(start.elapsed().as_secs_f64() * 1e3);
            let start = Instant::now();
            space::get(&server, &path, "application/json").await?;
            json.push(start.elapsed().as_secs_f64() * 1e3);
            behind.push(distance as f64);
        }
        all.extend_from_slice(&took);
        rows.push(
            figures(
                Row::new("past", case).text("in_stretch", &part.to_string()),
                &mut took,
                cold_ms,
            )
            .number("edits_behind_snapshot", median(&mut behind))
            .number("json_ms", median(&mut json))
            .number("document_kB", bytes as f64 / 1e3)
            .number("snapshots", snapshots.len() as f64),
        );
    }
    rows.push(figures(
        Row::new("past", case).text("in_stretch", "all"),
        &mut all,
        cold_ms,
    ));
    Ok(rows)
}

fn figures(row: Row, took: &mut [f64], cold_ms: f64) -> Row {
    let middle = median(took);
    let slowest = took.last().copied().unwrap_or(f64::NAN);
    row.number("document_ratio_to_cold_load", middle / cold_ms)
        .number("slowest_ratio_to_cold_load", slowest / cold_ms)
        .number("document_ms", middle)
        .number("slowest_ms", slowest)
        .number("cold_load_ms", cold_ms)
}

/// Sorts, and gives the one in the middle.
fn median(of: &mut [f64]) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The newest event of the space in this folder, and what its snapshots cover, oldest first.
async fn snapshots(folder: &Path) -> Result<(i64, Vec<i64>)> {
    let tracker = TaskTracker::new();
    let store = Store::open(folder, Arc::new(Metrics::default()), &tracker).await?;
    let row = store.space(&SPACE.parse()?).await?.context("the space")?;
    let mut seqs: Vec<i64> = store.snapshots(row.key).await?.iter().map(|s| s.seq.0).collect();
    seqs.sort_unstable();
    store.close().await;
    Ok((row.seq.0, seqs))
}

/// The first client after a restart; median of three, and the last server.
async fn cold_load(mut folder: std::rc::Rc<tempfile::TempDir>) -> Result<(f64, Process)> {
    let mut took = Vec::new();
    loop {
        let server = Process::server_in(folder, NO_COMPACTION)?;
        let from = Instant::now();
        let mut socket = Socket::connect(server.addr, SPACE).await?;
        socket.sync(&[0]).await.context("a cold load")?;
        took.push(from.elapsed().as_secs_f64() * 1e3);
        if took.len() == 3 {
            took.sort_by(f64::total_cmp);
            return Ok((took[1], server));
        }
        drop(socket);
        folder = server.kill()?;
    }
}
