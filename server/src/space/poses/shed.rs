//! Sending less when less is taken: per receiver by the ticks it missed, for everybody by the time a tick takes.

use crate::limits;
use tokio::time::{Duration, Instant};

/// How far one receiver's rate is reduced.
#[derive(Debug, Default)]
pub(super) struct Shed {
    level: u8,
    /// Ticks missed in this window, and when the window began.
    missed: (u32, Option<Instant>),
    /// The last time something was wrong, or was tried.
    trouble: Option<Instant>,
    /// The last change was to more.
    rose: bool,
    /// How often more was tried and was too much: each time it is tried later.
    failures: u32,
}

impl Shed {
    /// 0 = every tick, 3 = a few dots.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// One step down, not more often than once a window.
    pub fn down(&mut self, now: Instant) {
        let again = self
            .trouble
            .is_some_and(|at| now.duration_since(at) < limits::SHED_WINDOW);
        if !again {
            self.fall();
        }
        self.trouble = Some(now);
    }

    fn fall(&mut self) {
        self.failures = (self.failures + u32::from(self.rose)).min(4);
        self.rose = false;
        self.level = (self.level + 1).min(limits::SHED_MAX);
    }

    /// How long it must keep up to get more: twice as long after each try that failed.
    fn recovery(&self) -> Duration {
        limits::SHED_RECOVERY * 2u32.pow(self.failures)
    }

    /// Notes whether the last tick was taken; gives a RATE payload when the rate changes.
    pub fn step(&mut self, missed: bool, now: Instant) -> Option<Vec<u8>> {
        let before = self.level;
        if missed {
            let fresh = self
                .missed
                .1
                .is_none_or(|since| now.duration_since(since) >= limits::SHED_WINDOW);
            self.missed = if fresh {
                (1, Some(now))
            } else {
                (self.missed.0 + 1, self.missed.1)
            };
            if self.missed.0 >= limits::SHED_MISSES {
                self.missed = (0, None);
                self.fall();
            }
            self.trouble = Some(now);
        } else if self
            .trouble
            .is_some_and(|at| now.duration_since(at) >= self.recovery())
        {
            self.rose = self.level > 0;
            self.level = self.level.saturating_sub(1);
            // Once it has everything, and kept up with that for as long, the past is forgotten.
            self.failures = if self.rose { self.failures } else { 0 };
            self.trouble = self.rose.then_some(now);
        }
        (self.level != before).then(|| super::rate(self.level))
    }
}

/// How far everybody's rate is reduced because the machine cannot keep up.
#[derive(Debug, Default)]
pub(super) struct Load {
    level: u8,
    /// Ticks in a row that were too much, and that were easy.
    hard: u32,
    easy: u32,
}

impl Load {
    /// As [`Shed::level`].
    pub fn shed(&self) -> u8 {
        self.level
    }

    /// Notes when a tick was due, began and ended, and whether many had not taken the one before.
    pub fn ticked(&mut self, due: Instant, began: Instant, ended: Instant, flooded: bool) {
        let late: Duration = began.saturating_duration_since(due);
        let used = late + ended.saturating_duration_since(began);
        if flooded || used > limits::POSE_TICK * 6 / 10 {
            (self.hard, self.easy) = (self.hard + 1, 0);
        } else {
            (self.hard, self.easy) = (0, self.easy + 1);
        }
        if self.hard >= limits::POSE_TICKS_PER_S && self.level + 1 < limits::SHED_MAX {
            self.level += 1;
            self.hard = 0;
        } else if self.easy >= 5 * limits::POSE_TICKS_PER_S && self.level > 0 {
            self.level -= 1;
            self.easy = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_misses_ticks_gets_fewer_and_gets_them_back_after_two_clean_seconds() {
        let (mut shed, start) = (Shed::default(), Instant::now());
        let mut now = start;
        for expected in [1, 2, 3] {
            for _ in 0..limits::SHED_MISSES {
                now += limits::POSE_TICK;
                shed.step(true, now);
            }
            assert_eq!(shed.level(), expected);
        }
        assert_eq!(shed.step(false, now + limits::POSE_TICK), None);
        for expected in [2, 1, 0] {
            now += shed.recovery();
            assert_eq!(shed.step(false, now), Some(super::super::rate(expected)));
        }
        assert_eq!(shed.step(false, now + shed.recovery()), None);
    }

    #[test]
    fn a_line_that_is_too_thin_is_tried_less_and_less_often() {
        let (mut shed, mut now) = (Shed::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..4 {
            while shed.level() < limits::SHED_MAX {
                now += limits::POSE_TICK;
                shed.step(true, now);
            }
            let fell = now;
            while shed.level() == limits::SHED_MAX {
                now += limits::POSE_TICK;
                shed.step(false, now);
            }
            waits.push(now - fell);
        }
        assert!(
            waits.windows(2).all(|w| w[0] < w[1]) && waits[3] >= 4 * waits[0],
            "{waits:?}"
        );
    }

    #[test]
    fn everybody_gets_less_when_ticks_take_too_long_for_a_second() {
        let (mut load, now) = (Load::default(), Instant::now());
        let hard = |load: &mut Load| load.ticked(now, now, now + limits::POSE_TICK, false);
        for _ in 1..limits::POSE_TICKS_PER_S {
            hard(&mut load);
        }
        assert_eq!(load.shed(), 0, "not yet a second");
        hard(&mut load);
        assert_eq!(load.shed(), 1);
        for _ in 0..5 * limits::POSE_TICKS_PER_S {
            load.ticked(now, now, now, false);
        }
        assert_eq!(load.shed(), 0);
    }
}
