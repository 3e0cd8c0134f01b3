//! A replay at the level of its messages: a document, a roster and poses that follow it.

use crate::presence::Told;
use crate::raw::{GOOD, Got, RawSocket};
use crate::value::{self, Content};
use crate::within;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use thexr::space::doc::{Encoding, SpaceDoc};
use thexr_schema::frame::{Message, Messages, REPLAY};
use thexr_schema::lib0::Reader;
use thexr_schema::presence::{Change, Down, Payloads, Record};
use thexr_schema::replay::{self, Order, Position, State, Target};

/// One connection to `/replay`.
pub struct Replay {
    socket: RawSocket,
    /// The document of the last jump, and the updates since.
    document: Vec<u8>,
    /// Updates since the last jump, as they came.
    pub updates: Vec<Vec<u8>>,
    /// Names by handle, with a mark behind those that are away.
    pub roster: BTreeMap<u16, String>,
    /// What was told since the last jump, with seq.
    pub told: Vec<(u64, Told)>,
    /// Where everybody was at the last jump.
    pub here: BTreeMap<u16, Record>,
    /// Records since the last jump, in order.
    pub poses: Vec<(u16, Record)>,
    /// Where it is, once it said so.
    pub position: Option<Position>,
    /// Jumps so far: the order, and the event.
    pub resets: Vec<(u64, u64)>,
    id: u64,
}

/// A handshake on `/replay`; the answer, whatever it is.
pub async fn knock(addr: SocketAddr, space: &str, query: &str) -> crate::raw::Handshake {
    knock_with(addr, space, query, None).await
}

