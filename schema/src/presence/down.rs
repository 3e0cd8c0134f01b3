//! Owns what the server says on `/presence` (SPEC M5): writing for the server, reading for tests and load
//! generators; must not know whom it is said to.

mod read;

use super::pose::{DOT_BYTES, Record, record_len};
use super::{Id, VERSION, u16};
use crate::lib0::{Reader, write_bytes, write_str, write_var};

/// The kinds of the server's messages: the payload's first byte.
pub mod kind {
    /// Lets a client in.
    pub const WELCOME: u8 = 0x81;
    /// Everybody who is there.
    pub const ROSTER: u8 = 0x82;
    /// Who came, went and changed.
    pub const EVENTS: u8 = 0x83;
    /// Where they are.
    pub const TICK: u8 = 0x84;
    /// Answers PING.
    pub const PONG: u8 = 0x85;
    /// How many ticks a second this client gets.
    pub const RATE: u8 = 0x86;
    /// What members say.
    pub const SAID: u8 = 0x87;
}

/// TICK flag: everybody in sight, not only who moved.
pub const FULL: u8 = 1;
/// Bytes of a TICK before its records.
pub const TICK_HEADER_BYTES: usize = 10;

/// What a client is told when it comes in.
#[derive(Debug, Clone, PartialEq)]
pub struct Welcome<'a> {
    /// True when it is the member it was before.
    pub resumed: bool,
    /// Its number in this space.
    pub handle: u16,
    /// Its member id.
    pub member: Id,
    /// Lets it resume after a lost connection, within the grace.
    pub token: Id,
    /// Milliseconds between ticks.
    pub tick_ms: u16,
    /// The newest tick.
    pub tick_now: u32,
    /// When tick 0 was, ms since 1970 by the server's clock.
    pub tick0_unix_ms: f64,
    /// What positions are relative to: x, y, z in metres.
    pub origin: [f64; 3],
    /// A unit is 2^this millimetres.
    pub unit_shift: u8,
    /// How long a lost member is kept.
    pub grace_ms: u32,
    /// Edge of a cell, metres.
    pub cell_m: u8,
    /// Ticks between two dots of a member in the middle distance, and far away.
    pub every: [u8; 2],
    /// Pose bytes per second this client gets at most.
    pub budget: u32,
    /// The random id of the space's history.
    pub epoch: &'a str,
    /// Who it is.
    pub user: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// A member as others are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Number in this space; poses carry it.
    pub handle: u16,
    /// Member id.
    pub member: Id,
    /// Lost, and within its grace.
    pub away: bool,
    /// 0 viewer, 1 editor, 2 admin.
    pub role: u8,
    /// When it joined, ms since 1970.
    pub joined_at: u64,
    /// The client id of its Yjs document; 0 = none.
    pub yjs_client: u64,
    /// Who it is: several members may be one user.
    pub user: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its state, JSON.
    pub state: &'a str,
}

/// Why a member left. The numbers travel; the texts are in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// It said so.
    Bye = 1,
    /// It was lost and did not come back in time.
    Grace = 2,
    /// An administrator removed it.
    Kicked = 3,
    /// Its token expired.
    Expired = 4,
    /// The server stopped, and it did not come back in time after that.
    Shutdown = 5,
    /// A newer session took its place.
    Replaced = 6,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 6] = [
        Reason::Bye,
        Reason::Grace,
        Reason::Kicked,
        Reason::Expired,
        Reason::Shutdown,
        Reason::Replaced,
    ];

    /// As the journal says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Bye => "bye",
            Reason::Grace => "grace",
            Reason::Kicked => "kicked",
            Reason::Expired => "expired",
            Reason::Shutdown => "shutdown",
            Reason::Replaced => "replaced",
        }
    }

    fn of(number: u8) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| *reason as u8 == number)
    }
}

