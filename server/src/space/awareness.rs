//! Standard awareness (cursors of stock editors): who may speak for which id, what is newest, what changed since
//! the last tick. Ephemeral; a crash here loses cursors for a second and nothing else.
//!
//! Stock clients echo what they hear, so an entry that is not newer is dropped before its JSON is looked at, and an id
//! that a living connection owns is nobody else's (silently: echoes are normal). Members of `/presence` appear as
//! entries of the server's own ([`bridge`]).

pub(super) mod bridge;

use super::ConnId;
use crate::limits;
use bytes::{Bytes, BytesMut};
use std::collections::HashMap;
use thexr_schema::Fault;
use thexr_schema::limits::AWARENESS_ENTRIES_MAX;
use thexr_schema::scan;
use thexr_schema::{frame, lib0};
use tokio::time::Instant;

/// Who speaks for an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Nobody,
    Conn(ConnId),
    Server,
}

struct Entry {
    clock: u32,
    /// JSON, or `null` when it has gone.
    state: Box<str>,
    owner: Owner,
    heard: Instant,
    dirty: bool,
}

/// The awareness of a space.
#[derive(Default)]
pub(super) struct Awareness {
    entries: HashMap<u64, Entry>,
    /// Some entry is.
    dirty: bool,
}

/// Something new that a connection said of itself.
#[derive(Debug, PartialEq)]
pub(super) struct News {
    /// The awareness id, which is the client id of its document.
    pub client: u64,
    /// What concerns its membership.
    pub about: bridge::About,
}

impl Awareness {
    /// Takes in an update from a connection that was split before; gives what was new in it. A fault is in the state
    /// of an entry that is news.
    pub fn receive(&mut self, from: ConnId, update: &[u8], now: Instant) -> Result<Vec<News>, Fault> {
        let mut news = Vec::new();
        for new in scan::split_awareness(update)? {
            let gone = new.state == "null";
            match self.entries.get(&new.client) {
                Some(old) => {
                    let newer =
                        new.clock > old.clock || (new.clock == old.clock && gone && &*old.state != "null");
                    if !newer || !matches!(old.owner, Owner::Nobody) && old.owner != Owner::Conn(from) {
                        continue;
                    }
                }
                // A goodbye of somebody unknown changes nothing.
                None if gone => continue,
                None => {
                    let owned = self.entries.values().filter(|e| e.owner == Owner::Conn(from));
                    if owned.count() >= limits::AWARENESS_IDS_PER_CONNECTION {
                        continue;
                    }
                }
            }
            let parsed = scan::parse_state(new.state).map_err(|code| Fault::new(code, 0))?;
            let (state, about) = parsed.map(bridge::read).unwrap_or_default();
            self.entries.insert(
                new.client,
                Entry {
                    clock: new.clock,
                    state: state.unwrap_or_else(|| new.state.into()),
                    owner: Owner::Conn(from),
                    heard: now,
                    dirty: true,
                },
            );
            self.dirty = true;
            news.push(News {
                client: new.client,
                about,
            });
        }
        Ok(news)
    }

    /// True when a stock client is there to be told of others.
    pub fn has_listeners(&self) -> bool {
        self.entries.values().any(|e| matches!(e.owner, Owner::Conn(_)))
    }

    /// What the server itself says of somebody; `null` when that one has gone.
    pub fn tell(&mut self, client: u64, state: &str, now: Instant) {
        let clock = self
            .entries
            .get(&client)
            .map_or(0, |old| old.clock)
            .saturating_add(1);
        let entry = Entry {
            clock,
            state: state.into(),
            owner: Owner::Server,
            heard: now,
            dirty: true,
        };
        self.entries.insert(client, entry);
        self.dirty = true;
    }

    /// Clears what a connection said, at once: a refreshed tab has a new id, and two cursors of one person are
    /// worse than none.
    pub fn leave(&mut self, conn: ConnId) {
        for entry in self.entries.values_mut().filter(|e| e.owner == Owner::Conn(conn)) {
            entry.say_goodbye();
            self.dirty = true;
        }
    }

    /// Drops what has not been renewed and forgets goodbyes that everybody has heard.
    pub fn expire(&mut self, now: Instant) {
        let age = |e: &Entry| now.duration_since(e.heard);
        self.entries
            .retain(|_, e| e.dirty || &*e.state != "null" || age(e) < 2 * limits::AWARENESS_EXPIRY);
        for entry in self.entries.values_mut() {
            if entry.owner != Owner::Server
                && &*entry.state != "null"
                && age(entry) > limits::AWARENESS_EXPIRY
            {
                entry.say_goodbye();
                self.dirty = true;
            }
        }
    }

    /// A frame with what changed since the last call, if anything did.
    pub fn changed(&mut self) -> Option<Bytes> {
        if !std::mem::take(&mut self.dirty) {
            return None;
        }
        let changed: Vec<(u64, &Entry)> = self
            .entries
            .iter()
            .filter(|(_, e)| e.dirty)
            .map(|(c, e)| (*c, e))
            .collect();
        if changed.is_empty() {
            return None;
        }
        let frame = encode(&changed);
        self.entries.values_mut().for_each(|e| e.dirty = false);
        Some(frame)
    }