async fn knock_with(
    addr: SocketAddr,
    space: &str,
    query: &str,
    window: Option<u32>,
) -> crate::raw::Handshake {
    let mut head = format!(
        "GET /replay/{space}{query} HTTP/1.1\r\nHost: {addr}\r\nSec-WebSocket-Protocol: {}\r\n",
        replay::SUBPROTOCOL
    );
    for (name, value) in GOOD {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    RawSocket::handshake_bytes(addr, head.as_bytes(), window).await
}

impl Replay {
    /// Begins one, and knows where it is.
    ///
    /// # Panics
    /// When the server does not agree to it.
    pub async fn start(addr: SocketAddr, space: &str, query: &str) -> Self {
        let mut replay = Self::of(knock(addr, space, query).await);
        replay
            .until("a position", |replay| replay.position.is_some())
            .await;
        replay
    }

    /// Begins one and reads nothing yet; this many bytes of it arrive all the same.
    ///
    /// # Panics
    /// When the server does not agree to it.
    pub async fn unread(addr: SocketAddr, space: &str, query: &str, window: u32) -> Self {
        Self::of(knock_with(addr, space, query, Some(window)).await)
    }

    fn of(handshake: crate::raw::Handshake) -> Self {
        assert_eq!(handshake.status, 101, "{:?}", handshake.headers);
        Self {
            socket: handshake.socket,
            document: Vec::new(),
            updates: Vec::new(),
            roster: BTreeMap::new(),
            told: Vec::new(),
            here: BTreeMap::new(),
            poses: Vec::new(),
            position: None,
            resets: Vec::new(),
            id: 0,
        }
    }

    /// Reads one WebSocket message.
    async fn read(&mut self) {
        match self.socket.next().await {
            Got::Frame(2, payload) => self.take(&payload),
            Got::Frame(9, payload) => self.socket.send(&crate::raw::frame(0x8A, &payload)).await,
            Got::Frame(8, payload) => panic!("closed: {payload:?}"),
            Got::Frame(..) => {}
            Got::End => panic!("the connection ended"),
        }
    }

    fn take(&mut self, payload: &[u8]) {
        match payload[0] {
            0 => {
                for message in Messages::new(payload) {
                    match message.expect("a message") {
                        Message::SyncStep2(update) => update.clone_into(&mut self.document),
                        Message::Update(update) => self.updates.push(update.to_vec()),
                        other => panic!("{other:?}"),
                    }
                }
            }
            84 => {
                for payload in Payloads::new(payload) {
                    self.presence(Down::read(payload.expect("a payload")).expect("a message"));
                }
            }
            _ => {
                let mut reader = Reader::new(payload);
                assert_eq!(reader.var_u64(), Ok(REPLAY));
                let payload = reader.bytes().expect("a payload");
                match replay::Told::read(payload).expect("a message") {
                    replay::Told::Reset { id, seq, .. } => {
                        self.resets.push((id, seq));
                        self.updates.clear();
                        self.told.clear();
                        self.poses.clear();
                        self.roster.clear();
                        self.here.clear();
                    }
                    replay::Told::Position(position) => self.position = Some(position),
                    replay::Told::Unknown(kind) => panic!("{kind}"),
                }
            }
        }
    }

    fn presence(&mut self, down: Down<'_>) {
        match down {
            Down::Welcome(welcome) => assert_eq!(welcome.handle, 0, "nobody enters a replay"),
            Down::Roster { entries, .. } => {
                for entry in entries {
                    let mark = if entry.away { "?" } else { "" };
                    self.roster.insert(entry.handle, format!("{}{mark}", entry.name));
                }
            }
            Down::Events(events) => {
                for event in events {
                    let name = self.roster.get(&event.handle).cloned().unwrap_or_default();
                    let name = name.trim_end_matches('?').to_owned();
                    let told = match event.change {
                        Change::Joined(entry) => {
                            self.roster.insert(entry.handle, entry.name.to_owned());
                            Told::Joined(entry.name.to_owned())
                        }
                        Change::Left { reason, .. } => {
                            self.roster.remove(&event.handle);
                            Told::Left(name, reason)
                        }
                        Change::Suspended { .. } => {
                            self.roster.insert(event.handle, format!("{name}?"));
                            Told::Suspended(name)
                        }
                        Change::Resumed => {
                            self.roster.insert(event.handle, name.clone());
                            Told::Resumed(name)
                        }
                        Change::State(_) => panic!("a state is not in the journal"),
                    };
                    self.told.push((event.seq, told));
                }
            }
            Down::Tick(tick) if tick.full => self.here = tick.records().collect(),
            Down::Tick(tick) => self.poses.extend(tick.records()),
            other => panic!("{other:?}"),
        }
    }

    /// Reads until something holds.
    pub async fn until(&mut self, what: &str, enough: impl Fn(&Self) -> bool) {
        within(what, async {
            while !enough(self) {
                self.read().await;
            }
        })
        .await;
    }

    /// Reads what comes within this time.
    pub async fn look(&mut self, time: Duration) {
        let _ = tokio::time::timeout(time, async {
            loop {
                self.read().await;
            }
        })
        .await;
    }

    /// Says something.
    pub async fn say(&mut self, order: Order) {
        self.socket.message(&order.write()).await;
    }

    /// Goes there.
    pub async fn seek(&mut self, to: Target) {
        self.id += 1;
        let id = self.id;
        self.say(Order::Seek { id, to }).await;
        self.until("the other moment", |replay| replay.at().id >= id)
            .await;
    }

    /// Goes by so many events.
    pub async fn step(&mut self, events: i64) {
        self.id += 1;
        let id = self.id;
        let back = events < 0;
        let events = events.unsigned_abs();
        self.say(Order::Step { id, back, events }).await;
        self.until("the step", |replay| replay.at().id >= id).await;
    }

    /// Plays to the end.
    pub async fn ends(&mut self) {
        self.until("the end", |replay| replay.at().state == State::Ended)
            .await;
    }

    /// Where it is.
    pub fn at(&self) -> Position {
        self.position.expect("it said so")
    }

    /// What the document holds.
    pub fn content(&self) -> Content {
        let snapshot = Some((Encoding::V1, &self.document[..]));
        let edits = self.updates.iter().map(|update| &update[..]);
        value::of_space(&SpaceDoc::from_stored(1, snapshot, edits).expect("a document"))
    }

    /// Names of who is there.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.roster.values().cloned().collect();
        names.sort();
        names
    }

    /// The socket, for what is not in the protocol.
    pub fn socket(&mut self) -> &mut RawSocket {
        &mut self.socket
    }
}
