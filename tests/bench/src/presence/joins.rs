//! P9: a thousand come within ten seconds, then two hundred of them refresh their page at once.

use super::avatar::{Avatar, Group};
use super::crowd::{Crowd, Habits, welcomed};
use super::motion::Motion;
use super::room::{self, Room, SPACE};
use super::roster::Told;
use crate::Run;
use crate::load::now_us;
use crate::process;
use crate::report::Row;
use anyhow::{Context, Result};
use std::rc::Rc;
use std::time::Duration;

/// Over which time they come.
const JOINING: Duration = Duration::from_secs(10);
/// One in so many refreshes.
const REFRESH_ONE_IN: usize = 5;
/// Within which time those are back.
const REFRESHING: Duration = Duration::from_secs(3);
/// How long rosters may take to agree.
const AGREE: Duration = Duration::from_secs(10);

/// One row for the joins, one for the refreshes.
pub async fn run(run: &Run, case: &str, room: Room) -> Result<Vec<Row>> {
    let motion = Rc::new(Motion::load());
    let program = room::server(room.avatars)?;
    let habits = Habits {
        rosters: true,
        ..room.habits()
    };
    let mut crowd = Crowd::new(program.addr, SPACE, motion.clone(), habits);
    let own = || process::cpu_seconds(std::process::id());
    let (cpu, own_cpu, from) = (program.cpu_seconds(), own(), now_us());
    let joining = if run.smoke { JOINING / 50 } else { JOINING };
    let start = tokio::time::Instant::now();
    let mut avatars = Vec::new();
    for (n, place) in room.places().into_iter().enumerate() {
        tokio::time::sleep_until(start + joining.mul_f64(n as f64 / room.avatars as f64)).await;
        avatars.push(crowd.start(place, Group::Healthy, program.addr));
    }
    for avatar in &avatars {
        welcomed(avatar, &crowd.shared).await?;
    }
    let last = avatars
        .iter()
        .map(|a| a.arrival.get().welcome_us)
        .fold(0.0, f64::max);
    agree(&crowd, |a| a.roster.borrow().count() == (room.avatars, 0)).await;
    let seconds = (now_us() - from) / 1e6;
    let alike = |like: &Rc<Avatar>| {
        let first = avatars[0].roster.borrow();
        Rc::ptr_eq(&avatars[0], like) || like.roster.borrow().is_like(&first)
    };
    let different = || avatars.iter().filter(|a| !alike(a)).count() as f64;
    let faults = || {
        avatars
            .iter()
            .map(|a| f64::from(a.roster.borrow().faults))
            .sum::<f64>()
    };
    let again = || {
        avatars
            .iter()
            .map(|a| f64::from(a.roster.borrow().again))
            .sum::<f64>()
    };
    let row = |part: &str| room.row(case, &motion).text("part", part);
    let joined = row("joins")
        .number(
            "rosters_whole_after_ms",
            (crowd.shared.roster_full_us.get().1 - last) / 1e3,
        )
        .number("rosters_different", different())
        .number("roster_faults", faults())
        .number("events_again_per_member", again() / room.avatars as f64)
        .number("seconds", seconds)
        .number(
            "server_cpu_percent",
            (program.cpu_seconds() - cpu) / seconds * 100.0,
        )
        .number("generator_cpu_percent", (own() - own_cpu) / seconds * 100.0)
        .number("broken_connections", crowd.shared.broken.get()[0] as f64);

    let refreshing = (room.avatars / REFRESH_ONE_IN).max(1);
    for avatar in &avatars {
        avatar.roster.borrow_mut().told = Told::default();
    }
    let handles: Vec<_> = avatars.iter().map(|a| a.handle.get()).collect();
    let (cpu, from) = (program.cpu_seconds(), now_us());
    for index in 0..refreshing {
        crowd.cut(index);
    }
    let start = tokio::time::Instant::now();
    let within = if run.smoke { REFRESHING / 10 } else { REFRESHING };
    for index in 0..refreshing {
        // A page needs a moment to load; then they come evenly until the time is over.
        let part = 0.1 + 0.9 * index as f64 / refreshing as f64;
        tokio::time::sleep_until(start + within.mul_f64(part)).await;
        crowd.back(index);
    }
    for avatar in &avatars[..refreshing] {
        welcomed(avatar, &crowd.shared).await?;
    }
    let all = refreshing as u32;
    agree(&crowd, |a| {
        let told = a.roster.borrow().told;
        a.index < refreshing || (told.suspended >= all && told.resumed >= all)
    })
    .await;
    agree(&crowd, |a| a.roster.borrow().count() == (room.avatars, 0)).await;
    let seconds = (now_us() - from) / 1e6;
    let told: Vec<Told> = avatars[refreshing..]
        .iter()
        .map(|a| a.roster.borrow().told)
        .collect();
    let most = |of: fn(&Told) -> u32| told.iter().map(of).max().map_or(f64::NAN, f64::from);
    let least = |of: fn(&Told) -> u32| told.iter().map(of).min().map_or(f64::NAN, f64::from);
    let same = avatars[..refreshing]
        .iter()
        .filter(|a| a.resumed.get() && a.handle.get() == handles[a.index]);
    let refreshed = row("refreshes")
        .number("joined_max", most(|t| t.joined))
        .number("left_max", most(|t| t.left))
        .number("suspended_min", least(|t| t.suspended))
        .number("suspended_max", most(|t| t.suspended))
        .number("resumed_min", least(|t| t.resumed))
        .number("resumed_max", most(|t| t.resumed))
        .number("refreshes", f64::from(all))
        .number("same_member_again", same.count() as f64)
        .number("rosters_different", different())
        .number("roster_faults", faults())
        .number("events_again_per_member", again() / room.avatars as f64)
        .number("seconds", seconds)
        .number(
            "server_cpu_percent",
            (program.cpu_seconds() - cpu) / seconds * 100.0,
        );
    crowd.shared.sound().context("a connection")?;
    Ok(vec![joined, refreshed])
}

/// Waits until every avatar says so, or for so long as that may take; the rows tell the difference.
async fn agree(crowd: &Crowd, so: impl Fn(&Avatar) -> bool) {
    let end = tokio::time::Instant::now() + AGREE;
    while tokio::time::Instant::now() < end {
        if crowd.shared.avatars.borrow().iter().all(|avatar| so(avatar)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
