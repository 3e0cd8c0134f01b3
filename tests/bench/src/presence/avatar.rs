//! One member with a body: what it says, and what it makes of what it hears. Its tasks are the crowd's.

use super::crowd::Shared;
use super::motion::Place;
use super::phase::Phase;
use super::roster::Roster;
use super::scan;
use crate::ws::Frame;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use thexr_schema::presence::{Down, Id, Payloads, Record, down::kind};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// How a member reads, which decides which histogram its records count in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// At once, and all.
    Healthy,
    /// Behind a bad network.
    Far,
    /// Only so much a second.
    Slow,
    /// Not any more.
    Stalled,
}

/// Number of groups.
pub const GROUPS: usize = 4;

/// What one member received in a window.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    /// Bytes off the socket.
    pub bytes: u64,
    /// Ticks received.
    pub ticks: u64,
    /// Ticks between them that were not.
    pub skipped: u64,
    /// Ticks received at a reduced rate.
    pub shed: u64,
    /// Records and dots in them.
    pub records: u64,
    /// Dots in them.
    pub dots: u64,
    /// Poses it sent.
    pub poses: u64,
    /// Of those, how many lay beyond the dead band.
    pub moved: u64,
}

/// When a member got what it needs to be in the space, µs; NaN until then.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Began to connect.
    pub from_us: f64,
    /// WELCOME.
    pub welcome_us: f64,
    /// The last part of the ROSTER.
    pub roster_us: f64,
    /// The first full TICK.
    pub full_us: f64,
    /// Bytes up to there.
    pub full_bytes: u64,
}

/// A member.
pub struct Avatar {
    /// Its number in the crowd.
    pub index: usize,
    /// Where it stands.
    pub place: Place,
    /// How it reads.
    pub group: Group,
    /// Its connection, while there is one.
    pub stream: RefCell<Option<Rc<TcpStream>>>,
    /// Its number in the space; none before WELCOME.
    pub handle: Cell<Option<u16>>,
    /// Lets it resume.
    pub token: Cell<Option<Id>>,
    /// The server let it be who it was.
    pub resumed: Cell<bool>,
    /// The server's clock.
    pub phase: Cell<Phase>,
    /// What it was told of the others.
    pub roster: RefCell<Roster>,
    /// What it received in the window.
    pub counts: Cell<Counts>,
    /// How it came in.
    pub arrival: Cell<Arrival>,
    /// Its connection ended unasked.
    pub ended: Cell<bool>,
    /// Rung at WELCOME and at that end.
    pub bell: Notify,
    /// What it was told of each handle, when this member is an observer.
    pub seen: RefCell<Option<Vec<Mentions>>>,
    /// The newest tick, and when it came.
    pub last_tick: Cell<Option<(u32, f64)>>,
    /// One more than the newest pose of each sampled handle that was measured.
    measured: RefCell<Vec<u32>>,
    /// What the kernel did not take yet.
    unsent: RefCell<Vec<u8>>,
    pose_seq: Cell<u16>,
    /// The newest pose beyond the dead band.
    shown: Cell<Option<Record>>,
    bytes_ever: Cell<u64>,
}

impl Avatar {
    /// One that is about to connect.
    pub fn new(index: usize, place: Place, group: Group, now: f64) -> Self {
        Self {
            index,
            place,
            group,
            stream: RefCell::default(),
            handle: Cell::new(None),
            token: Cell::new(None),
            resumed: Cell::new(false),
            phase: Cell::new(Phase::new(0.0, 50.0)),
            roster: RefCell::default(),
            counts: Cell::default(),
            arrival: Cell::new(Arrival::at(now)),
            ended: Cell::new(false),
            bell: Notify::new(),
            seen: RefCell::default(),
            last_tick: Cell::new(None),
            measured: RefCell::default(),
            unsent: RefCell::default(),
            pose_seq: Cell::new(0),
            shown: Cell::new(None),
            bytes_ever: Cell::new(0),
        }
    }

    /// Starts anew on another connection; what it knows of the others comes again.
    pub fn reset(&self, now: f64) {
        self.arrival.set(Arrival::at(now));
        self.ended.set(false);
        self.last_tick.set(None);
        self.roster.take();
        self.unsent.borrow_mut().clear();
        self.bytes_ever.set(0);
    }

