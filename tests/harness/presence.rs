//! A member of a space at the level of its messages: what it is told adds up to a roster.

use crate::raw::{GOOD, Got, RawSocket};
use crate::within;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use thexr_schema::presence::{
    Change, Down, Hello, Id, Joint, Payloads, Pose, Reason, Record, Up, id_text, message,
};

/// A member as another one knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Member id, 32 hexadecimal digits.
    pub id: String,
    /// Who it is.
    pub user: String,
    /// Its name.
    pub name: String,
    /// JSON.
    pub state: String,
    /// Suspended.
    pub away: bool,
}

/// Something the server told about somebody, with the member's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It came.
    Joined(String),
    /// Its connection was lost.
    Suspended(String),
    /// It is back.
    Resumed(String),
    /// It went.
    Left(String, Reason),
    /// Its state changed.
    State(String),
}

/// One connection to `/presence`.
pub struct Member {
    socket: RawSocket,
    /// Its handle.
    pub handle: u16,
    /// Its member id.
    pub id: String,
    /// What brings it back.
    pub token: Id,
    /// It is the member it was before.
    pub resumed: bool,
    /// When tick 0 was, unix ms.
    pub tick0: f64,
    /// Who is there, by handle.
    pub roster: BTreeMap<u16, Known>,
    /// What was told after the roster, with its seq.
    pub told: Vec<(u64, Told)>,
    /// The newest record of each member and how often there was one.
    pub poses: BTreeMap<u16, (Record, u32)>,
    /// How often there was a dot.
    pub dots: BTreeMap<u16, u32>,
    /// What was said: handle, topic, key, data.
    pub said: Vec<(u16, String, String, Vec<u8>)>,
    as_of: u64,
    seq: u16,
}

