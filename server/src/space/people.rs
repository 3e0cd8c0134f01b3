//! The presence connections of a space and what they are still to be told: facts that have just become durable, states
//! that changed, and what members say. Told once a tick, encoded once for everybody (SPEC M8, M12).

use super::ConnId;
use super::lanes::Lanes;
use super::poses::{Person, Poses, View};
use super::roster::{Fact, Identity, Member};
use crate::{limits, wire};
use bytes::Bytes;
use std::collections::HashMap;
use std::time::Duration;
use thexr_schema::close::{self, Close};
use thexr_schema::ids::Seq;
use thexr_schema::presence::{Change, Entry, Event, Id, Said, down};

/// What a connection of `/presence` tells its space, in the order it was said.
#[derive(Debug)]
pub enum FromMember {
    /// Wants in.
    Enter(Box<Enter>),
    /// What it wants to see.
    View(View),
    /// How late the newest TICK came there.
    Lags(Duration),
    /// Its state, checked JSON.
    State(Box<str>),
    /// Something for everybody.
    Say {
        /// About what.
        topic: Box<str>,
        /// Which of its things.
        key: Box<str>,
        /// Opaque.
        data: Bytes,
    },
    /// It leaves for good.
    Bye,
    /// The connection is gone; when it was last heard, ms since 1970.
    Gone(i64),
}

/// How a connection comes in.
pub struct Enter {
    /// Where to write to.
    pub lanes: Lanes,
    /// Where its poses will be.
    pub slot: super::poses::slot::PoseSlot,
    /// Who is behind it.
    pub identity: Identity,
    /// Which member it was.
    pub token: Option<Id>,
    /// Client id of its document; 0 = none.
    pub yjs: u64,
    /// Checked JSON.
    pub state: Box<str>,
    /// Pose bytes per second; 0 = the default.
    pub budget: u32,
}

impl std::fmt::Debug for Enter {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Enter({:?})", self.identity)
    }
}

struct Presence {
    person: Person,
    token: Id,
    /// It has its WELCOME: it is in the ticks.
    welcomed: bool,
    /// What it wants to see, if it said so.
    view: Option<View>,
}

/// Everybody with a presence connection, and what is to be told.
#[derive(Default)]
pub(super) struct People {
    connections: HashMap<ConnId, Presence>,
    /// Events since the last tick, encoded, and how many.
    news: (usize, Vec<u8>),
    said: Sayings,
}

/// What is said until the next tick: of one member, topic and key the newest.
#[derive(Default)]
struct Sayings {
    order: Vec<(u16, Box<str>, Box<str>)>,
    data: HashMap<(u16, Box<str>, Box<str>), Bytes>,
}

impl Drop for People {
    /// However the space ends, a panic included, nobody is left on a connection that leads nowhere.
    fn drop(&mut self) {
        self.close_all(close::RESTART);
    }
}

impl People {
    /// Presence connections.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Where a connection's poses go.
    pub fn slot(&self, conn: ConnId) -> Option<&super::poses::slot::PoseSlot> {
        self.connections.get(&conn).map(|presence| &presence.person.slot)
    }

    /// Adds a connection that still waits for its [`People::welcome`].
    pub fn join(&mut self, person: Person, token: Id) {
        let presence = Presence {
            token,
            person,
            welcomed: false,
            view: None,
        };
        self.connections.insert(presence.person.conn, presence);
    }

    /// Takes a connection out.
    pub fn leave(&mut self, conn: ConnId) {
        self.connections.remove(&conn);
    }

    /// Lets a connection into the ticks; gives what its WELCOME needs, the first time.
    pub fn welcome(&mut self, conn: ConnId) -> Option<(Person, Id)> {
        let presence = self.connections.get_mut(&conn)?;
        if std::mem::replace(&mut presence.welcomed, true) {
            return None;
        }
        Some((presence.person.clone(), presence.token))
    }

    /// Remembers what a connection wants to see: it may say so before its WELCOME, and the poses may start again.
    pub fn view(&mut self, conn: ConnId, view: View) {
        if let Some(presence) = self.connections.get_mut(&conn) {
            presence.view = Some(view);
        }
    }

    /// What a connection wants to see.
    pub fn view_of(&self, conn: ConnId) -> Option<&View> {
        self.connections.get(&conn)?.view.as_ref()
    }

    /// The pose feature anew, with everybody in it.
    pub fn poses(&self, tick: u32) -> Poses {
        let mut poses = Poses::default();
        for presence in self.connections.values().filter(|p| p.welcomed) {
            poses.join(presence.person.clone(), presence.view.as_ref(), tick);
        }
        poses
    }