/// What happened to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'a> {
    /// It came.
    Joined(Entry<'a>),
    /// It went.
    Left {
        /// Why.
        reason: Reason,
        /// When it was last heard, ms since 1970.
        heard_at: u64,
    },
    /// Its connection was lost.
    Suspended {
        /// When it was last heard, ms since 1970.
        heard_at: u64,
    },
    /// It is back.
    Resumed,
    /// Its state changed; not in the journal.
    State(&'a str),
}

/// Something that happened to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// Number in the space's history; 0 = not in the journal.
    pub seq: u64,
    /// When, ms since 1970.
    pub at: u64,
    /// To whom.
    pub handle: u16,
    /// What.
    pub change: Change<'a>,
}

/// What a member said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said<'a> {
    /// Who.
    pub handle: u16,
    /// About what.
    pub topic: &'a str,
    /// Which of its things.
    pub key: &'a str,
    /// Opaque to the server.
    pub data: &'a [u8],
}

/// A member far away.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dot {
    /// Who.
    pub handle: u16,
    /// Metres from the origin: x, y, z, to 8 mm sideways and 125 mm upwards.
    pub pos: [f32; 3],
    /// Turn about the vertical, radians.
    pub yaw: f32,
}

/// The poses of a tick, read where they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick<'a> {
    /// Its number.
    pub tick: u32,
    /// Everybody in sight.
    pub full: bool,
    /// How far this receiver's rate is reduced: 0 to 3.
    pub shed: u8,
    records: &'a [u8],
    dots: &'a [u8],
}

impl<'a> Tick<'a> {
    /// The near members.
    pub fn records(&self) -> impl Iterator<Item = (u16, Record)> + 'a {
        let mut reader = Reader::new(self.records);
        std::iter::from_fn(move || Some((u16(&mut reader).ok()?, Record::read(&mut reader).ok()?)))
    }

    /// The far members.
    pub fn dots(&self) -> impl Iterator<Item = Dot> + 'a {
        self.dots.chunks_exact(DOT_BYTES).map(|b| {
            let word = |at: usize| u16::from_le_bytes([b[at], b[at + 1]]);
            // The middle of the step, and zero where the record's is.
            let flat = |at: usize| ((i32::from(word(at)) << 4) + 8 - (1 << 19)) as f32 / 1000.0;
            let up = (i32::from(b[6]) * 250 + 125 - (1 << 14)) as f32 / 1000.0;
            Dot {
                handle: word(0),
                pos: [flat(2), up, flat(4)],
                yaw: f32::from(b[7] as i8) / 256.0 * std::f32::consts::TAU,
            }
        })
    }
}

/// One message of the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Down<'a> {
    /// Lets a client in.
    Welcome(Welcome<'a>),
    /// Everybody who is there.
    Roster {
        /// Shows everything up to this event.
        as_of: u64,
        /// More of the list follows.
        more: bool,
        /// The members.
        entries: Vec<Entry<'a>>,
    },
    /// Who came, went and changed, in order.
    Events(Vec<Event<'a>>),
    /// Where they are.
    Tick(Tick<'a>),
    /// Answers PING.
    Pong {
        /// Of the PING.
        id: u16,
        /// Of the PING.
        t0: f64,
        /// When it came, ms since 1970.
        t_rx: f64,
        /// When this was written.
        t_tx: f64,
    },
    /// How many ticks a second this client gets.
    Rate {
        /// How far it is reduced: 0 to 3.
        shed: u8,
        /// Ticks per second.
        hz: u8,
    },
    /// What members say.
    Said(Vec<Said<'a>>),
    /// A kind of a newer protocol: skipped.
    Unknown(u8),
}

impl Welcome<'_> {
    /// Writes the payload.
    pub fn write(&self) -> Vec<u8> {
        let mut out = vec![kind::WELCOME, VERSION, u8::from(self.resumed)];
        out.extend(self.handle.to_le_bytes());
        out.extend(self.member);
        out.extend(self.token);
        out.extend(self.tick_ms.to_le_bytes());
        out.extend(self.tick_now.to_le_bytes());
        out.extend(self.tick0_unix_ms.to_le_bytes());
        self.origin.iter().for_each(|v| out.extend(v.to_le_bytes()));
        out.push(self.unit_shift);
        write_var(&mut out, u64::from(self.grace_ms));
        out.push(self.cell_m);
        out.extend(self.every);
        write_var(&mut out, u64::from(self.budget));
        for text in [self.epoch, self.user, self.name] {
            write_str(&mut out, text);
        }
        out
    }
}

impl Entry<'_> {
    /// Appends the entry.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.handle.to_le_bytes());
        out.extend(self.member);
        out.push(u8::from(self.away));
        out.push(self.role);
        write_var(out, self.joined_at);
        write_var(out, self.yjs_client);
        for text in [self.user, self.name, self.state] {
            write_str(out, text);
        }
    }
}

