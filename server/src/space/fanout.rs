//! The connections of a space and what each is sent. An update is framed once; a receiver gets a share of the same
//! bytes, and its own updates are cut out of it.

use super::lanes::Lanes;
use super::roster::Identity;
use super::{ConnId, Join};
use crate::{limits, wire};
use bytes::{Bytes, BytesMut};
use std::collections::HashMap;
use std::sync::Arc;
use thexr_schema::close::Close;
use thexr_schema::frame;
use tokio::time::Instant;

/// One connection as the space sees it.
pub(super) struct Receiver {
    pub lanes: Lanes,
    /// Who is behind it, when that is known.
    pub identity: Option<Arc<Identity>>,
    /// Its own name as text, which edits carry when nobody is known behind them.
    pub text: Arc<str>,
    /// Its first SyncStep1 has been answered. Not before: an update on top of what it lacks would wait inside its
    /// engine, at a cost that grows with the square of their number, and a yrs client panics on some of them.
    follows: bool,
    /// It was refused an update and asked for everything it has: its acks wait until that has come.
    pub resync: bool,
    /// The acks that wait for the resync, in order.
    pub held_acks: Vec<Bytes>,
    /// How often that happened.
    gaps: u32,
    /// Times of its latest SyncStep1.
    steps: (Instant, u32),
}

/// All of them.
#[derive(Default)]
pub(super) struct Fanout {
    receivers: HashMap<ConnId, Receiver>,
}

impl Drop for Fanout {
    /// However the space ends, a panic included, nobody is left on a connection that leads nowhere.
    fn drop(&mut self) {
        self.close_all(thexr_schema::close::RESTART);
    }
}

