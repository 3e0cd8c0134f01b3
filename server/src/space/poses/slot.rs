//! Where a connection puts its newest pose and the tick takes it: written at any rate, read twenty times a second,
//! without a message in between. What cannot be a body moving is dropped here (SPEC M11).

use crate::limits;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thexr_schema::presence::{Record, pose::TELEPORT};
use tokio::time::Instant;

/// A connection's newest pose; cheap to clone.
#[derive(Clone, Default)]
pub struct PoseSlot(Arc<Mutex<Slot>>);

#[derive(Default)]
struct Slot {
    /// The last one that passed; the next is judged by it.
    newest: Option<(Record, Instant)>,
    /// Not taken yet.
    fresh: bool,
    seq: Option<u16>,
    /// Teleports left in this second.
    teleports: (Option<Instant>, u32),
}

/// What became of a pose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is the newest.
    Taken,
    /// An older one than we have.
    Late,
    /// Nobody moves like that.
    Implausible,
}

impl PoseSlot {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        // Plain data that no panic can leave half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a pose in, if it can be true.
    pub fn put(&self, seq: u16, record: Record, now: Instant) -> Put {
        let mut slot = self.slot();
        // Counting wraps: the newer one is less than half the circle ahead.
        if slot.seq.is_some_and(|last| seq.wrapping_sub(last) as i16 <= 0) {
            return Put::Late;
        }
        if record.mask() & TELEPORT != 0 {
            let (since, used) = slot.teleports;
            let same = since.is_some_and(|since| now.duration_since(since) < limits::TELEPORT_WINDOW);
            slot.teleports = if same { (since, used + 1) } else { (Some(now), 1) };
            if slot.teleports.1 > limits::TELEPORTS_MAX {
                return Put::Implausible;
            }
        } else if let Some((last, at)) = &slot.newest {
            // A pause says where somebody can have got to, and jitter bunches samples: never less than a tick.
            let time = now.duration_since(*at).max(limits::POSE_TICK).as_secs_f64();
            if distance_m(last, &record) > limits::POSE_SPEED_MAX_M_PER_S * time {
                return Put::Implausible;
            }
        }
        slot.seq = Some(seq);
        slot.newest = Some((record, now));
        slot.fresh = true;
        Put::Taken
    }

    /// Puts a pose in that has no number: it is newer than the last one.
    pub fn put_next(&self, record: Record, now: Instant) -> Put {
        let next = self.slot().seq.map_or(0, |seq| seq.wrapping_add(1));
        self.put(next, record, now)
    }

    /// The newest pose and when it came, unless it was taken before.
    pub fn take(&self) -> Option<(Record, Instant)> {
        let mut slot = self.slot();
        if !std::mem::take(&mut slot.fresh) {
            return None;
        }
        slot.newest
    }

    /// The newest pose, taken or not: for a feature that starts again.
    pub fn newest(&self) -> Option<(Record, Instant)> {
        self.slot().newest
    }
}

fn distance_m(a: &Record, b: &Record) -> f64 {
    let squares = a.head_mm().into_iter().zip(b.head_mm()).map(|(a, b)| {
        let d = f64::from(a - b);
        d * d
    });
    squares.sum::<f64>().sqrt() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use thexr_schema::presence::{Joint, Pose};

    fn at(x: f32, teleport: bool) -> Record {
        let head = Joint {
            pos: [x, 1.6, 0.0],
            rot: [0.0, 0.0, 0.0, 1.0],
        };
        Record::of(&Pose {
            head,
            left: None,
            right: None,
            aux: None,
            teleport,
        })
        .expect("finite")
    }

    /// SPEC M11.
    #[test]
    fn nobody_runs_faster_than_20_metres_a_second_or_jumps_without_saying_so() {
        let (slot, now) = (PoseSlot::default(), Instant::now());
        let tick = limits::POSE_TICK;
        assert_eq!(slot.put(1, at(0.0, false), now), Put::Taken);
        assert_eq!(slot.put(2, at(0.9, false), now + tick), Put::Taken);
        assert_eq!(slot.put(3, at(5.0, false), now + 2 * tick), Put::Implausible);
        assert_eq!(
            slot.put(4, at(5.0, false), now + tick + Duration::from_secs(1)),
            Put::Taken
        );
        assert_eq!(slot.put(5, at(90.0, true), now + 22 * tick), Put::Taken);
        assert_eq!(slot.put(6, at(0.0, true), now + 23 * tick), Put::Taken);
        assert_eq!(slot.put(7, at(90.0, true), now + 24 * tick), Put::Implausible);
        assert_eq!(slot.put(8, at(90.0, true), now + 60 * tick), Put::Taken);
    }

    #[test]
    fn the_newest_counts_and_is_taken_once() {
        let (slot, now) = (PoseSlot::default(), Instant::now());
        assert_eq!(slot.put(65_535, at(0.0, false), now), Put::Taken);
        assert_eq!(slot.put(0, at(0.1, false), now), Put::Taken, "counting wraps");
        assert_eq!(slot.put(65_535, at(0.2, false), now), Put::Late);
        assert_eq!(slot.take().map(|(record, _)| record), Some(at(0.1, false)));
        assert_eq!(slot.take(), None);
        assert_eq!(slot.newest().map(|(record, _)| record), Some(at(0.1, false)));
    }
}
