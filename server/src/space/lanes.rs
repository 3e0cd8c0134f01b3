//! What waits to be written to one connection: a reliable lane of frames, bounded in bytes, and a lossy slot of
//! which only the newest content counts. Shared by the actor, which fills them, and the socket, which drains.

use crate::limits;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thexr_schema::close::Close;
use tokio::sync::Notify;

/// A connection's two lanes; cheap to clone.
#[derive(Clone, Default)]
pub struct Lanes(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Rung when there is something to write; holds one permit, so a ring before the wait is not lost.
    bell: Notify,
}

#[derive(Default)]
struct State {
    reliable: VecDeque<Bytes>,
    /// Bytes in it, without …
    bytes: usize,
    /// … what was larger than the lane, which takes no room from what follows it.
    sync_bytes: usize,
    lossy: Option<Lossy>,
    close: Option<Close>,
}

/// What only the newest of counts: up to two frames that leave together.
pub type Lossy = [Bytes; 2];

/// The reliable lane is full: this peer does not read fast enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// What the socket takes out in one go.
#[derive(Debug, Default)]
pub struct Drained {
    /// Ready frames, in order.
    pub frames: VecDeque<Bytes>,
    /// The newest lossy frames, to go behind them.
    pub lossy: Option<Lossy>,
    /// Set once the connection is to be closed, after the frames are written.
    pub close: Option<Close>,
}

impl Lanes {
    fn state(&self) -> MutexGuard<'_, State> {
        // The state is plain data that no panic can leave half changed.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a frame that must arrive. `Full` closes the lane with 4508: the client comes back and resyncs by
    /// state vector, which costs less than the backlog.
    pub fn push(&self, frame: Bytes) -> Result<(), Full> {
        let bytes = frame.len();
        self.append([frame], bytes, bytes > limits::OUTBOX_BYTES_MAX)
    }

    /// The same for a first sync, which may be larger than the lane.
    pub fn push_sync(&self, frame: Bytes) -> Result<(), Full> {
        let bytes = frame.len();
        self.append([frame], bytes, true)
    }

    /// Appends several frames at once, so that they leave in one write.
    pub fn push_all(&self, frames: Vec<Bytes>) -> Result<(), Full> {
        let bytes = frames.iter().map(Bytes::len).sum();
        self.append(frames, bytes, bytes > limits::OUTBOX_BYTES_MAX)
    }

    /// What is larger than the lane, as after a restore, is like a first sync: whoever comes back for it gets no less.
    fn append<F>(&self, frames: F, bytes: usize, sync: bool) -> Result<(), Full>
    where
        F: IntoIterator<Item = Bytes, IntoIter: ExactSizeIterator>,
    {
        let frames = frames.into_iter();
        let mut state = self.state();
        if state.close.is_some() {
            return Ok(());
        }
        let (waiting, most) = if sync {
            (&mut state.sync_bytes, limits::OUTBOX_SYNC_BYTES_MAX)
        } else {
            (&mut state.bytes, limits::OUTBOX_BYTES_MAX)
        };
        *waiting += bytes;
        if *waiting > most || state.reliable.len() + frames.len() > limits::OUTBOX_LEN_MAX {
            drop(state);
            self.close_now(thexr_schema::close::SLOW_CONSUMER);
            return Err(Full);
        }
        state.reliable.extend(frames);
        drop(state);
        self.0.bell.notify_one();
        Ok(())
    }

    /// Replaces what is in the lossy slot; true when something was overwritten unread, so that the next content
    /// must stand alone.
    pub fn put_lossy(&self, frame: Bytes) -> bool {
        let overwritten = self.state().lossy.replace([frame, Bytes::new()]).is_some();
        self.0.bell.notify_one();
        overwritten
    }

    /// Appends a frame that must arrive and replaces what is in the lossy slot, so that both leave in one write. Empty
    /// frames change nothing.
    pub fn put_tick(&self, reliable: Option<Bytes>, lossy: Lossy) {
        let mut state = self.state();
        if state.close.is_some() || (reliable.is_none() && lossy.iter().all(Bytes::is_empty)) {
            return;
        }
        if !lossy.iter().all(Bytes::is_empty) {
            state.lossy = Some(lossy);
        }
        drop(state);
        match reliable {
            Some(frame) => drop(self.push(frame)),
            None => self.0.bell.notify_one(),
        }
    }

