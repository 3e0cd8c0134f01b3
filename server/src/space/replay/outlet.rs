//! What a replay says, and how much of it its connection has not written yet: nothing more is said while that is much.

use crate::limits;
use crate::space::Trouble;
use crate::space::lanes::Lanes;
use bytes::Bytes;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Large documents of all replays that are not written yet, in KiB.
static DOCUMENTS: LazyLock<Arc<Semaphore>> =
    LazyLock::new(|| Arc::new(Semaphore::new(limits::REPLAY_DOCUMENTS_KIB as usize)));

/// A large document's part of what all replays may have on their way; nothing for a small one.
pub(super) struct Share {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// For a frame of so many bytes, if there is room.
    pub fn now(bytes: usize) -> Option<Self> {
        match Self::kib(bytes) {
            0 => Some(Self { _permit: None }),
            kib => {
                let _permit = Some(DOCUMENTS.clone().try_acquire_many_owned(kib).ok()?);
                Some(Self { _permit })
            }
        }
    }

    /// The same, once there is room. `Busy` when readers are too slow for that.
    pub async fn later(bytes: usize) -> Result<Self, Trouble> {
        let permit = DOCUMENTS.clone().acquire_many_owned(Self::kib(bytes));
        match timeout(limits::REPLAY_DOCUMENT_WAIT, permit).await {
            Ok(Ok(permit)) => Ok(Self {
                _permit: Some(permit),
            }),
            _ => Err(Trouble::Busy),
        }
    }

    fn kib(bytes: usize) -> u32 {
        if bytes <= limits::REPLAY_QUEUE_BYTES {
            return 0;
        }
        // One that is larger than all of the room goes alone.
        u32::try_from(bytes >> 10).map_or(limits::REPLAY_DOCUMENTS_KIB, |kib| {
            kib.min(limits::REPLAY_DOCUMENTS_KIB)
        })
    }
}

/// The way to one connection.
pub(super) struct Outlet {
    lanes: Lanes,
    unwritten: Arc<Unwritten>,
}

#[derive(Default)]
struct Unwritten {
    bytes: AtomicUsize,
    frames: AtomicUsize,
    /// Rung when it becomes less; holds one permit, so a ring before the wait is not lost.
    less: Notify,
}

/// A frame, until the connection has written it or is gone.
struct Sent {
    frame: Bytes,
    unwritten: Arc<Unwritten>,
    _share: Share,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.frame
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.unwritten
            .bytes
            .fetch_sub(self.frame.len(), Ordering::Relaxed);
        self.unwritten.frames.fetch_sub(1, Ordering::Relaxed);
        self.unwritten.less.notify_one();
    }
}

impl Outlet {
    /// To the connection that drains these.
    pub fn new(lanes: Lanes) -> Self {
        Self {
            lanes,
            unwritten: Arc::default(),
        }
    }

    /// Says something.
    pub fn say(&self, frame: Bytes) {
        self.say_with(frame, Share { _permit: None });
    }

    /// Says something large.
    pub fn say_with(&self, frame: Bytes, share: Share) {
        self.unwritten.bytes.fetch_add(frame.len(), Ordering::Relaxed);
        self.unwritten.frames.fetch_add(1, Ordering::Relaxed);
        let sent = Sent {
            frame,
            unwritten: self.unwritten.clone(),
            _share: share,
        };
        // How much waits is our own business; one that is full all the same is closed, and its socket will leave.
        let _ = self.lanes.push_sync(Bytes::from_owner(sent));
    }

    /// True while there is so much that has not been written that nothing should be added.
    pub fn heaped(&self) -> bool {
        self.unwritten.bytes.load(Ordering::Relaxed) > limits::REPLAY_QUEUE_BYTES
            || self.unwritten.frames.load(Ordering::Relaxed) > limits::REPLAY_QUEUE_LEN
    }

    /// Waits until that is over.
    pub async fn room(&self) {
        while self.heaped() {
            self.unwritten.less.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SPEC R5.
    #[tokio::test]
    async fn what_is_said_counts_until_it_is_written() {
        let lanes = Lanes::default();
        let outlet = Outlet::new(lanes.clone());
        let large = 2 * limits::REPLAY_QUEUE_BYTES;
        let room = DOCUMENTS.available_permits();
        let share = Share::now(large).expect("room");
        assert_eq!(room - DOCUMENTS.available_permits(), large >> 10);
        outlet.say_with(Bytes::from(vec![0; large]), share);
        let drained = lanes.drain();
        assert!(outlet.heaped(), "taken is not written");
        drop(drained);
        assert!(!outlet.heaped());
        assert_eq!(DOCUMENTS.available_permits(), room);
        (0..=limits::REPLAY_QUEUE_LEN).for_each(|_| outlet.say(Bytes::from_static(b"x")));
        assert!(outlet.heaped(), "many small ones are much too");
        // A connection that is gone holds nothing up.
        lanes.close_now(thexr_schema::close::SLOW_CONSUMER);
        assert!(!outlet.heaped());
        let largest = Share::now(usize::MAX).expect("it goes alone");
        assert!(Share::now(large).is_none() && Share::now(1).is_some());
        let (later, ()) = tokio::join!(Share::later(large), async { drop(largest) });
        assert!(later.is_ok(), "when there is room");
    }
}