/// A socket on `/presence` that has not said anything.
///
/// # Panics
/// When the server does not agree to it.
pub async fn knock(addr: SocketAddr, space: &str, query: &str, window: Option<u32>) -> RawSocket {
    let mut head = format!(
        "GET /presence/{space}{query} HTTP/1.1\r\nHost: {addr}\r\nSec-WebSocket-Protocol: thexr.p1\r\n"
    );
    for (name, value) in GOOD {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    let handshake = RawSocket::handshake_bytes(addr, head.as_bytes(), window).await;
    assert_eq!(handshake.status, 101, "{:?}", handshake.headers);
    handshake.socket
}

/// A pose of a head here, looking ahead.
pub fn at(x: f32, z: f32) -> Record {
    let head = Joint {
        pos: [x, 1.6, z],
        rot: [0.0, 0.0, 0.0, 1.0],
    };
    let pose = Pose {
        head,
        left: None,
        right: None,
        aux: None,
        teleport: false,
    };
    Record::of(&pose).expect("finite")
}

impl Member {
    /// Comes in as a new member and knows the roster.
    pub async fn join(addr: SocketAddr, space: &str, user: &str) -> Self {
        Self::enter(addr, space, user, None).await
    }

    /// Comes in, as the member of `token` if there is one.
    pub async fn enter(addr: SocketAddr, space: &str, user: &str, token: Option<Id>) -> Self {
        let socket = knock(addr, space, &format!("?user={user}&name={user}"), None).await;
        Self::hello(socket, token, "{}").await
    }

    /// Comes in as the member whose document has this client id.
    pub async fn with_document(addr: SocketAddr, space: &str, user: &str, yjs: u64) -> Self {
        let socket = knock(addr, space, &format!("?user={user}&name={user}"), None).await;
        let hello = Hello {
            want_hz: 20,
            yjs_client: yjs,
            state: "{}",
            ..Hello::default()
        };
        Self::say_hello(socket, hello).await
    }

    /// Says HELLO on a socket and reads until the roster is whole.
    pub async fn hello(socket: RawSocket, token: Option<Id>, state: &str) -> Self {
        let hello = Hello {
            want_hz: 20,
            token,
            state,
            ..Hello::default()
        };
        Self::say_hello(socket, hello).await
    }

    async fn say_hello(mut socket: RawSocket, hello: Hello<'_>) -> Self {
        socket.message(&message(&Up::Hello(hello).write())).await;
        let mut member = Self {
            socket,
            handle: 0,
            id: String::new(),
            token: Id::default(),
            resumed: false,
            tick0: 0.0,
            roster: BTreeMap::new(),
            told: Vec::new(),
            poses: BTreeMap::new(),
            dots: BTreeMap::new(),
            said: Vec::new(),
            as_of: 0,
            seq: 0,
        };
        within("WELCOME and ROSTER", async {
            while member.handle == 0 || !member.roster.contains_key(&member.handle) {
                member.read().await;
            }
        })
        .await;
        member
    }

    /// Reads one WebSocket message.
    pub async fn read(&mut self) {
        match self.socket.next().await {
            Got::Frame(2, payload) => {
                for payload in Payloads::new(&payload) {
                    let payload = payload.expect("a payload");
                    self.take(Down::read(payload).expect("a message"));
                }
            }
            Got::Frame(9, payload) => self.socket.send(&crate::raw::frame(0x8A, &payload)).await,
            Got::Frame(8, payload) => panic!("closed: {payload:?}"),
            Got::Frame(..) => {}
            Got::End => panic!("the connection ended"),
        }
    }

    fn take(&mut self, down: Down<'_>) {
        match down {
            Down::Welcome(welcome) => {
                self.handle = welcome.handle;
                self.id = id_text(&welcome.member);
                self.token = welcome.token;
                self.resumed = welcome.resumed;
                self.tick0 = welcome.tick0_unix_ms;
            }
            Down::Roster { as_of, entries, .. } => {
                self.as_of = as_of;
                for entry in entries {
                    self.roster.insert(entry.handle, known(&entry));
                }
            }
            Down::Events(events) => {
                for event in events {
                    if event.seq == 0 || event.seq > self.as_of {
                        self.event(event.seq, event.handle, &event.change);
                    }
                }
            }
            Down::Tick(tick) => {
                for (handle, record) in tick.records() {
                    let n = self.poses.get(&handle).map_or(0, |(_, n)| *n);
                    self.poses.insert(handle, (record, n + 1));
                }
                for dot in tick.dots() {
                    *self.dots.entry(dot.handle).or_default() += 1;
                }
            }
            Down::Said(said) => self.said.extend(
                said.iter()
                    .map(|s| (s.handle, s.topic.to_owned(), s.key.to_owned(), s.data.to_vec())),
            ),
            Down::Pong { .. } | Down::Rate { .. } | Down::Unknown(_) => {}
        }
    }

    fn event(&mut self, seq: u64, handle: u16, change: &Change<'_>) {
        let now = self.roster.contains_key(&handle) && seq == 0;
        if let Change::Joined(entry) = change {
            self.roster.insert(handle, known(entry));
        }
        let Some(member) = self.roster.get_mut(&handle) else {
            panic!("{change:?} of a stranger")
        };
        let name = member.name.clone();
        let told = match change {
            // SPEC M8: not a join, but how somebody known is now.
            Change::Joined(_) if now => Told::State(name),
            Change::Joined(_) => Told::Joined(name),
            Change::Left { reason, .. } => {
                self.roster.remove(&handle);
                Told::Left(name, *reason)
            }
            Change::Suspended { .. } => {
                member.away = true;
                Told::Suspended(name)
            }
            Change::Resumed => {
                member.away = false;
                Told::Resumed(name)
            }
            Change::State(state) => {
                (*state).clone_into(&mut member.state);
                Told::State(name)
            }
        };
        self.told.push((seq, told));
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

    /// Reads until this was told.
    pub async fn told(&mut self, told: Told) {
        let what = format!("{told:?}");
        self.until(&what, |m| m.told.iter().any(|(_, t)| *t == told))
            .await;
    }

    /// Says something.
    pub async fn say(&mut self, up: &Up<'_>) {
        self.socket.message(&message(&up.write())).await;
    }

    /// Is here now.
    pub async fn pose(&mut self, record: Record) {
        self.seq = self.seq.wrapping_add(1);
        let up = Up::Pose {
            seq: self.seq,
            t_client: 0,
            record,
        };
        self.say(&up).await;
    }

    /// Loses the connection without a word.
    pub fn vanish(self) -> Id {
        let token = self.token;
        self.socket.reset();
        token
    }

    /// The socket, for what is not in the protocol.
    pub fn socket(&mut self) -> &mut RawSocket {
        &mut self.socket
    }

    /// Names of who is there, with a mark behind those that are away.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .roster
            .values()
            .map(|m| format!("{}{}", m.name, if m.away { "?" } else { "" }))
            .collect();
        names.sort();
        names
    }
}

fn known(entry: &thexr_schema::presence::Entry<'_>) -> Known {
    Known {
        id: id_text(&entry.member),
        user: entry.user.to_owned(),
        name: entry.name.to_owned(),
        state: entry.state.to_owned(),
        away: entry.away,
    }
}
