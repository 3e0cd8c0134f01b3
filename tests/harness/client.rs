//! A y-websocket client on yrs: what a stock client does, plus message 102, in a test's hands.

mod edit;

use crate::value::{self, Content};
use crate::within;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use thexr_schema::frame::{self, Message, Messages};
use thexr_schema::lib0;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Doc, Map, Out, ReadTxn, StateVector, Transact, Update};

/// How the server ended a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The close code; 1006 when there was no close frame.
    pub code: u16,
    /// The reason.
    pub reason: String,
}

/// What a client knows.
pub struct State {
    /// The replica.
    pub doc: Doc,
    /// A SyncStep2 has come on this connection.
    pub synced: bool,
    /// The highest counter that came back in a 102.
    pub acked: u64,
    /// SyncStep1 received on this connection: the greeting, and one per resync.
    pub asked: u32,
    /// Updates received on this connection, first syncs included.
    pub updates: u32,
    /// Awareness entries heard: clock and JSON by client.
    pub presence: HashMap<u64, (u32, String)>,
    /// Awareness messages received.
    pub presence_messages: u32,
    /// Set when the connection has ended.
    pub closed: Option<Closed>,
    out: Option<mpsc::UnboundedSender<Frame>>,
    /// Updates that came before the first sync. Yjs would take them as they are; yrs 0.28 takes what skips over a
    /// gap and may panic later, when the gap is filled by a longer run.
    early: Vec<Vec<u8>>,
}

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

/// One replica, online or not.
pub struct Client {
    space: String,
    /// Of the URL, with its question mark.
    query: String,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    asks: AtomicU64,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1_000);

impl Client {
    /// A replica that has never been online.
    pub fn new(space: &str) -> Self {
        Self::with_id(space, NEXT_ID.fetch_add(1, Ordering::Relaxed))
    }

