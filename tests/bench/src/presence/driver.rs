//! Sends for a whole crowd when it is due: poses, pings and reports, in the order of time.

use super::avatar::{Avatar, Group};
use super::crowd::Shared;
use crate::load::now_us;
use crate::ws;
use std::cmp::Reverse;
use std::rc::Rc;
use std::time::Duration;
use thexr_schema::presence::{Record, Up, message};

/// Poses per second of each avatar.
pub const HZ: u8 = 20;
const PERIOD_US: f64 = 1e6 / HZ as f64;
/// Sends between two turns of the readers.
const SENDS_PER_TURN: u32 = 32;
/// Every avatar reports what it has once a second, and asks for the time at first five times a second, then every
/// so many seconds (SPEC M1).
const RACK_US: f64 = 1e6;
const FIRST_PINGS: u32 = 5;
const FIRST_PING_US: f64 = 2e5;
const PING_US: f64 = 4.5e6;
/// Two poses of a phase-locked avatar lie at least so far apart.
const LOCKED_GAP_MS: f64 = 25.0;

/// What an avatar does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Says where it is.
    Pose,
    /// Asks for the time: the so-manieth time.
    Ping(u32),
    /// Says what it has.
    Rack,
}

/// Sends what is due, for ever.
pub async fn drive(shared: Rc<Shared>) {
    let mut frame = Vec::with_capacity(64);
    let mut turn = 0;
    loop {
        let now = now_us();
        let next = shared.due.borrow().peek().map(|Reverse((due, ..))| *due as f64);
        if next.is_none_or(|due| due > now) {
            let wait = next.map_or(1e3, |due| (due - now).min(1e3));
            tokio::time::sleep(Duration::from_micros(wait as u64)).await;
            continue;
        }
        let Some(Reverse((due, index, what))) = shared.due.borrow_mut().pop() else {
            continue;
        };
        let avatar = shared.avatars.borrow()[index as usize].clone();
        // Whoever was cut is scheduled again when it is back.
        if avatar.stream.borrow().is_some()
            && let Some(next) = shared.act(&avatar, due as f64, what, now, &mut frame)
        {
            shared.push(next.0, &avatar, next.1);
        }
        turn += 1;
        if turn % SENDS_PER_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
}

impl Shared {
    fn push(&self, due_us: f64, avatar: &Avatar, what: Due) {
        let entry = Reverse((due_us as u64, avatar.index as u32, what));
        self.due.borrow_mut().push(entry);
    }

    /// An avatar is in: what it does from now on. Poses come at a phase of its own, spread over the period.
    pub fn schedule(&self, avatar: &Avatar) {
        // The entries of an earlier connection would double what is sent.
        let index = avatar.index as u32;
        self.due.borrow_mut().retain(|Reverse((_, i, _))| *i != index);
        let now = now_us();
        let own = (avatar.index as f64 * 0.618_033_988_749_895).fract() * PERIOD_US;
        let periods = ((now - own) / PERIOD_US).ceil();
        self.push(own + periods * PERIOD_US, avatar, Due::Pose);
        self.push(now, avatar, Due::Ping(0));
        self.push(now + RACK_US + own, avatar, Due::Rack);
    }

    /// Does what is due and says what comes next.
    fn act(&self, avatar: &Avatar, due: f64, what: Due, now: f64, frame: &mut Vec<u8>) -> Option<(f64, Due)> {
        frame.clear();
        match what {
            Due::Pose => {
                self.pose(avatar, due, now, frame);
                let regular = (due + PERIOD_US).max(now - PERIOD_US);
                let locked = self
                    .phase_locked
                    .then(|| {
                        avatar
                            .phase
                            .get()
                            .next_ms(now / 1e3 + LOCKED_GAP_MS, avatar.handle.get()?)
                    })
                    .flatten();
                Some((locked.map_or(regular, |ms| ms * 1e3), Due::Pose))
            }
            Due::Ping(n) => {
                let ping = Up::Ping {
                    id: n as u16,
                    t0: now_us() / 1e3,
                };
                ws::put_message(frame, &message(&ping.write()));
                avatar.write(frame);
                let wait = if n < FIRST_PINGS { FIRST_PING_US } else { PING_US };
                Some((now + wait, Due::Ping(n + 1)))
            }
            Due::Rack => {
                let (last_tick, at) = avatar.last_tick.get().unwrap_or((0, now));
                let rack = Up::Rack {
                    last_tick,
                    age_ms: ((now - at) / 1e3).clamp(0.0, 65_535.0) as u16,
                };
                ws::put_message(frame, &message(&rack.write()));
                avatar.write(frame);
                Some((now + RACK_US, Due::Rack))
            }
        }
    }

    fn pose(&self, avatar: &Avatar, due: f64, now: f64, frame: &mut Vec<u8>) {
        let Some(handle) = avatar.handle.get() else { return };
        let Some(record) = Record::of(&self.motion.pose(&avatar.place, now / 1e3)) else {
            return self.fault("a motion that is no pose");
        };
        let pose = Up::Pose {
            seq: avatar.pose_sent(record),
            t_client: (now / 1e3) as u32,
            record,
        };
        ws::put_message(frame, &message(&pose.write()));
        // The clock is read after the frame is made and before the kernel has it.
        let sent = now_us();
        let far = avatar.group == Group::Far;
        self.stamps
            .borrow_mut()
            .sent(handle, record.as_bytes(), sent, far);
        if !avatar.write(frame) {
            self.blocked.set(self.blocked.get() + 1);
        }
        if due >= self.from_us.get() {
            self.late.borrow_mut().add(sent - due);
        }
    }
}
