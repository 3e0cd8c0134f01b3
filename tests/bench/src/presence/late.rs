//! P10: what somebody waits for who comes into a full room, and how much that is.

use super::avatar::Group;
use super::motion::{Motion, Place};
use super::room::{self, Room};
use crate::histogram::Histogram;
use crate::report::{self, Row};
use crate::{Run, ws};
use anyhow::{Context, Result};
use std::rc::Rc;
use std::time::Duration;

/// How many come, one after the other.
const NEWCOMERS: usize = 20;

/// One row.
pub async fn run(run: &Run, case: &str, room: Room) -> Result<Vec<Row>> {
    let motion = Rc::new(Motion::load());
    let program = room::server(room.avatars)?;
    let mut crowd = room.gather(program.addr, &motion).await?;
    tokio::time::sleep(run.warmup()).await;
    let mut waits: [Histogram; 4] = Default::default();
    let mut bytes = Vec::new();
    for n in 0..if run.smoke { 2 } else { NEWCOMERS } {
        let place = Place::in_square(room.avatars + n, room.side_m);
        let avatar = crowd.start(place, Group::Healthy, program.addr);
        let there = async {
            loop {
                let arrival = avatar.arrival.get();
                if !arrival.roster_us.is_nan() && !arrival.full_us.is_nan() {
                    return arrival;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let arrival = tokio::time::timeout(ws::ANSWER_WAIT, there)
            .await
            .context("a newcomer gets no roster or no full tick")?;
        let all = arrival.roster_us.max(arrival.full_us);
        let times = [arrival.welcome_us, arrival.roster_us, arrival.full_us, all];
        for (waits, time) in waits.iter_mut().zip(times) {
            waits.add(time - arrival.from_us);
        }
        bytes.push(arrival.full_bytes as f64);
        crowd.cut(avatar.index);
        tokio::time::sleep(Duration::from_millis(if run.smoke { 5 } else { 100 })).await;
    }
    crowd.shared.sound()?;
    let [welcome, roster, full, all] = waits;
    Ok(vec![
        room.row(case, &motion)
            .number("all_there_p50_ms", all.percentile_ms(50.0))
            .number("all_there_max_ms", all.max_ms())
            .number("welcome_p50_ms", welcome.percentile_ms(50.0))
            .number("roster_p50_ms", roster.percentile_ms(50.0))
            .number("full_tick_p50_ms", full.percentile_ms(50.0))
            .number("kB_until_full_tick", report::median(bytes) / 1e3),
    ])
}