    /// Closes one connection after what is queued.
    pub fn close(&mut self, conn: ConnId, close: Close) {
        if let Some(lanes) = self.connections.get(&conn).and_then(|p| p.person.lanes.as_ref()) {
            lanes.close(close);
        }
    }

    /// Closes everybody, after what is queued.
    pub fn close_all(&mut self, close: Close) {
        for lanes in self.connections.values().filter_map(|p| p.person.lanes.as_ref()) {
            lanes.close(close);
        }
    }

    /// Sends a frame to everybody who is in the ticks.
    pub fn send_all(&self, frame: &Bytes) {
        for presence in self.connections.values().filter(|p| p.welcomed) {
            // Full has closed the lane; its socket will leave.
            let _ = presence
                .person
                .lanes
                .as_ref()
                .map(|lanes| lanes.push(frame.clone()));
        }
    }

    /// A fact that is durable, with its number and time.
    pub fn fact(&mut self, fact: &Fact, seq: i64, at: i64) {
        fact.tell(seq, at, &mut self.news.1);
        self.news.0 += 1;
    }

    /// A state that changed.
    pub fn state(&mut self, member: &Member, at: i64) {
        self.tell(member.handle, at, Change::State(&member.state));
    }

    /// A member as it is now: it came back, perhaps as somebody with another name, state or document.
    pub fn as_it_is(&mut self, member: &Member, at: i64) {
        self.tell(member.handle, at, Change::Joined(member.entry()));
    }

    /// Something that is not in the journal.
    fn tell(&mut self, handle: u16, at: i64, change: Change<'_>) {
        let event = Event {
            seq: 0,
            at: at.max(0).cast_unsigned(),
            handle,
            change,
        };
        event.write(&mut self.news.1);
        self.news.0 += 1;
    }

    /// What a member says; false when there is no room for it.
    pub fn say(&mut self, handle: u16, topic: Box<str>, key: Box<str>, data: Bytes) -> bool {
        let said = (handle, topic, key);
        if let Some(last) = self.said.data.get_mut(&said) {
            *last = data;
            return true;
        }
        if self.said.order.len() >= limits::SAID_LEN_MAX {
            return false;
        }
        self.said.order.push(said.clone());
        self.said.data.insert(said, data);
        true
    }

    /// The EVENTS frame of this tick.
    pub fn events(&mut self) -> Option<Bytes> {
        let (n, written) = std::mem::take(&mut self.news);
        (n > 0).then(|| wire::presence(&down::events(n, &written)))
    }

    /// The SAID frame of this tick; empty when nobody says anything.
    pub fn said(&mut self) -> Bytes {
        if self.said.order.is_empty() {
            return Bytes::new();
        }
        let mut bytes = 0;
        let fits = |said: &&(u16, Box<str>, Box<str>)| {
            bytes += said.1.len() + said.2.len() + self.said.data.get(*said).map_or(0, Bytes::len) + 8;
            bytes <= limits::SAID_BYTES_MAX
        };
        let n = self.said.order.iter().take_while(fits).count().max(1);
        let now: Vec<_> = self.said.order.drain(..n).collect();
        let data: Vec<Bytes> = now
            .iter()
            .filter_map(|said| self.said.data.remove(said))
            .collect();
        let all: Vec<Said<'_>> = now
            .iter()
            .zip(&data)
            .map(|((handle, topic, key), data)| Said {
                handle: *handle,
                topic,
                key,
                data,
            })
            .collect();
        wire::presence(&down::said_all(&all))
    }

    /// Nobody is there to be told.
    pub fn forget(&mut self) {
        self.news = (0, Vec::new());
        self.said = Sayings::default();
    }
}

/// The whole list in frames of a bounded size.
pub(super) fn roster_frames(as_of: Seq, entries: &[Entry<'_>]) -> Vec<Bytes> {
    let size = |entry: &Entry<'_>| 40 + entry.user.len() + entry.name.len() + entry.state.len();
    let mut frames = Vec::new();
    let mut rest = entries;
    loop {
        let mut bytes = 0;
        let n = rest
            .iter()
            .take_while(|entry| {
                bytes += size(entry);
                bytes <= limits::ROSTER_BYTES
            })
            .count()
            .max(usize::from(!rest.is_empty()));
        let (now, later) = rest.split_at(n);
        rest = later;
        let payload = down::roster(as_of.0.cast_unsigned(), !rest.is_empty(), now);
        frames.push(wire::presence(&payload));
        if rest.is_empty() {
            return frames;
        }
    }
}
