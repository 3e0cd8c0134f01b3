//! What the pose track costs: the same crowd with and without it, and the chunks it leaves behind.

use super::motion::Motion;
use super::room::{self, Room, SPACE};
use super::window;
use crate::Run;
use crate::report::Row;
use anyhow::{Context, Result};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use thexr::limits;
use thexr::metrics::Metrics;
use thexr::store::{Kinds, Store};
use thexr_schema::lib0::Reader;
use thexr_schema::track::Header;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

/// What is in the database of a crowd that was tracked.
#[derive(Default)]
struct Stored {
    chunks: f64,
    samples: f64,
    raw_bytes: f64,
    packed_bytes: f64,
    /// From the first sample to the last, and one period more.
    seconds: f64,
    /// Numbers up to the newest event that are missing.
    holes: f64,
}

/// Measures with a track of so many Hz; gives the CPU of the server as well.
async fn crowd(run: &Run, room: Room, motion: &Rc<Motion>, hz: &str) -> Result<(f64, Stored)> {
    let program = room::server_with(room.avatars, &["--pose-track-hz", hz])?;
    let crowd = room.gather(program.addr, motion).await?;
    sleep(run.warmup()).await;
    let measured = window::measure(&crowd, &program, run.window()).await;
    if hz != "0" {
        // Until a chunk is closed by its age, however few moved, and stored.
        sleep(limits::POSE_CHUNK_SPAN).await;
    }
    crowd.shared.sound()?;
    drop(crowd);
    let folder = program.kill()?;
    Ok((measured.server_cpu_percent, stored(folder.path()).await?))
}

async fn stored(folder: &Path) -> Result<Stored> {
    let tracker = TaskTracker::new();
    let store = Store::open(folder, Arc::new(Metrics::default()), &tracker).await?;
    let row = store
        .space(&SPACE.parse()?)
        .await?
        .context("the space is there")?;
    let mut found = Stored::default();
    let (mut seen, mut events, mut from, mut to) = (thexr_schema::ids::Seq::ZERO, 0, f64::INFINITY, 0f64);
    loop {
        let page = store
            .history(row.key, seen, limits::HISTORY_PAGE_EVENTS, Kinds::ALL)
            .await?;
        if page.seen == seen {
            break;
        }
        seen = page.seen;
        events += page.events.len();
        for event in page.events.iter().filter(|event| Kinds::POSES.has(event.kind)) {
            let header = Header::read(&mut Reader::new(&event.payload)).context("a header")?;
            found.chunks += 1.0;
            found.samples += header.samples as f64;
            found.raw_bytes += header.raw_len as f64;
            found.packed_bytes += event.payload.len() as f64;
            from = from.min(header.first_at as f64);
            to = to.max((header.first_at + header.span_ms) as f64);
        }
    }
    found.seconds = (to - from) / 1e3 + 1.0;
    found.holes = (row.seq.0 - events as i64) as f64;
    Ok(found)
}

/// Adds the figures to a row.
pub async fn measure(run: &Run, row: Row, room: Room, motion: &Rc<Motion>) -> Result<Row> {
    // The track costs less than two runs differ: off, on, on, off, so that what drifts meanwhile falls out.
    let (first, none) = crowd(run, room, motion, "0").await?;
    let (second, _) = crowd(run, room, motion, "1").await?;
    let (third, stored) = crowd(run, room, motion, "1").await?;
    let (fourth, _) = crowd(run, room, motion, "0").await?;
    let (without, with) = (f64::midpoint(first, fourth), f64::midpoint(second, third));
    anyhow::ensure!(none.chunks == 0.0, "a track that is off stores nothing");
    let per_hour = |bytes: f64| bytes / stored.seconds * 3_600.0 / 1e6;
    let per_thousand = 1_000.0 / room.avatars as f64;
    Ok(row
        .text("avatars", &room.avatars.to_string())
        .number("server_cpu_percent_without_track", without)
        .number("server_cpu_percent_with_track", with)
        .number("track_cpu_percent", with - without)
        .number(
            "track_MB_per_hour_of_1000",
            per_hour(stored.raw_bytes) * per_thousand,
        )
        .number(
            "track_MB_per_hour_of_1000_stored",
            per_hour(stored.packed_bytes) * per_thousand,
        )
        .number("track_chunks", stored.chunks)
        .number("track_samples_per_s", stored.samples / stored.seconds)
        .number("seq_holes", stored.holes))
}