    /// The same with a client id of choice.
    pub fn with_id(space: &str, id: u64) -> Self {
        let doc = Doc::with_client_id(id);
        doc.get_or_insert_map(thexr::space::doc::ENTITIES);
        let state = State {
            doc,
            synced: false,
            acked: 0,
            asked: 0,
            updates: 0,
            presence: HashMap::new(),
            presence_messages: 0,
            closed: None,
            out: None,
            early: Vec::new(),
        };
        Self {
            space: space.to_owned(),
            query: String::new(),
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                changed: watch::Sender::new(0),
            }),
            tasks: JoinSet::new(),
            asks: AtomicU64::new(0),
        }
    }

    /// A new replica, online and in sync.
    pub async fn connect(addr: SocketAddr, space: &str) -> Self {
        let mut client = Self::new(space);
        client.online(addr).await;
        client
    }

    /// The same, as this user.
    pub async fn of_user(addr: SocketAddr, space: &str, user: &str) -> Self {
        let mut client = Self::new(space);
        client.query = format!("?user={user}");
        client.online(addr).await;
        client
    }

    /// From the next dial on it says that its copy is of this history; empty asks which the space has.
    pub fn ask_for_epoch(&mut self, epoch: &str) {
        self.query = format!("?epoch={epoch}");
    }

    /// A new replica that says so from the start, online and in sync.
    pub async fn of_epoch(addr: SocketAddr, space: &str, epoch: &str) -> Self {
        let mut client = Self::new(space);
        client.ask_for_epoch(epoch);
        client.online(addr).await;
        client
    }

    /// The client id of its document.
    pub fn id(&self) -> u64 {
        self.state().doc.client_id().get()
    }

    /// Goes online and waits until it is in sync: it has all, and the server has been answered what it lacks.
    ///
    /// # Panics
    /// When the server does not let it in.
    pub async fn online(&mut self, addr: SocketAddr) {
        self.try_online(addr).await.expect("connects");
        self.wait("the first sync", |s| {
            ((s.synced && s.asked > 0) || s.closed.is_some()).then_some(())
        })
        .await;
        assert_eq!(self.state().closed, None, "closed before the first sync");
    }

    /// Goes online; the first sync is under way when this returns.
    pub async fn try_online(
        &mut self,
        addr: SocketAddr,
    ) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        self.offline().await;
        let url = format!("ws://{addr}/sync/{}{}", self.space, self.query);
        let connecting = async {
            let stream = TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            tokio_tungstenite::client_async(url, stream).await
        };
        let (ws, _) = within("the upgrade", connecting).await?;
        let (out, frames) = mpsc::unbounded_channel();
        {
            let mut state = self.state();
            (state.synced, state.closed, state.asked, state.updates) = (false, None, 0, 0);
            state.early.clear();
            let step = frame::sync_step1(&state.doc.transact().state_vector().encode_v1());
            let _ = out.send(Frame::Binary(step.into()));
            state.out = Some(out);
        }
        self.run(ws, frames);
        Ok(())
    }

    fn run(&mut self, ws: WebSocketStream<TcpStream>, mut frames: mpsc::UnboundedReceiver<Frame>) {
        let (mut sink, mut stream) = ws.split();
        self.tasks.spawn(async move {
            while let Some(frame) = frames.recv().await {
                if sink.send(frame).await.is_err() {
                    return;
                }
            }
        });
        let shared = self.shared.clone();
        self.tasks.spawn(async move {
            let closed = loop {
                match stream.next().await {
                    Some(Ok(Frame::Binary(payload))) => shared.receive(&payload),
                    Some(Ok(Frame::Close(frame))) => {
                        break frame.map(|f| Closed {
                            code: f.code.into(),
                            reason: f.reason.to_string(),
                        });
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break None,
                }
            };
            let gone = Closed {
                code: 1006,
                reason: String::new(),
            };
            let mut state = shared.lock();
            state.out = None;
            state.closed = Some(closed.unwrap_or(gone));
            drop(state);
            shared.bump();
        });
    }

    /// Drops the connection without a word; edits go on locally.
    pub async fn offline(&mut self) {
        self.state().out = None;
        self.tasks.shutdown().await;
    }

    /// Closes the connection in order.
    pub async fn leave(&mut self) {
        self.send_frame(Frame::Close(None));
        self.wait("the close is answered", |s| s.closed.clone()).await;
        self.offline().await;
    }

    /// What the client knows now.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    /// Sends a frame as it is; nothing happens while offline.
    pub fn send_frame(&self, frame: Frame) {
        if let Some(out) = &self.state().out {
            let _ = out.send(frame);
        }
    }

    /// Sends a y-websocket message as it is.
    pub fn send(&self, message: Vec<u8>) {
        self.send_frame(Frame::Binary(message.into()));
    }

    /// One component as this replica sees it.
    pub fn component(&self, entity: &str, component: &str) -> Value {
        self.content().json["entities"][entity][component].clone()
    }

    /// Everything this replica sees.
    pub fn content(&self) -> Content {
        value::content(&self.state().doc)
    }

    /// The whole replica as one update.
    pub fn full_update(&self) -> Vec<u8> {
        self.state()
            .doc
            .transact()
            .encode_diff_v1(&StateVector::default())
    }

    /// Waits until `find` finds something in what the client knows.
    pub async fn wait<T>(&self, what: &str, mut find: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut changes = self.shared.changed.subscribe();
        within(what, async {
            loop {
                if let Some(found) = find(&mut self.state()) {
                    return found;
                }
                let _ = changes.changed().await;
            }
        })
        .await
    }

    /// Waits until the component has this value.
    pub async fn sees(&self, entity: &str, component: &str, value: &Value) {
        let what = format!("{entity}.{component} = {value}");
        self.wait(&what, |s| {
            let txn = s.doc.transact();
            let Some(Out::YMap(entities)) = txn.get_map("entities").map(Out::YMap) else {
                return None;
            };
            let Some(Out::YMap(map)) = entities.get(&txn, entity) else {
                return None;
            };
            let Some(Out::Any(found)) = map.get(&txn, component) else {
                return None;
            };
            (found == value::any(value)).then_some(())
        })
        .await;
    }

    /// Waits until this replica agrees with `content`.
    pub async fn agrees_with(&self, content: &Content) {
        let mut last = None;
        let waiting = self.wait("agreement", |s| {
            let complete = !s.doc.transact().has_missing_updates();
            last = complete.then(|| value::content(&s.doc));
            last.as_ref().filter(|now| *now == content).map(|_| ())
        });
        waiting.await;
    }

    /// Asks with 102; gives the counter that [`State::acked`] will reach.
    pub fn ask(&self) -> u64 {
        let n = self.asks.fetch_add(1, Ordering::Relaxed) + 1;
        let mut counter = Vec::new();
        lib0::write_var(&mut counter, n);
        self.send(frame::ack(&counter));
        n
    }

    /// Waits until the server says that everything sent so far is durable (SPEC A2).
    pub async fn saved(&self) {
        let n = self.ask();
        self.wait("a 102 comes back", |s| {
            assert_eq!(s.closed, None, "closed instead of acknowledged");
            (s.acked >= n).then_some(())
        })
        .await;
    }

    /// Waits for the end of the connection.
    pub async fn closed(&self) -> Closed {
        self.wait("the connection ends", |s| s.closed.clone()).await
    }

    /// Says something over awareness.
    pub fn say(&self, client: u64, clock: u32, state: &str) {
        let mut update = vec![1];
        lib0::write_var(&mut update, client);
        lib0::write_var(&mut update, clock.into());
        lib0::write_str(&mut update, state);
        self.send(frame::awareness(&update));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while it was held")
    }

    fn bump(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    fn receive(&self, payload: &[u8]) {
        let mut state = self.lock();
        for message in Messages::new(payload) {
            state.message(&message.expect("the server sends whole messages"));
        }
        drop(state);
        self.bump();
    }
}

impl State {
    fn message(&mut self, message: &Message<'_>) {
        match message {
            Message::SyncStep1(theirs) => {
                self.asked += 1;
                let theirs = StateVector::decode_v1(theirs).expect("a state vector");
                let answer = self.doc.transact().encode_diff_v1(&theirs);
                if let Some(out) = &self.out {
                    let _ = out.send(Frame::Binary(frame::sync_step2(&answer).into()));
                }
            }
            Message::SyncStep2(update) | Message::Update(update) => {
                self.updates += 1;
                let answer = matches!(message, Message::SyncStep2(_));
                if !self.synced && !answer {
                    self.early.push(update.to_vec());
                    return;
                }
                self.synced = true;
                for update in std::iter::once(update.to_vec()).chain(std::mem::take(&mut self.early)) {
                    let update = Update::decode_v1(&update).expect("an update");
                    let applied = self.doc.transact_mut().apply_update(update);
                    applied.expect("the server sends what applies");
                }
            }
            Message::Awareness(update) => {
                self.presence_messages += 1;
                for entry in thexr_schema::scan::scan_awareness(update).expect("awareness") {
                    let now = (entry.clock, entry.state.to_owned());
                    self.presence.insert(entry.client, now);
                }
            }
            Message::Ack(counter) => {
                let n = lib0::Reader::new(counter).var_u64().expect("our counter");
                self.acked = self.acked.max(n);
            }
            Message::Auth | Message::QueryAwareness | Message::Unknown(_) => {}
        }
    }
}
