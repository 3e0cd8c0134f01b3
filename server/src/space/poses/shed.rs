//! Sending less when less is taken: per receiver by the ticks it missed, for everybody by the time a tick takes.

use crate::limits;
use tokio::time::{Duration, Instant};

/// How far one receiver's rate is reduced.
#[derive(Debug, Default)]
pub(super) struct Shed {
    level: u8,
    /// Ticks missed in this window, and when the window began.
    missed: (u32, Option<Instant>),
    /// The last time something was wrong.
    trouble: Option<Instant>,
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
        if !again && self.level < limits::SHED_MAX {
            self.level += 1;
        }
        self.trouble = Some(now);
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
                self.level = (self.level + 1).min(limits::SHED_MAX);
            }
            self.trouble = Some(now);
        } else if self.level > 0
            && self
                .trouble
                .is_none_or(|at| now.duration_since(at) >= limits::SHED_RECOVERY)
        {
            self.level -= 1;
            self.trouble = Some(now);
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

    /// Notes when a tick was due, began and ended.
    pub fn ticked(&mut self, due: Instant, began: Instant, ended: Instant) {
        let late: Duration = began.saturating_duration_since(due);
        let used = late + ended.saturating_duration_since(began);
        if used > limits::POSE_TICK * 6 / 10 {
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
            now += limits::SHED_RECOVERY;
            assert_eq!(shed.step(false, now), Some(super::super::rate(expected)));
        }
        assert_eq!(shed.step(false, now + limits::SHED_RECOVERY), None);
    }

    #[test]
    fn everybody_gets_less_when_ticks_take_too_long_for_a_second() {
        let (mut load, now) = (Load::default(), Instant::now());
        let hard = |load: &mut Load| load.ticked(now, now, now + limits::POSE_TICK);
        for _ in 1..limits::POSE_TICKS_PER_S {
            hard(&mut load);
        }
        assert_eq!(load.shed(), 0, "not yet a second");
        hard(&mut load);
        assert_eq!(load.shed(), 1);
        for _ in 0..5 * limits::POSE_TICKS_PER_S {
            load.ticked(now, now, now);
        }
        assert_eq!(load.shed(), 0);
    }
}