impl Fanout {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.receivers.len()
    }

    /// All connections.
    pub fn conns(&self) -> Vec<ConnId> {
        self.receivers.keys().copied().collect()
    }

    /// Adds a connection.
    pub fn join(&mut self, join: Join, now: Instant) {
        let receiver = Receiver {
            lanes: join.lanes,
            identity: join.identity,
            text: join.conn.to_string().into(),
            follows: false,
            resync: false,
            held_acks: Vec::new(),
            gaps: 0,
            steps: (now, 0),
        };
        self.receivers.insert(join.conn, receiver);
    }

    /// Removes a connection.
    pub fn leave(&mut self, conn: ConnId) {
        self.receivers.remove(&conn);
    }

    /// True when it is a connection of `/sync`.
    pub fn has(&self, conn: ConnId) -> bool {
        self.receivers.contains_key(&conn)
    }

    /// One connection.
    pub fn get(&mut self, conn: ConnId) -> Option<&mut Receiver> {
        self.receivers.get_mut(&conn)
    }

    /// Sends a frame to one connection.
    pub fn send(&mut self, conn: ConnId, frame: Bytes) {
        if let Some(receiver) = self.receivers.get(&conn) {
            // Full has closed the lane; its socket will leave.
            let _ = receiver.lanes.push(frame);
        }
    }

    /// Sends the answer to a SyncStep1, which may be larger than the lane; from here on the connection gets updates.
    pub fn send_sync(&mut self, conn: ConnId, frame: Bytes) {
        if let Some(receiver) = self.receivers.get_mut(&conn) {
            receiver.follows = true;
            let _ = receiver.lanes.push_sync(frame);
        }
    }

    /// Gives everybody what one commit made due: the updates of others, then the echoes of their own acks.
    pub fn relay(&mut self, updates: &[(Option<ConnId>, Bytes)], acks: &[(ConnId, Bytes)]) {
        let size = updates
            .iter()
            .map(|(_, update)| update.len() + wire::HEADER_BYTES_MAX + 7)
            .sum();
        let mut all = BytesMut::with_capacity(size);
        let mut ends = Vec::with_capacity(updates.len());
        for (_, update) in updates {
            wire::put_update(&mut all, update);
            ends.push(all.len());
        }
        let all = all.freeze();
        let mut special: HashMap<ConnId, Vec<Bytes>> = HashMap::new();
        let follows = |conn: &ConnId| self.receivers.get(conn).is_some_and(|r| r.follows);
        for author in updates.iter().filter_map(|(author, _)| *author).filter(follows) {
            special
                .entry(author)
                .or_insert_with(|| others(&all, &ends, updates, author));
        }
        for (conn, ack) in acks {
            let frames = special.entry(*conn).or_insert_with(|| {
                if all.is_empty() || !follows(conn) {
                    vec![]
                } else {
                    vec![all.clone()]
                }
            });
            frames.push(wire::message(&frame::ack(ack)));
        }
        if !all.is_empty() {
            for (conn, receiver) in &self.receivers {
                if receiver.follows && !special.contains_key(conn) {
                    let _ = receiver.lanes.push(all.clone());
                }
            }
        }
        for (conn, frames) in special {
            if let Some(receiver) = self.receivers.get(&conn) {
                let _ = receiver.lanes.push_all(frames);
            }
        }
    }

    /// Puts an awareness frame into every lossy slot; who has not taken the last one gets everything instead.
    pub fn put_lossy(&mut self, changed: &Bytes, all: impl FnOnce() -> Bytes) {
        let mut all = Some(all);
        let mut whole: Option<Bytes> = None;
        for receiver in self.receivers.values() {
            if receiver.lanes.lossy_waits() {
                if let Some(make) = all.take() {
                    whole = Some(make());
                }
                receiver
                    .lanes
                    .put_lossy(whole.clone().unwrap_or_else(|| changed.clone()));
            } else {
                receiver.lanes.put_lossy(changed.clone());
            }
        }
    }

    /// Notes a gap; true when the connection should be asked for all it has (once per gap).
    pub fn gap(&mut self, conn: ConnId) -> bool {
        let Some(receiver) = self.receivers.get_mut(&conn) else {
            return false;
        };
        if receiver.resync {
            return false;
        }
        receiver.resync = true;
        receiver.gaps += 1;
        if receiver.gaps > limits::GAPS_MAX {
            receiver.lanes.close_now(thexr_schema::close::UPDATE_GAP);
            return false;
        }
        true
    }

    /// Counts a SyncStep1; false when the connection asks too often and has been closed.
    pub fn may_sync(&mut self, conn: ConnId, now: Instant) -> bool {
        let Some(receiver) = self.receivers.get_mut(&conn) else {
            return false;
        };
        if now.duration_since(receiver.steps.0) > limits::SYNC_WINDOW {
            receiver.steps = (now, 0);
        }
        receiver.steps.1 += 1;
        let fine = receiver.steps.1 <= limits::SYNC_STEPS_MAX;
        if !fine {
            receiver.lanes.close_now(thexr_schema::close::RATE_LIMITED);
        }
        fine
    }

    /// Closes one connection, dropping what it was still to get.
    pub fn close(&mut self, conn: ConnId, close: Close) {
        if let Some(receiver) = self.receivers.get(&conn) {
            receiver.lanes.close_now(close);
        }
    }

    /// Closes everybody, after what is queued.
    pub fn close_all(&mut self, close: Close) {
        for receiver in self.receivers.values() {
            receiver.lanes.close(close);
        }
    }
}