/// A ROSTER payload.
pub fn roster(as_of: u64, more: bool, entries: &[Entry<'_>]) -> Vec<u8> {
    let mut out = vec![kind::ROSTER];
    write_var(&mut out, as_of);
    out.push(u8::from(more));
    write_var(&mut out, entries.len() as u64);
    entries.iter().for_each(|entry| entry.write(&mut out));
    out
}

impl Event<'_> {
    /// Appends the event.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(match self.change {
            Change::Joined(_) => 1,
            Change::Left { .. } => 2,
            Change::Suspended { .. } => 3,
            Change::Resumed => 4,
            Change::State(_) => 5,
        });
        write_var(out, self.seq);
        write_var(out, self.at);
        out.extend(self.handle.to_le_bytes());
        match &self.change {
            Change::Joined(entry) => entry.write(out),
            Change::Left { reason, heard_at } => {
                out.push(*reason as u8);
                write_var(out, *heard_at);
            }
            Change::Suspended { heard_at } => write_var(out, *heard_at),
            Change::Resumed => {}
            Change::State(state) => write_str(out, state),
        }
    }
}

/// An EVENTS payload of `n` events that were written one after the other.
pub fn events(n: usize, written: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(written.len() + 6);
    out.push(kind::EVENTS);
    write_var(&mut out, n as u64);
    out.extend_from_slice(written);
    out
}

/// A SAID payload.
pub fn said_all(said: &[Said<'_>]) -> Vec<u8> {
    let mut out = vec![kind::SAID];
    write_var(&mut out, said.len() as u64);
    for one in said {
        out.extend(one.handle.to_le_bytes());
        write_str(&mut out, one.topic);
        write_str(&mut out, one.key);
        write_bytes(&mut out, one.data);
    }
    out
}

/// A PONG payload.
pub fn pong(id: u16, t0: f64, t_rx: f64, t_tx: f64) -> Vec<u8> {
    let mut out = vec![kind::PONG];
    out.extend(id.to_le_bytes());
    [t0, t_rx, t_tx].iter().for_each(|t| out.extend(t.to_le_bytes()));
    out
}

/// A RATE payload.
pub fn rate(shed: u8, hz: u8) -> Vec<u8> {
    vec![kind::RATE, shed, hz]
}

/// The first bytes of a TICK payload; `records` of them and `dots` follow.
pub fn tick_header(tick: u32, full: bool, shed: u8, records: u16, dots: u16) -> [u8; TICK_HEADER_BYTES] {
    let mut out = [0; TICK_HEADER_BYTES];
    out[0] = kind::TICK;
    out[1..5].copy_from_slice(&tick.to_le_bytes());
    out[5] = u8::from(full) | (shed & 3) << 1;
    out[6..8].copy_from_slice(&records.to_le_bytes());
    out[8..10].copy_from_slice(&dots.to_le_bytes());
    out
}

/// Bytes of a record in a TICK: handle and record.
pub const fn slot_len(mask: u8) -> usize {
    2 + record_len(mask)
}
