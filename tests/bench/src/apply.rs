//! `apply`: what one update costs in the parts it goes through, called in this process: scan, apply, commit.

use crate::report::Row;
use crate::yjs::Author;
use crate::{Run, parse, process, space};
use anyhow::{Context, Result};
use bytes::Bytes;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;
use thexr::metrics::Metrics;
use thexr::space::doc::{CheckedUpdate, Keep, SpaceDoc};
use thexr::store::{NewEvent, Store};
use thexr_schema::ids::SpaceId;
use tokio_util::task::TaskTracker;

/// Events per append, as a quiet, a busy and a crowded space write them.
const BATCHES: [usize; 3] = [1, 10, 100];
/// A scan is so short that all updates are scanned this often.
const SCANS: usize = 5;

/// Cases: how many entities the document holds.
pub async fn run(run: &Run, case: &str) -> Result<Vec<Row>> {
    let entities = parse(case, space::count(case))?;
    let updates = if run.smoke { 200 } else { 50_000 };

    let mut author = Author::new(space::SEEDER);
    let mut keys = Vec::new();
    let mut doc = SpaceDoc::new(1);
    for n in 0..entities {
        let id = author.id();
        let (update, key) = author.entity(&id, n as f64);
        keys.push(key);
        let checked = CheckedUpdate::parse(update.into())?;
        doc.apply(&checked, Keep::Received)?.context("an entity is new")?;
    }
    // Spread over the document, so that no cache holds all of it.
    let bytes: Vec<Bytes> = (0..updates)
        .map(|n| {
            let at = n * 7_919 % entities;
            author.overwrite(&mut keys[at], n as f64).into()
        })
        .collect();
    let size = bytes.iter().map(Bytes::len).sum::<usize>() as f64 / updates as f64;

    let row = |step: &str| Row::new("apply", case).text("step", step);
    let mut rows = Vec::new();

    let times = if run.smoke { 1 } else { SCANS };
    let watch = Watch::start();
    let mut checked = Vec::new();
    for _ in 0..times {
        checked.clear();
        for bytes in &bytes {
            checked.push(CheckedUpdate::parse(black_box(bytes.clone()))?);
        }
    }
    rows.push(watch.stop(row("scan"), updates * times, 1, size));

    let watch = Watch::start();
    for update in &checked {
        black_box(doc.apply(update, Keep::Received)?);
    }
    rows.push(watch.stop(row("apply"), updates, 1, size));

    let folder = process::new_folder()?;
    let tracker = TaskTracker::new();
    let store = Store::open(folder.path(), Arc::new(Metrics::default()), &tracker).await?;
    let id: SpaceId = space::SPACE.parse()?;
    let key = store.create(&id, space::SPACE).await?.key;
    for batch in BATCHES {
        let commits = if run.smoke { 5 } else { 300 };
        let events = |n: usize| -> Vec<NewEvent> {
            let at = n * batch % (updates - batch);
            let payloads = bytes[at..at + batch].iter().cloned();
            payloads.map(NewEvent::edit).collect()
        };
        // The first of a size prepares its statement.
        store.append(key, events(0)).await?;
        let watch = Watch::start();
        for n in 0..commits {
            store.append(key, events(n)).await?;
        }
        rows.push(watch.stop(row(&format!("commit of {batch}")), commits * batch, batch, size));
    }
    store.close().await;
    drop(store);
    tracker.close();
    tracker.wait().await;
    Ok(rows)
}

/// Wall time, which is what a commit costs, and CPU time, which neighbours on the machine do not disturb.
struct Watch {
    wall: Instant,
    cpu: f64,
}

impl Watch {
    fn start() -> Self {
        Self {
            wall: Instant::now(),
            cpu: process::cpu_seconds(std::process::id()),
        }
    }

    fn stop(self, row: Row, updates: usize, batch: usize, size: f64) -> Row {
        let us = self.wall.elapsed().as_secs_f64() * 1e6 / updates as f64;
        let cpu = (process::cpu_seconds(std::process::id()) - self.cpu) * 1e6 / updates as f64;
        row.number("us_per_update", us)
            .number("cpu_us_per_update", cpu)
            .number("us_per_call", us * batch as f64)
            .number("updates_per_s", 1e6 / us)
            .number("update_bytes", size)
    }
}