/// The bytes of `all` without the frames of `author`, as few pieces as possible.
fn others(all: &Bytes, ends: &[usize], updates: &[(Option<ConnId>, Bytes)], author: ConnId) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let (mut from, mut at) = (0, 0);
    for (end, (by, _)) in ends.iter().zip(updates) {
        if *by == Some(author) {
            if from < at {
                pieces.push(all.slice(from..at));
            }
            from = *end;
        }
        at = *end;
    }
    if from < at {
        pieces.push(all.slice(from..at));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(conn: ConnId, lanes: &Lanes) -> Join {
        Join {
            conn,
            lanes: lanes.clone(),
            identity: None,
        }
    }

    fn got(lanes: &Lanes) -> Vec<u8> {
        lanes.drain().frames.iter().flat_map(|f| f.to_vec()).collect()
    }

    #[test]
    fn everybody_gets_the_updates_of_others_and_their_own_acks_last() {
        let mut fanout = Fanout::default();
        let conns = [ConnId(1), ConnId(2), ConnId(3)];
        let lanes: Vec<Lanes> = conns.iter().map(|_| Lanes::default()).collect();
        for (conn, lanes) in conns.iter().zip(&lanes) {
            fanout.join(join(*conn, lanes), Instant::now());
            fanout.send_sync(*conn, Bytes::new());
            lanes.drain();
        }
        let updates = [
            (Some(ConnId(1)), Bytes::from_static(b"aa")),
            (Some(ConnId(2)), Bytes::from_static(b"b")),
            (Some(ConnId(1)), Bytes::from_static(b"c")),
            (None, Bytes::from_static(b"d")),
        ];
        fanout.relay(
            &updates,
            &[(ConnId(2), Bytes::from_static(&[7])), (ConnId(9), Bytes::new())],
        );
        let frame = |update: &[u8]| wire::message(&frame::update(update)).to_vec();
        assert_eq!(got(&lanes[0]), [frame(b"b"), frame(b"d")].concat());
        let ack = wire::message(&frame::ack(&[7])).to_vec();
        assert_eq!(
            got(&lanes[1]),
            [frame(b"aa"), frame(b"c"), frame(b"d"), ack].concat()
        );
        assert_eq!(
            got(&lanes[2]),
            [frame(b"aa"), frame(b"b"), frame(b"c"), frame(b"d")].concat()
        );
    }

    /// SPEC S4.
    #[test]
    fn who_has_not_been_synced_gets_acks_and_no_updates() {
        let mut fanout = Fanout::default();
        let (conn, lanes) = (ConnId(1), Lanes::default());
        fanout.join(join(conn, &lanes), Instant::now());
        let updates = [
            (Some(conn), Bytes::from_static(b"a")),
            (None, Bytes::from_static(b"b")),
        ];
        fanout.relay(&updates, &[(conn, Bytes::from_static(&[7]))]);
        assert_eq!(got(&lanes), wire::message(&frame::ack(&[7])).to_vec());
        fanout.send_sync(conn, Bytes::new());
        fanout.relay(&updates, &[]);
        assert_eq!(got(&lanes), wire::message(&frame::update(b"b")).to_vec());
    }

    #[test]
    fn a_gap_asks_once_and_ends_in_4509() {
        let mut fanout = Fanout::default();
        let (conn, lanes) = (ConnId(1), Lanes::default());
        fanout.join(join(conn, &lanes), Instant::now());
        for _ in 0..limits::GAPS_MAX {
            assert!(fanout.gap(conn));
            assert!(!fanout.gap(conn), "asked already");
            fanout.get(conn).expect("joined").resync = false;
        }
        assert!(!fanout.gap(conn));
        assert_eq!(lanes.drain().close, Some(thexr_schema::close::UPDATE_GAP));
    }

    #[test]
    fn syncing_too_often_ends_in_4529() {
        let mut fanout = Fanout::default();
        let (conn, lanes, now) = (ConnId(1), Lanes::default(), Instant::now());
        fanout.join(join(conn, &lanes), now);
        for _ in 0..limits::SYNC_STEPS_MAX {
            assert!(fanout.may_sync(conn, now));
        }
        assert!(!fanout.may_sync(conn, now));
        assert_eq!(lanes.drain().close, Some(thexr_schema::close::RATE_LIMITED));
        assert!(
            fanout.may_sync(conn, now + limits::SYNC_WINDOW * 2),
            "the window moves on"
        );
    }
}
