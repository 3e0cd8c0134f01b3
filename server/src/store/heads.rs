//! Who waits for the next event of a space, or of any: a number that goes up after every commit, read by whoever
//! follows.

use super::{SpaceKey, Store};
use crate::limits;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use thexr_schema::ids::Seq;
use tokio::sync::{Notify, watch};

/// One entry per space that somebody follows, and those who want to hear of any.
#[derive(Clone, Default)]
pub(super) struct Heads(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    heads: HashMap<SpaceKey, watch::Sender<Seq>>,
    listeners: Vec<Weak<Listener>>,
}

/// What moved since somebody last looked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Spaces with their newest event; `None` = deleted.
    pub heads: HashMap<SpaceKey, Option<Seq>>,
    /// More than are listed: look at the rows.
    pub more: bool,
}

struct Listener {
    /// Of this space, or of all.
    only: Option<SpaceKey>,
    moved: Mutex<Moved>,
    wake: Notify,
}

/// Hears of every commit without holding one up; what it does not fetch in time is summed up.
pub struct Moves(Arc<Listener>);

impl Moves {
    /// What moved since the last call; waits until something has.
    pub async fn next(&self) -> Moved {
        loop {
            let moved = std::mem::take(&mut *lock(&self.0.moved));
            if moved != Moved::default() {
                return moved;
            }
            self.0.wake.notified().await;
        }
    }
}

impl Listener {
    fn hear(&self, key: SpaceKey, seq: Option<Seq>) {
        if self.only.is_some_and(|only| only != key) {
            return;
        }
        let mut moved = lock(&self.moved);
        if moved.heads.len() < limits::WEBHOOK_MOVES_MAX || moved.heads.contains_key(&key) {
            moved.heads.insert(key, seq);
        } else {
            moved.more = true;
        }
        drop(moved);
        self.wake.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic between two map operations leaves the map whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Waiting {
    fn tell(&mut self, key: SpaceKey, seq: Option<Seq>) {
        self.listeners.retain(|listener| {
            let listener = listener.upgrade();
            listener.inspect(|listener| listener.hear(key, seq)).is_some()
        });
    }
}

impl Heads {
    /// A commit gave a space this event.
    pub fn moved(&self, key: SpaceKey, seq: Seq) {
        let mut waiting = lock(&self.0);
        waiting.tell(key, Some(seq));
        let Some(head) = waiting.heads.get(&key) else {
            return;
        };
        if head.receiver_count() == 0 {
            waiting.heads.remove(&key);
        } else {
            head.send_replace(seq);
        }
    }

    /// The space is gone: whoever waits is woken to find out.
    pub fn gone(&self, key: SpaceKey) {
        let mut waiting = lock(&self.0);
        waiting.heads.remove(&key);
        waiting.tell(key, None);
    }
}

impl Store {
    /// Changes whenever the space has a new event, and closes when it is deleted. Look at the rows first: what happened
    /// before this call is not told.
    pub fn watch(&self, key: SpaceKey) -> watch::Receiver<Seq> {
        let mut waiting = lock(&self.heads.0);
        let head = waiting.heads.entry(key);
        head.or_insert_with(|| watch::channel(Seq::ZERO).0).subscribe()
    }

    /// The same for whoever follows many: of this space, or of all, those that come later too.
    pub fn moves(&self, only: Option<SpaceKey>) -> Moves {
        let listener = Arc::new(Listener {
            only,
            moved: Mutex::default(),
            wake: Notify::new(),
        });
        lock(&self.heads.0).listeners.push(Arc::downgrade(&listener));
        Moves(listener)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_remembered_who_has_stopped_listening() {
        let heads = Heads::default();
        let key = SpaceKey(1);
        let len = || lock(&heads.0).heads.len();
        heads.moved(key, Seq(1));
        assert_eq!(len(), 0);
        let head = lock(&heads.0)
            .heads
            .entry(key)
            .or_insert_with(|| watch::channel(Seq::ZERO).0)
            .subscribe();
        heads.moved(key, Seq(2));
        assert_eq!(*head.borrow(), Seq(2));
        drop(head);
        heads.moved(key, Seq(3));
        assert_eq!(len(), 0);
        let gone = Weak::new();
        lock(&heads.0).listeners.push(gone);
        heads.moved(key, Seq(4));
        assert!(lock(&heads.0).listeners.is_empty());
    }

    #[tokio::test]
    async fn a_listener_hears_the_newest_of_each_space_and_that_there_were_too_many() {
        let heads = Heads::default();
        let listen = |only| {
            let listener = Arc::new(Listener {
                only,
                moved: Mutex::default(),
                wake: Notify::new(),
            });
            lock(&heads.0).listeners.push(Arc::downgrade(&listener));
            Moves(listener)
        };
        let (all, one) = (listen(None), listen(Some(SpaceKey(2))));
        heads.moved(SpaceKey(1), Seq(7));
        heads.moved(SpaceKey(1), Seq(8));
        heads.gone(SpaceKey(2));
        let heard = all.next().await;
        assert_eq!(heard.heads[&SpaceKey(1)], Some(Seq(8)));
        assert_eq!((heard.heads[&SpaceKey(2)], heard.more), (None, false));
        assert_eq!(one.next().await.heads.len(), 1);
        let most = i64::try_from(limits::WEBHOOK_MOVES_MAX).expect("small");
        for key in 0..=most {
            heads.moved(SpaceKey(key), Seq(1));
        }
        let heard = all.next().await;
        assert_eq!((heard.heads.len(), heard.more), (limits::WEBHOOK_MOVES_MAX, true));
    }
}