    /// Changes what is counted.
    pub fn count(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    /// So many bytes came.
    pub fn received(&self, bytes: usize) {
        self.count(|c| c.bytes += bytes as u64);
        self.bytes_ever.set(self.bytes_ever.get() + bytes as u64);
        let arrival = self.arrival.get();
        if !arrival.full_us.is_nan() && arrival.full_bytes == 0 {
            self.arrival.set(Arrival {
                full_bytes: self.bytes_ever.get(),
                ..arrival
            });
        }
    }

    /// The number of the next pose, and whether `record` lies beyond the dead band.
    pub fn pose_sent(&self, record: Record) -> u16 {
        let seq = self.pose_seq.get();
        self.pose_seq.set(seq.wrapping_add(1));
        let moved = self.shown.get().is_none_or(|shown| !shown.is_near(&record));
        if moved {
            self.shown.set(Some(record));
        }
        self.count(|c| {
            c.poses += 1;
            c.moved += u64::from(moved);
        });
        seq
    }

    /// Writes a frame as far as the kernel takes it. False when an earlier one is still stuck: this one is dropped.
    pub fn write(&self, frame: &[u8]) -> bool {
        let stream = self.stream.borrow();
        let Some(stream) = stream.as_ref() else {
            return false;
        };
        let mut unsent = self.unsent.borrow_mut();
        if !unsent.is_empty() {
            let n = stream.try_write(&unsent).unwrap_or(0);
            unsent.drain(..n);
            if !unsent.is_empty() {
                return false;
            }
        }
        // An error shows at the reader.
        let n = stream.try_write(frame).unwrap_or(0);
        if n > 0 {
            unsent.extend_from_slice(&frame[n..]);
        }
        n > 0
    }

    /// Takes in a message of the server.
    pub fn take_in(&self, frame: &Frame<'_>, shared: &Shared, now: f64) {
        for payload in Payloads::new(frame.head) {
            let Ok(payload) = payload else {
                shared.fault("a message of the server cannot be read");
                return;
            };
            match payload[0] {
                kind::TICK => self.tick(payload, shared, now),
                kind::ROSTER | kind::EVENTS if !shared.rosters => {
                    // Only its end matters: bit "more" follows a varint.
                    let end = payload[1..].iter().position(|b| *b < 0x80).map_or(0, |at| at + 2);
                    if payload[0] == kind::ROSTER && payload.get(end) == Some(&0) {
                        self.roster_ended(now);
                    }
                }
                _ => match Down::read(payload) {
                    Ok(down) => self.told(&down, shared, now),
                    Err(fault) => shared.fault(&format!("the server's {:#x}: {fault:?}", payload[0])),
                },
            }
        }
    }

    fn roster_ended(&self, now: f64) {
        let arrival = self.arrival.get();
        self.arrival.set(Arrival {
            roster_us: now,
            ..arrival
        });
    }

    fn told(&self, down: &Down<'_>, shared: &Shared, now: f64) {
        match down {
            Down::Welcome(welcome) => {
                self.handle.set(Some(welcome.handle));
                self.token.set(Some(welcome.token));
                self.resumed.set(welcome.resumed);
                self.phase
                    .set(Phase::new(welcome.tick0_unix_ms, f64::from(welcome.tick_ms)));
                self.arrival.set(Arrival {
                    welcome_us: now,
                    ..self.arrival.get()
                });
                self.bell.notify_one();
            }
            Down::Pong { t0, t_rx, t_tx, .. } => {
                let mut phase = self.phase.get();
                phase.pong(*t0, *t_rx, *t_tx, now / 1e3);
                self.phase.set(phase);
            }
            Down::Roster { .. } | Down::Events(_) => {
                let mut roster = self.roster.borrow_mut();
                roster.take_in(down);
                shared.roster_changed(&roster, now);
                if matches!(down, Down::Roster { more: false, .. }) {
                    self.roster_ended(now);
                }
            }
            Down::Tick(_) | Down::Rate { .. } | Down::Said(_) | Down::Unknown(_) => {}
        }
    }

    fn tick(&self, payload: &[u8], shared: &Shared, now: f64) {
        let every = shared.sample_every;
        let mine = (self.index % every) as u16;
        let own = self.handle.get();
        let mut seen = self.seen.borrow_mut();
        let mut measured = self.measured.borrow_mut();
        let number = scan::head(payload).map_or(0, |head| head.tick);
        let head = scan::tick(payload, |handle, record| {
            if let Some(seen) = seen.as_mut() {
                let at = usize::from(handle);
                if seen.len() <= at {
                    seen.resize(at + 1, Mentions::default());
                }
                seen[at].add(record.is_some(), number);
            }
            let Some(record) = record else { return };
            if handle % every as u16 == mine && own != Some(handle) {
                let at = usize::from(handle) / every;
                if measured.len() <= at {
                    measured.resize(at + 1, 0);
                }
                shared.found(self.group, handle, record, &mut measured[at], now);
            }
        });
        let Some(head) = head else {
            return shared.fault("a TICK is not whole");
        };
        let skipped = self
            .last_tick
            .get()
            .map_or(0, |(last, _)| head.tick.saturating_sub(last + 1));
        self.last_tick.set(Some((head.tick, now)));
        self.count(|c| {
            c.ticks += 1;
            c.skipped += u64::from(skipped);
            c.shed += u64::from(head.shed > 0);
            c.records += u64::from(head.records);
            c.dots += u64::from(head.dots);
        });
        let arrival = self.arrival.get();
        if head.full && arrival.full_us.is_nan() {
            self.arrival.set(Arrival {
                full_us: now,
                ..arrival
            });
        }
    }
}

/// What an observer was told of somebody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mentions {
    /// In full.
    pub records: u32,
    /// In full or as a dot.
    pub all: u32,
    /// The most ticks between two of them.
    pub gap: u32,
    last: u32,
}

impl Mentions {
    fn add(&mut self, in_full: bool, tick: u32) {
        self.records += u32::from(in_full);
        if self.all > 0 {
            self.gap = self.gap.max(tick.saturating_sub(self.last));
        }
        self.all += 1;
        self.last = tick;
    }
}

impl Arrival {
    fn at(now: f64) -> Self {
        Self {
            from_us: now,
            welcome_us: f64::NAN,
            roster_us: f64::NAN,
            full_us: f64::NAN,
            full_bytes: 0,
        }
    }
}
