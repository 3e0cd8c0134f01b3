//! Edits of the space's document beside the crowd: whether any is lost, and how long each takes.

use crate::histogram::Histogram;
use crate::load::now_us;
use crate::ws::Socket;
use crate::yjs::{self, Author};
use anyhow::{Context, Result};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Client id of who edits.
const EDITOR: u32 = 3_000_000;
/// Connections that receive the edits.
const READERS: u32 = 4;
/// How long the last edit may take.
const DRAIN: Duration = Duration::from_secs(3);

/// One editor and its readers; everything ends when it is dropped.
pub struct Documents {
    tally: Rc<Tally>,
    _tasks: JoinSet<Result<()>>,
}

#[derive(Default)]
struct Tally {
    stop: Cell<bool>,
    sent: Cell<u32>,
    received: Cell<u32>,
    latency: RefCell<Histogram>,
}

/// What became of the edits.
pub struct Edits {
    /// How many were made.
    pub sent: u32,
    /// How many did not reach a reader, all readers together.
    pub lost: u32,
    /// From the edit to each reader.
    pub latency: Histogram,
}

impl Documents {
    /// Starts to edit so many times a second.
    pub async fn start(addr: SocketAddr, space: &str, per_second: f64) -> Result<Self> {
        let tally = Rc::new(Tally::default());
        let mut tasks = JoinSet::new();
        let mut socket = Socket::connect(addr, space).await?;
        socket.sync(&[0]).await?;
        let mut author = Author::new(EDITOR);
        let (made, mut key) = author.entity("edited", 0.0);
        socket.send(&yjs::update_message(&made)).await?;
        socket.saved().await?;
        for _ in 0..READERS {
            let mut reader = Socket::connect(addr, space).await?;
            reader.sync(&[0]).await?;
            let tally = tally.clone();
            tasks.spawn_local(async move {
                loop {
                    reader
                        .read(|frame| {
                            if let Some(stamp) = yjs::stamp(frame.head) {
                                tally.received.set(tally.received.get() + 1);
                                tally.latency.borrow_mut().add(now_us() - stamp);
                            }
                        })
                        .await
                        .context("a reader of edits")?;
                }
            });
        }
        let writing = tally.clone();
        tasks.spawn_local(async move {
            let mut every = tokio::time::interval(Duration::from_secs_f64(1.0 / per_second));
            while !writing.stop.get() {
                every.tick().await;
                let update = author.overwrite(&mut key, now_us());
                socket.send(&yjs::update_message(&update)).await?;
                writing.sent.set(writing.sent.get() + 1);
            }
            // Reads on, so that the server has no reason to close.
            loop {
                socket.read(|_| ()).await?;
            }
        });
        Ok(Self { tally, _tasks: tasks })
    }

    /// Stops editing and waits for what is on its way.
    pub async fn stop(self) -> Edits {
        self.tally.stop.set(true);
        let all = || self.tally.sent.get() * READERS;
        let end = tokio::time::Instant::now() + DRAIN;
        tokio::time::sleep(Duration::from_millis(300)).await;
        while self.tally.received.get() < all() && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Edits {
            sent: self.tally.sent.get(),
            lost: all().saturating_sub(self.tally.received.get()),
            latency: self.tally.latency.take(),
        }
    }
}
