//! P1 to P7: so many avatars in a square, everybody moving, with some edits beside.

use super::avatar::Group;
use super::crowd::{Crowd, Habits};
use super::documents::{Documents, Edits};
use super::floor;
use super::motion::{Motion, Place};
use super::window::{self, Measured};
use crate::Run;
use crate::process::Process;
use crate::report::Row;
use anyhow::Result;
use std::net::SocketAddr;
use std::rc::Rc;

/// The space that is measured.
pub const SPACE: &str = "bench";
/// Edits beside the poses.
pub const EDITS_PER_S: f64 = 10.0;

/// A room.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// How many there are.
    pub avatars: usize,
    /// Edge of the square they stand in, metres.
    pub side_m: f64,
    /// They send when the server's tick wants it.
    pub phase_locked: bool,
}

impl Room {
    /// The room of a case; tiny in a smoke run.
    pub fn new(run: &Run, avatars: usize, side_m: f64) -> Self {
        Self {
            avatars: if run.smoke { avatars.min(12) } else { avatars },
            side_m: if run.smoke { side_m.min(20.0) } else { side_m },
            phase_locked: false,
        }
    }

    /// How its crowd behaves.
    pub fn habits(&self) -> Habits {
        Habits {
            phase_locked: self.phase_locked,
            rosters: false,
            size: self.avatars,
            slow_bytes_per_s: 10_000,
        }
    }

    /// Where they stand.
    pub fn places(&self) -> Vec<Place> {
        (0..self.avatars)
            .map(|n| Place::in_square(n, self.side_m))
            .collect()
    }

    /// Fills it.
    pub async fn gather(&self, addr: SocketAddr, motion: &Rc<Motion>) -> Result<Crowd> {
        let mut crowd = Crowd::new(addr, SPACE, motion.clone(), self.habits());
        crowd.gather(&self.places(), Group::Healthy, addr).await?;
        Ok(crowd)
    }

    /// A row that says what it was.
    pub fn row(&self, case: &str, motion: &Motion) -> Row {
        Row::new("presence", case)
            .text("motion", motion.source)
            .text("avatars", &self.avatars.to_string())
            .text("side_m", &self.side_m.to_string())
    }
}

/// Settings of a server that so many sit at.
pub fn server(avatars: usize) -> Result<Process> {
    server_with(avatars, &[])
}

/// With other settings as well.
pub fn server_with(avatars: usize, arguments: &[&str]) -> Result<Process> {
    let connections = (avatars * 2 + 1_000).to_string();
    let arguments = [&["--connections-max", &connections], arguments].concat();
    Process::server(&arguments)
}

/// Measures a room, and the floor below it.
pub async fn run(run: &Run, case: &str, room: Room) -> Result<Vec<Row>> {
    let motion = Rc::new(Motion::load());
    let program = server(room.avatars)?;
    let documents = Documents::start(program.addr, SPACE, EDITS_PER_S).await?;
    let crowd = room.gather(program.addr, &motion).await?;
    tokio::time::sleep(run.warmup()).await;
    let measured = window::measure(&crowd, &program, run.window()).await;
    let edits = documents.stop().await;
    crowd.shared.sound()?;
    let frame_bytes = measured.bytes_per_frame();
    drop((crowd, program));
    let floor = floor::cpu_percent(run, room.avatars, frame_bytes).await?;
    Ok(vec![row(room.row(case, &motion), &measured, &edits, floor)])
}

/// The figures of a window, of the edits beside it and of the floor below.
pub fn row(row: Row, measured: &Measured, edits: &Edits, floor_cpu_percent: f64) -> Row {
    with_edits(measured.onto(row), edits)
        .number("floor_cpu_percent", floor_cpu_percent)
        .number(
            "server_cpu_ratio_to_floor",
            measured.server_cpu_percent / floor_cpu_percent,
        )
}

/// What became of the edits.
pub fn with_edits(row: Row, edits: &Edits) -> Row {
    row.number("edits_sent", f64::from(edits.sent))
        .number("edits_lost", f64::from(edits.lost))
        .number("edits_p99_ms", edits.latency.percentile_ms(99.0))
}
