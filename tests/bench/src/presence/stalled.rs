//! P8: P3 with one in twenty who reads slowly or not at all, and then also one in ten behind a bad network. What
//! the healthy feel is compared with the same room before those began.

use super::avatar::{Avatar, Group};
use super::backlog;
use super::crowd::Crowd;
use super::documents::Documents;
use super::motion::Motion;
use super::room::{self, EDITS_PER_S, Room, SPACE};
use super::rough::Rough;
use super::window::{self, Measured};
use crate::Run;
use crate::report::Row;
use anyhow::Result;
use std::rc::Rc;
use std::time::Duration;

/// One in so many does not read; as many read slowly.
const STALLED_ONE_IN: usize = 40;
/// One in so many sits behind the bad network.
const FAR_ONE_IN: usize = 10;
/// How long the stalled have not read before it counts.
const SETTLE: Duration = Duration::from_secs(2);

/// One row over loopback, one with a bad network for some.
pub async fn run(run: &Run, case: &str, room: Room) -> Result<Vec<Row>> {
    Ok(vec![
        measure(run, case, room, false).await?,
        measure(run, case, room, true).await?,
    ])
}

async fn measure(run: &Run, case: &str, room: Room, with_far: bool) -> Result<Row> {
    let motion = Rc::new(Motion::load());
    let program = room::server(room.avatars)?;
    let documents = Documents::start(program.addr, SPACE, EDITS_PER_S).await?;
    let rough = Rough::start(program.addr).await?;
    let mut crowd = Crowd::new(program.addr, SPACE, motion.clone(), room.habits());
    let bad = (room.avatars / STALLED_ONE_IN).max(1);
    let far = if with_far {
        (room.avatars / FAR_ONE_IN).max(1)
    } else {
        0
    };
    let places = room.places();
    let mut rest = places.as_slice();
    for (count, group, addr) in [
        (bad, Group::Slow, program.addr),
        (bad, Group::Stalled, program.addr),
        (far, Group::Far, rough.addr),
        (room.avatars - 2 * bad - far, Group::Healthy, program.addr),
    ] {
        let (these, others) = rest.split_at(count);
        crowd.gather(these, group, addr).await?;
        rest = others;
    }
    tokio::time::sleep(run.warmup()).await;
    let before = window::measure(&crowd, &program, run.window()).await;
    crowd.shared.slowing.set(true);
    tokio::time::sleep(if run.smoke { run.warmup() } else { SETTLE }).await;
    let early = worst_queues(program.addr.port(), &crowd);
    let after = window::measure(&crowd, &program, run.window()).await;
    let late = worst_queues(program.addr.port(), &crowd);
    let edits = documents.stop().await;
    crowd.shared.sound()?;
    let p99 = |m: &Measured| m.staleness_ms(Group::Healthy, 99.0);
    let kb = |at: usize| early[at].max(late[at]) as f64 / 1e3;
    let row = room
        .row(case, &motion)
        .text("bad_network", if with_far { "1 in 10" } else { "nobody" });
    let row = after
        .onto(row)
        .number("staleness_p99_before_ms", p99(&before))
        .number("staleness_p99_growth_ms", p99(&after) - p99(&before))
        .number("slow_staleness_p50_ms", after.staleness_ms(Group::Slow, 50.0))
        .number("slow_staleness_p99_ms", after.staleness_ms(Group::Slow, 99.0))
        .number("far_staleness_p50_ms", after.staleness_ms(Group::Far, 50.0))
        .number("far_staleness_p99_ms", after.staleness_ms(Group::Far, 99.0))
        .number("send_queue_slow_max_kB", kb(0))
        .number("send_queue_stalled_max_kB", kb(1));
    Ok(room::with_edits(row, &edits))
}

/// The longest send queue that the kernel holds for a slow and for a stalled member, bytes.
fn worst_queues(port: u16, crowd: &Crowd) -> [u64; 2] {
    let queues = backlog::send_queues(port);
    let avatars = crowd.shared.avatars.borrow();
    let worst = |group: Group| {
        let ports = avatars
            .iter()
            .filter(|a| a.group == group)
            .filter_map(|a| port_of(a));
        ports
            .filter_map(|port| queues.iter().find(|(remote, _)| *remote == port))
            .map(|(_, bytes)| *bytes)
            .max()
            .unwrap_or(0)
    };
    [worst(Group::Slow), worst(Group::Stalled)]
}

fn port_of(avatar: &Avatar) -> Option<u16> {
    let stream = avatar.stream.borrow();
    Some(stream.as_ref()?.local_addr().ok()?.port())
}
