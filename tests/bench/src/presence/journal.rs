//! P13: what the events of members cost on disk and in time, and what the pose track of a crowd does.

use super::avatar::Group;
use super::crowd::welcomed;
use super::motion::Motion;
use super::room::{self, Room, SPACE};
use super::track;
use crate::Run;
use crate::report::Row;
use crate::ws;
use anyhow::Result;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use thexr_schema::presence::{Up, message};

/// How often a thousand people come and go in an hour: each stays six minutes.
const EVENTS_PER_HOUR: f64 = 2.0 * 10.0 * 1_000.0;
/// Time for the last events to be written.
const SETTLE: Duration = Duration::from_millis(500);

/// One row: the events of `room`, and the track of `crowd`.
pub async fn run(run: &Run, case: &str, room: Room, crowd: Room) -> Result<Vec<Row>> {
    let motion = Rc::new(Motion::load());
    let row = track::measure(run, Row::new("presence", case), crowd, &motion).await?;
    let program = room::server(room.avatars)?;
    let mut crowd = super::crowd::Crowd::new(program.addr, SPACE, motion.clone(), room.habits());
    // The first makes the space.
    let first = crowd.start(room.places()[0], Group::Healthy, program.addr);
    welcomed(&first, &crowd.shared).await?;
    tokio::time::sleep(if run.smoke { SETTLE / 10 } else { SETTLE }).await;
    let (cpu, bytes) = (program.cpu_seconds(), folder_bytes(program.folder.path()));
    let mut bye = Vec::new();
    ws::put_message(&mut bye, &message(&Up::Bye.write()));
    let mut events = 0.0;
    for place in &room.places()[1..] {
        let avatar = crowd.start(*place, Group::Healthy, program.addr);
        welcomed(&avatar, &crowd.shared).await?;
        avatar.write(&bye);
        crowd.cut(avatar.index);
        events += 2.0;
    }
    tokio::time::sleep(if run.smoke { SETTLE / 10 } else { SETTLE }).await;
    let grown = folder_bytes(program.folder.path()) - bytes;
    crowd.shared.sound()?;
    Ok(vec![
        row.number("disk_bytes_per_event", grown / events)
            .number(
                "events_MB_per_hour_of_1000",
                grown / events * EVENTS_PER_HOUR / 1e6,
            )
            .number(
                "server_cpu_us_per_event",
                (program.cpu_seconds() - cpu) * 1e6 / events,
            )
            .number("events", events),
    ])
}

/// Bytes of all files of a folder and those in it.
fn folder_bytes(folder: &Path) -> f64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => folder_bytes(&entry.path()),
            Ok(data) => data.len() as f64,
            Err(_) => 0.0,
        })
        .sum()
}
