//! `presence`: avatars in one space, measured from outside (P1 to P13 of the notes on presence). Each case is a
//! file; what they share is a crowd of avatars, a window over it, and edits of the document beside it.

mod avatar;
mod backlog;
mod crowd;
mod cursors;
mod documents;
mod driver;
mod floor;
mod hostile;
mod joins;
mod journal;
mod late;
mod motion;
mod phase;
mod room;
mod roster;
mod rough;
mod scan;
mod stalled;
mod stamps;
mod stock;
#[cfg(test)]
mod tests;
mod track;
mod window;

use crate::report::Row;
use crate::{Run, bad_case};
use anyhow::Result;
use room::Room;

/// Cases: `p1` to `p13`, or `NxM` for N avatars in M × M metres.
pub async fn run(run: &Run, case: &str) -> Result<Vec<Row>> {
    let room = |avatars, side_m| Room::new(run, avatars, side_m);
    let crowded = room(1_000, 100.0);
    let any = case.split_once('x');
    let any = any.and_then(|(n, side)| Some((n.parse().ok()?, side.parse().ok()?)));
    let room = match case {
        "p1" => room(50, 10.0),
        "p2" => room(200, 40.0),
        "p3" => crowded,
        "p4" => Room {
            phase_locked: true,
            ..crowded
        },
        "p5" => room(1_000, 24.0),
        "p6" => room(2_000, 140.0),
        "p7" => room(5_000, 220.0),
        "p8" => return stalled::run(run, case, crowded).await,
        "p9" => return joins::run(run, case, crowded).await,
        "p10" => return late::run(run, case, crowded).await,
        "p11" => return hostile::run(run, case, room(200, 40.0)).await,
        "p12" => return cursors::run(run, case, room(500, 70.0)).await,
        "p13" => return journal::run(run, case, room(200, 40.0), crowded).await,
        _ => {
            let (avatars, side_m) = any.ok_or_else(|| bad_case(case))?;
            room(avatars, side_m)
        }
    };
    room::run(run, case, room).await
}
