//! `compaction`: how much smaller and how long it takes, and what somebody who edits meanwhile feels of it.

use crate::histogram::Histogram;
use crate::load::now_us;
use crate::process::{NO_COMPACTION, Process};
use crate::report::Row;
use crate::space::{self, Content, SPACE};
use crate::ws::{self, Socket};
use crate::yjs::{self, Author};
use crate::{Run, parse};
use anyhow::{Context, Result};
use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// The editor writes this often: a fast drag.
const EDIT_EVERY: Duration = Duration::from_millis(5);
/// Keys of the case `overwrites`.
const KEYS: usize = 100;

/// When an edit was sent and when it was known to be durable, µs.
type Edits = Rc<RefCell<Vec<(f64, f64)>>>;

/// Cases: how many entities, or `overwrites`.
pub async fn run(run: &Run, case: &str) -> Result<Vec<Row>> {
    let content = match case {
        "overwrites" if run.smoke => Content::Overwrites(500, KEYS),
        "overwrites" => Content::Overwrites(100_000, KEYS),
        _ => Content::Entities(parse(case, space::count(case))?),
    };
    let server = Process::server(NO_COMPACTION)?;
    let _seeded = space::seed(&server, content).await?;
    let edits = Edits::default();
    let socket = Socket::connect(server.addr, SPACE).await?;
    let measured = async {
        tokio::time::sleep(run.warmup()).await;
        let quiet_from = now_us();
        tokio::time::sleep(run.window()).await;
        let quiet = (quiet_from, now_us());
        let cpu = server.cpu_seconds();
        let first = space::compact(&server).await?;
        let cpu = server.cpu_seconds() - cpu;
        let mut busy = vec![(quiet.1, now_us())];
        // One of a small space is over before the editor has felt anything: until there are samples, again.
        while now_us() - quiet.1 < run.window().as_secs_f64() * 1e6 {
            let from = now_us();
            space::compact(&server).await?;
            busy.push((from, now_us()));
        }
        // What was sent in the last one may come back after it.
        tokio::time::sleep(Duration::from_millis(300)).await;
        anyhow::Ok((first, cpu, quiet, busy))
    };
    let (first, cpu, quiet, busy) = tokio::select! {
        failed = edit(socket, edits.clone()) => return Err(failed.expect_err("it has no end")),
        measured = measured => measured?,
    };
    let edits = edits.take();
    let (before, meanwhile) = (overlapping(&edits, &[quiet]), overlapping(&edits, &busy));
    let number = |key: &str| {
        first
            .get(key)
            .and_then(Value::as_f64)
            .with_context(|| format!("no {key} in {first}"))
    };
    let (log, snapshot) = (number("log_bytes_before")?, number("snapshot_bytes_after")?);
    Ok(vec![
        Row::new("compaction", case)
            .number("duration_ms", number("duration_ms")?)
            .number("server_cpu_ms", cpu * 1e3)
            .number("log_kB_before", log / 1e3)
            .number("snapshot_kB_after", snapshot / 1e3)
            .number("snapshot_percent_of_log", snapshot / log * 100.0)
            .number("rows_folded", number("rows_before")? - number("rows_after")?)
            .number("edit_p99_before_ms", before.percentile_ms(99.0))
            .number("edit_p99_meanwhile_ms", meanwhile.percentile_ms(99.0))
            .number(
                "edit_p99_ratio",
                meanwhile.percentile_ms(99.0) / before.percentile_ms(99.0),
            )
            .number("edit_max_meanwhile_ms", meanwhile.max_ms())
            .number("edits_meanwhile", meanwhile.count() as f64)
            .number("compactions", busy.len() as f64)
            .number("server_rss_MB", server.resident_bytes() / 1e6),
    ])
}

/// Writes steadily, each edit with a 102 behind it, and notes when it came back.
async fn edit(mut socket: Socket, edits: Edits) -> Result<()> {
    let stream = socket.stream.clone();
    let writing = async {
        let mut author = Author::new(space::SEEDER + 1);
        let (made, mut key) = author.entity("edited-meanwhile", 0.0);
        let mut every = tokio::time::interval(EDIT_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut update = made;
        loop {
            every.tick().await;
            let now = now_us();
            let mut out = Vec::new();
            ws::put_message(&mut out, &yjs::update_message(&update));
            ws::put_message(&mut out, &thexr_schema::frame::ack(&now.to_be_bytes()));
            ws::write_all(&stream, &out).await?;
            update = author.overwrite(&mut key, now);
        }
    };
    let reading = async {
        loop {
            let note = |frame: ws::Frame<'_>| {
                if let Some(Ok(sent)) = ws::ack(&frame).map(<[u8; 8]>::try_from) {
                    edits.borrow_mut().push((f64::from_be_bytes(sent), now_us()));
                }
            };
            socket.read(note).await?;
        }
    };
    tokio::select! {
        failed = writing => failed,
        failed = reading => failed,
    }
}

/// The edits that were under way at some moment of these spans.
fn overlapping(edits: &[(f64, f64)], spans: &[(f64, f64)]) -> Histogram {
    let mut histogram = Histogram::default();
    for (sent, back) in edits {
        if spans.iter().any(|(from, to)| sent < to && back > from) {
            histogram.add(back - sent);
        }
    }
    histogram
}
