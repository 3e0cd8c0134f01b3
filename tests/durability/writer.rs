//! A light y-websocket client that drives one [`Pen`]: sends its updates with a 102 after each, a few ahead of the
//! acknowledgements, and writes down what came back. Reads the server's clocks at every start, so it is the first to
//! notice a loss.

use crate::monotonic_ns;
use crate::pen::Pen;
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::sync::Arc;
use thexr_schema::frame::{self, Message, Messages};
use thexr_schema::lib0::{Reader, write_var};
use thexr_tests::{Rng, within};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tokio_util::sync::CancellationToken;

/// How a writer's connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It was told to stop, and everything it sent is acknowledged.
    Done,
    /// No connection, or it broke.
    Lost,
    /// The server closed it with this code.
    Closed(u16),
}

/// Writers at work on one server.
pub struct Crew {
    tasks: JoinSet<End>,
    stop: CancellationToken,
    /// Acknowledged updates of this crew, all writers together.
    acked: watch::Sender<u64>,
}

impl Crew {
    /// Puts every pen to work; each keeps 1 to `ahead` updates unacknowledged.
    pub fn start(addr: SocketAddr, pens: &[Arc<Pen>], ahead: usize, rng: &mut Rng) -> Self {
        let (mut tasks, stop, acked) = (JoinSet::new(), CancellationToken::new(), watch::Sender::new(0));
        for pen in pens {
            let ahead = 1 + rng.below(ahead) as u32;
            tasks.spawn(write(pen.clone(), addr, ahead, stop.clone(), acked.clone()));
        }
        Self { tasks, stop, acked }
    }

    /// Returns once `count` more updates are acknowledged.
    pub async fn acks(&mut self, count: u64) {
        let mut acked = self.acked.subscribe();
        let enough = *acked.borrow() + count;
        within("acknowledgements", acked.wait_for(|now| *now >= enough))
            .await
            .expect("the crew has the sender");
    }

    /// The ends of all writers, in the order in which they came.
    pub async fn ends(mut self) -> Vec<End> {
        let mut ends = Vec::new();
        while let Some(end) = within("the end of a writer", self.tasks.join_next()).await {
            ends.push(end.expect("a writer does not panic"));
        }
        ends
    }

    /// Lets all writers finish what they have sent.
    pub async fn finish(self) -> Vec<End> {
        self.stop.cancel();
        self.ends().await
    }
}

/// Writes until told to stop or thrown out.
pub async fn write(
    pen: Arc<Pen>,
    addr: SocketAddr,
    ahead: u32,
    stop: CancellationToken,
    acked: watch::Sender<u64>,
) -> End {
    match connect(addr, &pen.space).await {
        Ok(ws) => {
            Writer {
                ws,
                pen,
                acked,
                resume: None,
            }
            .work(ahead, &stop)
            .await
        }
        Err(_) => End::Lost,
    }
}

async fn connect(addr: SocketAddr, space: &str) -> Result<WebSocketStream<TcpStream>, Error> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(
        tokio_tungstenite::client_async(format!("ws://{addr}/sync/{space}"), stream)
            .await?
            .0,
    )
}

struct Writer {
    ws: WebSocketStream<TcpStream>,
    pen: Arc<Pen>,
    acked: watch::Sender<u64>,
    /// Set when the server has said what it holds: what is sent and not there goes out again.
    resume: Option<u32>,
}

impl Writer {
    async fn work(mut self, ahead: u32, stop: &CancellationToken) -> End {
        // Nothing goes out before the server has said what it holds.
        let mut greeted = false;
        loop {
            if let Some(held) = self.resume.take() {
                greeted = true;
                let sent = self.pen.page().sent.len() as u32;
                if self
                    .put(frame::sync_step2(&self.pen.update(held..sent)), sent)
                    .await
                    .is_err()
                {
                    return self.close().await;
                }
            }
            let stopping = stop.is_cancelled();
            let (sent, saved) = self.counts();
            if stopping && sent == saved {
                let _ = self.ws.close(None).await;
                return End::Done;
            }
            let room = if greeted && !stopping {
                ahead.saturating_sub(sent - saved)
            } else {
                0
            };
            for clock in sent..sent + room {
                self.pen.page().sent.push(monotonic_ns());
                let update = frame::update(&self.pen.update(clock..clock + 1));
                if self.put(update, clock + 1).await.is_err() {
                    return self.close().await;
                }
            }
            if self.ws.flush().await.is_err() {
                return self.close().await;
            }
            let next = tokio::select! {
                next = self.ws.next() => next,
                () = stop.cancelled(), if !stopping => continue,
            };
            match next {
                Some(Ok(frame)) => {
                    if let Some(end) = self.receive(&frame) {
                        return end;
                    }
                }
                Some(Err(_)) | None => return End::Lost,
            }
        }
    }

    fn counts(&self) -> (u32, u32) {
        let page = self.pen.page();
        (page.sent.len() as u32, page.saved())
    }

    /// Queues an update and a 102 that stands for clocks below `clocks`.
    async fn put(&mut self, update: Vec<u8>, clocks: u32) -> Result<(), Error> {
        let mut counter = Vec::new();
        write_var(&mut counter, clocks.into());
        self.ws.feed(Frame::Binary(update.into())).await?;
        self.ws.feed(Frame::Binary(frame::ack(&counter).into())).await
    }

    /// The server may have said why before the connection broke.
    async fn close(mut self) -> End {
        while let Some(Ok(frame)) = self.ws.next().await {
            if let Some(end) = self.receive(&frame) {
                return end;
            }
        }
        End::Lost
    }

    fn receive(&mut self, frame: &Frame) -> Option<End> {
        match frame {
            Frame::Binary(payload) => {
                for message in Messages::new(payload) {
                    match message.expect("the server sends whole messages") {
                        Message::SyncStep1(clocks) => self.resume = Some(self.held(clocks)),
                        Message::Ack(counter) => self.ack(counter),
                        _ => {}
                    }
                }
                None
            }
            Frame::Close(close) => Some(End::Closed(
                close.as_ref().map_or(1005, |close| close.code.into()),
            )),
            _ => None,
        }
    }

    /// The clock of this pen in a state vector; fails when that is less than what was acknowledged.
    fn held(&self, clocks: &[u8]) -> u32 {
        let mut reader = Reader::new(clocks);
        let mut held = 0;
        let count = reader.var_u64().expect("a state vector");
        for _ in 0..count {
            let (client, clock) = (
                reader.var_u64().expect("a client"),
                reader.var_u32().expect("a clock"),
            );
            if client == self.pen.client {
                held = clock;
            }
        }
        let (sent, saved) = self.counts();
        let (space, client) = (&self.pen.space, self.pen.client);
        assert!(
            saved <= held,
            "LOST: {space} holds {held} updates of {client}, {saved} were acknowledged"
        );
        assert!(
            held <= sent,
            "PHANTOM: {space} holds {held} updates of {client}, {sent} were sent"
        );
        held
    }

    fn ack(&self, counter: &[u8]) {
        let clocks = Reader::new(counter).var_u32().expect("our own counter");
        let mut page = self.pen.page();
        let before = page.saved();
        if clocks > before {
            page.acked.push((monotonic_ns(), clocks));
            drop(page);
            self.acked
                .send_modify(|acked| *acked += u64::from(clocks - before));
        }
    }
}
