//! Who waits for the next event of a space: a number that goes up after every commit, read by whoever follows.

use super::{SpaceKey, Store};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thexr_schema::ids::Seq;
use tokio::sync::watch;

/// One entry per space that somebody follows.
#[derive(Clone, Default)]
pub(super) struct Heads(Arc<Mutex<HashMap<SpaceKey, watch::Sender<Seq>>>>);

impl Heads {
    fn map(&self) -> MutexGuard<'_, HashMap<SpaceKey, watch::Sender<Seq>>> {
        // A panic between two map operations leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A commit gave a space this event.
    pub fn moved(&self, key: SpaceKey, seq: Seq) {
        let mut map = self.map();
        let Some(head) = map.get(&key) else { return };
        if head.receiver_count() == 0 {
            map.remove(&key);
        } else {
            head.send_replace(seq);
        }
    }

    /// The space is gone: whoever waits is woken to find out.
    pub fn gone(&self, key: SpaceKey) {
        self.map().remove(&key);
    }
}

impl Store {
    /// Changes whenever the space has a new event, and closes when it is deleted. Look at the rows first: what happened
    /// before this call is not told.
    pub fn watch(&self, key: SpaceKey) -> watch::Receiver<Seq> {
        let mut map = self.heads.map();
        map.entry(key)
            .or_insert_with(|| watch::channel(Seq::ZERO).0)
            .subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_remembered_who_has_stopped_listening() {
        let heads = Heads::default();
        let key = SpaceKey(1);
        heads.moved(key, Seq(1));
        assert!(heads.map().is_empty());
        let head = heads
            .map()
            .entry(key)
            .or_insert_with(|| watch::channel(Seq::ZERO).0)
            .subscribe();
        heads.moved(key, Seq(2));
        assert_eq!(*head.borrow(), Seq(2));
        drop(head);
        heads.moved(key, Seq(3));
        assert!(heads.map().is_empty());
    }
}
