//! A measured window of a crowd: opens it, waits, and makes a row of what was counted.

use super::avatar::{Avatar, Counts, Group};
use super::crowd::Crowd;
use super::driver::HZ;
use crate::histogram::Histogram;
use crate::load::now_us;
use crate::process::{self, Process};
use crate::report::Row;
use std::rc::Rc;
use std::time::Duration;

/// A generator above this share of its core measures itself.
const GENERATOR_MAX_PERCENT: f64 = 90.0;
/// Members who count every handle they hear of.
const OBSERVERS: usize = 40;
/// Their nearest neighbours, whose records are counted for `near_hz`.
const NEAREST: usize = 16;

/// What was measured.
pub struct Measured {
    /// Time from a pose to its arrival at another member, by group.
    pub staleness: [Histogram; super::avatar::GROUPS],
    /// CPU of the server, percent of one core.
    pub server_cpu_percent: f64,
    /// CPU of the generator.
    pub generator_cpu_percent: f64,
    /// Length.
    pub seconds: f64,
    /// What the healthy received.
    healthy: Vec<Counts>,
    /// What everybody did, summed up.
    sum: Counts,
    heard: Heard,
    late: Histogram,
    unmatched: [u64; 2],
    blocked: u64,
    broken: [u64; 2],
}

/// Lets the crowd live for `window` and measures it.
pub async fn measure(crowd: &Crowd, program: &Process, window: Duration) -> Measured {
    let shared = &crowd.shared;
    let avatars: Vec<Rc<Avatar>> = shared.avatars.borrow().clone();
    let step = avatars.len().div_ceil(OBSERVERS).max(1);
    for (n, avatar) in avatars.iter().enumerate() {
        avatar.counts.take();
        let observes = n % step == 0 && avatar.group == Group::Healthy;
        avatar.seen.replace(observes.then(Vec::new));
    }
    shared.staleness.take();
    shared.late.take();
    shared.unmatched.take();
    shared.blocked.take();
    let broken = shared.broken.get();
    let own = || process::cpu_seconds(std::process::id());
    let (server, generator, from) = (program.cpu_seconds(), own(), now_us());
    shared.from_us.set(from);
    tokio::time::sleep(window).await;
    let seconds = (now_us() - from) / 1e6;
    let cpu = |used: f64| used / seconds * 100.0;
    let (server, generator) = (program.cpu_seconds() - server, own() - generator);
    let heard = heard(&avatars, seconds);
    let mut sum = Counts::default();
    let mut healthy = Vec::new();
    for avatar in &avatars {
        let counts = avatar.counts.get();
        sum.add(&counts);
        if avatar.group == Group::Healthy {
            healthy.push(counts);
        }
        avatar.seen.take();
    }
    // What is still on its way counts for staleness: otherwise what arrives late would be left out.
    tokio::time::sleep(Duration::from_millis(200)).await;
    shared.from_us.set(f64::INFINITY);
    Measured {
        staleness: shared.staleness.take(),
        server_cpu_percent: cpu(server),
        generator_cpu_percent: cpu(generator),
        seconds,
        healthy,
        sum,
        heard,
        late: shared.late.take(),
        unmatched: shared.unmatched.get(),
        blocked: shared.blocked.get(),
        broken: std::array::from_fn(|i| shared.broken.get()[i] - broken[i]),
    }
}

/// What observers heard of others.
struct Heard {
    /// Records per second of their nearest neighbours.
    near_hz: f64,
    /// Records and dots per second of whoever an observer heard of least.
    least_hz: f64,
    /// The same of one in a hundred.
    p1_hz: f64,
    /// The longest time between two mentions of anybody, ms of the server's clock. A count over a few seconds is one too
    /// low for whoever is mentioned just outside of them; this is exact.
    gap_ms: f64,
}