    /// True while the lossy slot has not been taken.
    pub fn lossy_waits(&self) -> bool {
        self.state().lossy.is_some()
    }

    /// Closes after what is queued has been written. The first reason stays.
    pub fn close(&self, close: Close) {
        self.state().close.get_or_insert(close);
        self.0.bell.notify_one();
    }

    /// Closes and drops what is queued.
    pub fn close_now(&self, close: Close) {
        {
            let mut state = self.state();
            state.close.get_or_insert(close);
            state.reliable = VecDeque::new();
            (state.bytes, state.sync_bytes) = (0, 0);
            state.lossy = None;
        }
        self.0.bell.notify_one();
    }

    /// Waits for something to write. Cancel safe.
    pub async fn ready(&self) {
        self.0.bell.notified().await;
    }

    /// The close that cannot wait for what is queued, because the peer does not take it.
    pub fn broken(&self) -> Option<Close> {
        self.state()
            .close
            .filter(|close| *close == thexr_schema::close::SLOW_CONSUMER)
    }

    /// Takes everything.
    pub fn drain(&self) -> Drained {
        let mut state = self.state();
        (state.bytes, state.sync_bytes) = (0, 0);
        Drained {
            frames: std::mem::take(&mut state.reliable),
            lossy: state.lossy.take(),
            close: state.close,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thexr_schema::close;

    #[test]
    fn the_reliable_lane_keeps_order_and_is_bounded_in_bytes() {
        let lanes = Lanes::default();
        for i in 0..3u8 {
            assert_eq!(lanes.push(Bytes::from(vec![i; 10])), Ok(()));
        }
        let drained = lanes.drain();
        assert_eq!(drained.frames.iter().map(|f| f[0]).collect::<Vec<_>>(), [0, 1, 2]);
        let half = Bytes::from(vec![0; limits::OUTBOX_BYTES_MAX / 2 + 1]);
        assert_eq!(lanes.push(half.clone()), Ok(()));
        assert_eq!(lanes.push(half), Err(Full));
        let drained = lanes.drain();
        assert!(
            drained.frames.is_empty(),
            "a full lane is emptied, the peer resyncs"
        );
        assert_eq!(drained.close, Some(close::SLOW_CONSUMER));
    }

    /// Regression: a restore of a large space threw everybody out.
    #[test]
    fn what_is_larger_than_the_lane_leaves_room_for_what_follows() {
        let lanes = Lanes::default();
        let large = Bytes::from(vec![0; limits::OUTBOX_BYTES_MAX + 1]);
        let small = Bytes::from(vec![0; limits::OUTBOX_BYTES_MAX]);
        assert_eq!(lanes.push(large.clone()), Ok(()));
        assert_eq!(lanes.push_all(vec![large.clone(), Bytes::new()]), Ok(()));
        assert_eq!(lanes.push(small), Ok(()));
        assert_eq!(lanes.drain().frames.len(), 4);
        let times = limits::OUTBOX_SYNC_BYTES_MAX / large.len();
        for _ in 0..times {
            assert_eq!(lanes.push(large.clone()), Ok(()));
        }
        assert_eq!(lanes.push(large), Err(Full), "it has a bound all the same");
    }

    #[test]
    fn the_lossy_slot_keeps_the_newest() {
        let lanes = Lanes::default();
        assert!(!lanes.put_lossy(Bytes::from_static(b"1")));
        assert!(lanes.put_lossy(Bytes::from_static(b"2")));
        assert_eq!(
            lanes.drain().lossy,
            Some([Bytes::from_static(b"2"), Bytes::new()])
        );
        assert!(!lanes.lossy_waits());
    }

    #[test]
    fn a_close_waits_for_what_is_queued_and_keeps_its_first_reason() {
        let lanes = Lanes::default();
        assert_eq!(lanes.push(Bytes::from_static(b"x")), Ok(()));
        lanes.close(close::RESTART);
        lanes.close(close::SLOW_CONSUMER);
        let drained = lanes.drain();
        assert_eq!((drained.frames.len(), drained.close), (1, Some(close::RESTART)));
    }
}
