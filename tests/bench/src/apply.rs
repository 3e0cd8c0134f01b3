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
use thexr::store::{EventKind, NewEvent, Store};
use thexr_schema::ids::SpaceId;
use tokio_util::task::TaskTracker;

/// Events per append, as a quiet, a busy and a crowded space write them.
const BATCHES: [usize; 3] = [1, 10, 100];

/// Cases: how many entities the document holds.
pub async fn run(run: &Run, case: &str) -> Result<Vec<Row>> {
    let entities = parse(case, space::count(case))?;
    let updates = if run.smoke { 200 } else { 50_000 };

    let mut author = Author::new(space::SEEDER);
    let mut keys = Vec::new();
    let mut doc = SpaceDoc::new(1);
    for n in 0..entities {
        let (update, key) = author.entity(&format!("entity-{n:08}"), n as f64);
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
    let per_update = |from: Instant, n: usize| from.elapsed().as_secs_f64() * 1e6 / n as f64;
    let mut rows = Vec::new();

    let from = Instant::now();
    let checked: Vec<CheckedUpdate> = bytes
        .iter()
        .map(|bytes| CheckedUpdate::parse(black_box(bytes.clone())))
        .collect::<Result<_, _>>()?;
    rows.push(step(row("scan"), per_update(from, updates), 1, size));

    let from = Instant::now();
    for update in &checked {
        black_box(doc.apply(update, Keep::Received)?);
    }
    rows.push(step(row("apply"), per_update(from, updates), 1, size));

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
            payloads
                .map(|payload| NewEvent {
                    kind: EventKind::Edit,
                    member: Some("1".into()),
                    payload,
                })
                .collect()
        };
        // The first of a size prepares its statement.
        store.append(key, events(0)).await?;
        let from = Instant::now();
        for n in 0..commits {
            store.append(key, events(n)).await?;
        }
        rows.push(step(
            row(&format!("commit of {batch}")),
            per_update(from, commits * batch),
            batch,
            size,
        ));
    }
    store.close().await;
    drop(store);
    tracker.close();
    tracker.wait().await;
    Ok(rows)
}

fn step(row: Row, us: f64, batch: usize, size: f64) -> Row {
    row.number("us_per_update", us)
        .number("us_per_call", us * batch as f64)
        .number("updates_per_s", 1e6 / us)
        .number("update_bytes", size)
}
