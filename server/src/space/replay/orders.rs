//! What the client of a replay wants next. Orders replace each other instead of queueing up: who drags a slider asks for
//! a hundred moments and wants to see the last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thexr_schema::replay::{Order, STEPS_MAX, Target};
use tokio::sync::Notify;

/// The orders of one replay; cheap to clone.
#[derive(Clone, Default)]
pub struct Orders(Arc<Shared>);

#[derive(Default)]
struct Shared {
    pending: Mutex<Option<Pending>>,
    /// Holds one permit, so a ring before the wait is not lost.
    bell: Notify,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Pending {
    pub speed: Option<f64>,
    pub play: Option<bool>,
    pub seek: Option<Target>,
    /// Events to go from there; negative = back.
    pub steps: i64,
    /// Of the newest order that has one.
    pub id: u64,
}

impl Orders {
    fn pending(&self) -> MutexGuard<'_, Option<Pending>> {
        // Plain data that no panic can leave half changed.
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first thing to do.
    pub(super) fn begin(&self, at: Target) {
        self.pending().get_or_insert_default().seek.get_or_insert(at);
        self.0.bell.notify_one();
    }

    /// The client wants something.
    pub fn put(&self, order: Order) {
        {
            let mut pending = self.pending();
            let pending = pending.get_or_insert_default();
            match order {
                Order::Play => pending.play = Some(true),
                Order::Pause => pending.play = Some(false),
                Order::Speed(speed) => pending.speed = Some(speed),
                Order::Seek { id, to } => {
                    pending.seek = Some(to);
                    pending.steps = 0;
                    pending.id = id;
                }
                Order::Step { id, back, events } => {
                    let most = STEPS_MAX.cast_signed();
                    let events = events.min(STEPS_MAX).cast_signed();
                    let steps = if back { -events } else { events };
                    pending.steps = (pending.steps + steps).clamp(-most, most);
                    pending.play = Some(false);
                    pending.id = id;
                }
                Order::Unknown(_) => {}
            }
        }
        self.0.bell.notify_one();
    }

    /// Takes everything.
    pub(super) fn take(&self) -> Option<Pending> {
        self.pending().take()
    }

    /// True when another moment is wanted, for which a document is built.
    pub(super) fn jumps(&self) -> bool {
        self.pending()
            .is_some_and(|pending| pending.seek.is_some() || pending.steps < 0)
    }

    /// Waits for an order. Cancel safe.
    pub(super) async fn wait(&self) {
        self.0.bell.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SPEC R3.
    #[test]
    fn the_last_moment_counts_and_steps_add_up() {
        let orders = Orders::default();
        let seek = |id, seq| Order::Seek {
            id,
            to: Target::Seq(seq),
        };
        let step = |id, back| Order::Step { id, back, events: 1 };
        orders.begin(Target::Seq(4));
        for order in [
            Order::Play,
            seek(1, 5),
            step(2, false),
            seek(3, 9),
            step(4, true),
            step(5, true),
        ] {
            orders.put(order);
        }
        orders.put(Order::Speed(8.0));
        assert!(orders.jumps());
        let pending = Pending {
            speed: Some(8.0),
            play: Some(false),
            seek: Some(Target::Seq(9)),
            steps: -2,
            id: 5,
        };
        assert_eq!(orders.take(), Some(pending));
        assert_eq!(orders.take(), None);
        (0..300).for_each(|id| orders.put(step(id, false)));
        assert!(!orders.jumps(), "forwards is played");
        assert_eq!(orders.take().map(|pending| pending.steps), Some(100));
    }
}