    /// A frame with everybody, if there is anybody.
    pub fn all(&self) -> Option<Bytes> {
        let present: Vec<(u64, &Entry)> = self.entries.iter().map(|(client, e)| (*client, e)).collect();
        (!present.is_empty()).then(|| encode(&present))
    }

    /// True when a tick has something to send.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }
}

impl Entry {
    fn say_goodbye(&mut self) {
        self.clock = self.clock.saturating_add(1);
        self.state = "null".into();
        self.owner = Owner::Nobody;
        self.dirty = true;
    }
}

fn encode(entries: &[(u64, &Entry)]) -> Bytes {
    // Stock clients send back what one message brought as one message, so it is no longer than they may send.
    let mut frames = BytesMut::new();
    for part in entries.chunks(AWARENESS_ENTRIES_MAX as usize) {
        let mut update = Vec::new();
        lib0::write_var(&mut update, part.len() as u64);
        for (client, entry) in part {
            lib0::write_var(&mut update, *client);
            lib0::write_var(&mut update, u64::from(entry.clock));
            lib0::write_bytes(&mut update, entry.state.as_bytes());
        }
        frames.extend_from_slice(&crate::wire::message(&frame::awareness(&update)));
    }
    frames.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(client: u64, clock: u32, state: &str) -> Vec<u8> {
        let mut out = vec![1];
        lib0::write_var(&mut out, client);
        lib0::write_var(&mut out, u64::from(clock));
        lib0::write_bytes(&mut out, state.as_bytes());
        out
    }

    fn tell(a: &mut Awareness, from: u64, client: u64, clock: u32, state: &str) -> bool {
        let news = a.receive(ConnId(from), &update(client, clock, state), Instant::now());
        assert_eq!(news.expect("well formed").is_empty(), !a.is_dirty());
        a.changed().is_some()
    }

    #[test]
    fn echoes_and_other_peoples_ids_change_nothing() {
        let mut a = Awareness::default();
        assert!(tell(&mut a, 1, 100, 1, "{\"x\":1}"));
        assert!(!tell(&mut a, 1, 100, 1, "{\"x\":1}"), "an echo");
        assert!(!tell(&mut a, 2, 100, 2, "{\"x\":2}"), "somebody else's id");
        assert!(!tell(&mut a, 2, 100, 9, "null"), "nor can it be ended by others");
        assert!(!tell(&mut a, 2, 555, 9, "null"), "a goodbye of nobody");
        assert!(tell(&mut a, 1, 100, 2, "{\"x\":2}"));
        assert!(tell(&mut a, 1, 100, 2, "null"), "a goodbye may repeat the clock");
    }

    #[test]
    fn a_connection_speaks_for_a_few_ids_only() {
        let mut a = Awareness::default();
        for id in 0..limits::AWARENESS_IDS_PER_CONNECTION as u64 {
            assert!(tell(&mut a, 1, id, 1, "{}"));
        }
        assert!(!tell(&mut a, 1, 99, 1, "{}"));
        assert!(tell(&mut a, 2, 99, 1, "{}"));
    }

    /// Regression: what a crowd says in one message a stock client sends back in one, and that was more than it may.
    #[test]
    fn a_crowd_is_told_in_messages_that_may_be_sent_back() {
        let mut a = Awareness::default();
        let now = Instant::now();
        for client in 0..200u64 {
            a.receive(ConnId(client), &update(client, 1, "{}"), now)
                .expect("well formed");
        }
        let frames = a.changed().expect("all of them");
        let (mut rest, mut seen) = (&frames[..], 0);
        while let [_, len, ..] = rest {
            let (start, len) = match len {
                126 => (4, usize::from(u16::from_be_bytes([rest[2], rest[3]]))),
                short => (2, usize::from(*short)),
            };
            let payload = &rest[start..start + len];
            let Some(Ok(frame::Message::Awareness(said))) = frame::Messages::new(payload).next() else {
                panic!("no awareness")
            };
            seen += scan::scan_awareness(said).expect("as many as may be sent").len();
            rest = &rest[start + len..];
        }
        assert_eq!(seen, 200);
    }

    #[test]
    fn leaving_and_silence_say_goodbye_once() {
        let mut a = Awareness::default();
        tell(&mut a, 1, 100, 1, "{}");
        tell(&mut a, 2, 200, 1, "{}");
        a.leave(ConnId(1));
        assert!(a.changed().is_some());
        assert!(a.changed().is_none());
        let later = Instant::now() + limits::AWARENESS_EXPIRY * 3;
        a.expire(later);
        assert!(a.changed().is_some(), "200 was silent");
        a.expire(later + limits::AWARENESS_EXPIRY * 3);
        assert!(a.all().is_none(), "goodbyes are forgotten");
    }
}