fn heard(avatars: &[Rc<Avatar>], seconds: f64) -> Heard {
    let (mut near, mut nearest, mut all, mut gap) = (0u64, 0u64, Vec::new(), 0);
    for observer in avatars {
        let seen = observer.seen.borrow();
        let Some(seen) = seen.as_ref() else { continue };
        let seen_of = |avatar: &Avatar| {
            let handle = usize::from(avatar.handle.get().unwrap_or_default());
            seen.get(handle).copied().unwrap_or_default()
        };
        let mut others: Vec<&Rc<Avatar>> = avatars.iter().filter(|a| !Rc::ptr_eq(a, observer)).collect();
        others.sort_by(|a, b| {
            let far = |avatar: &Avatar| avatar.place.distance2(&observer.place);
            far(a).total_cmp(&far(b))
        });
        for other in others.iter().take(NEAREST) {
            near += u64::from(seen_of(other).records);
            nearest += 1;
        }
        for other in others {
            let mentions = seen_of(other);
            all.push(mentions.all);
            gap = gap.max(mentions.gap);
        }
    }
    all.sort_unstable();
    let hz = |at: usize| all.get(at).map_or(f64::NAN, |count| f64::from(*count) / seconds);
    Heard {
        near_hz: near as f64 / nearest as f64 / seconds,
        least_hz: hz(0),
        p1_hz: hz(all.len() / 100),
        gap_ms: f64::from(gap) * 1e3 / f64::from(HZ),
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.ticks += other.ticks;
        self.skipped += other.skipped;
        self.shed += other.shed;
        self.records += other.records;
        self.dots += other.dots;
        self.poses += other.poses;
        self.moved += other.moved;
    }
}

impl Measured {
    /// Staleness of the healthy at this percentile, ms.
    pub fn staleness_ms(&self, group: Group, percent: f64) -> f64 {
        self.staleness[group as usize].percentile_ms(percent)
    }

    /// Bytes of a frame that a healthy member gets, on average.
    pub fn bytes_per_frame(&self) -> usize {
        let (bytes, ticks) = self
            .healthy
            .iter()
            .fold((0, 0), |(bytes, ticks), c| (bytes + c.bytes, ticks + c.ticks));
        (bytes / ticks.max(1)) as usize
    }

    /// Adds the figures to a row that says what was measured.
    pub fn onto(&self, row: Row) -> Row {
        let (n, s) = (self.healthy.len() as f64, self.seconds);
        let mut all = Counts::default();
        self.healthy.iter().for_each(|counts| all.add(counts));
        let kb = |bytes: u64| bytes as f64 / 1e3 / s;
        let most = |of: fn(&Counts) -> u64| self.healthy.iter().map(of).max().unwrap_or(0);
        let limited = self.generator_cpu_percent > GENERATOR_MAX_PERCENT;
        if limited {
            eprintln!("  the generator was the limit: the figures are its own");
        }
        row.text("limit", if limited { "generator" } else { "none" })
            .number("staleness_p99_ms", self.staleness_ms(Group::Healthy, 99.0))
            .number("staleness_p50_ms", self.staleness_ms(Group::Healthy, 50.0))
            .number("staleness_p999_ms", self.staleness_ms(Group::Healthy, 99.9))
            .number("server_cpu_percent", self.server_cpu_percent)
            .number("generator_cpu_percent", self.generator_cpu_percent)
            .number("kB_per_s_per_receiver", kb(all.bytes) / n)
            .number("kB_per_s_per_receiver_max", kb(most(|c| c.bytes)))
            .number("frames_per_s", all.ticks as f64 / s)
            .number("records_per_frame", all.records as f64 / all.ticks as f64)
            .number("dots_per_frame", all.dots as f64 / all.ticks as f64)
            .number("near_hz", self.heard.near_hz)
            .number("least_hz", self.heard.least_hz)
            .number("least_p1_hz", self.heard.p1_hz)
            .number("longest_gap_ms", self.heard.gap_ms)
            .number(
                "moving_hz",
                self.sum.moved as f64 / self.sum.poses as f64 * f64::from(HZ),
            )
            .number("poses_per_s", self.sum.poses as f64 / s)
            .number("skipped_ticks_per_receiver", all.skipped as f64 / n)
            .number("skipped_ticks_max", most(|c| c.skipped) as f64)
            .number("shed_percent", all.shed as f64 / all.ticks as f64 * 100.0)
            .number("generator_late_p99_ms", self.late.percentile_ms(99.0))
            .number("unmatched_percent", self.unmatched_percent())
            .number("blocked_poses", self.blocked as f64)
            .number("broken_connections", self.broken[0] as f64)
            .number("closed_slow", self.broken[1] as f64)
    }

    /// Share of the sampled records whose pose was not found again: more than a few spoil the staleness.
    fn unmatched_percent(&self) -> f64 {
        let [lost, found] = self.unmatched;
        lost as f64 / (lost + found) as f64 * 100.0
    }
}
