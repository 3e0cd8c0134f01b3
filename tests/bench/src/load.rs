//! The load of a live room: some write at a fixed rate, everybody receives, and the time in between is measured.

use crate::histogram::Histogram;
use crate::process::{self, Process};
use crate::ws::{self, Socket};
use crate::yjs::{self, Author, Key};
use anyhow::{Context, Result};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Behind schedule by more than this, a write counts from when it was due: a server that stops reading must not
/// look fast because nothing was sent to it.
const LATE_US: f64 = 2_000.0;

/// Microseconds since this program first asked.
pub fn now_us() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64() * 1e6
}

/// A room and what happens in it.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Connections, writers included.
    pub clients: usize,
    /// How many of them write.
    pub writers: usize,
    /// Writes per second, all writers together.
    pub rate: f64,
    /// How long it runs before it is measured.
    pub warmup: Duration,
    /// How long it is measured.
    pub window: Duration,
    /// Connect and sync one more in the middle (a relay cannot answer).
    pub newcomer: bool,
}

/// What was measured.
pub struct Measured {
    /// Time from a write to each of its receivers.
    pub latency: Histogram,
    /// Writes sent in the window.
    pub sent: f64,
    /// Updates received in the window, all receivers together.
    pub delivered: f64,
    /// Length of the window.
    pub seconds: f64,
    /// CPU seconds of the measured program in the window.
    pub server_cpu: f64,
    /// CPU seconds of the generator in the window.
    pub generator_cpu: f64,
    /// How long the newcomer waited until it was synced, ms; NaN without one.
    pub newcomer_ms: f64,
}

impl Measured {
    /// Share of what should have been delivered that was.
    pub fn delivered_percent(&self, clients: usize) -> f64 {
        self.delivered / (self.sent * (clients as f64 - 1.0)) * 100.0
    }

    /// CPU of the measured program per update and receiver.
    pub fn cpu_us_per_delivery(&self) -> f64 {
        self.server_cpu * 1e6 / self.delivered
    }
}

#[derive(Default)]
struct Tally {
    latency: RefCell<Histogram>,
    sent: Cell<f64>,
    delivered: Cell<f64>,
    /// Stamps from before are not measured; infinite until the window opens.
    from_us: Cell<f64>,
}

struct Writer {
    stream: Rc<TcpStream>,
    author: Author,
    key: Key,
    due: Vec<u8>,
}

/// Runs a load on a space of the program.
pub async fn run(program: &Process, space: &str, load: Load) -> Result<Measured> {
    let tally = Rc::new(Tally::default());
    tally.from_us.set(f64::INFINITY);
    let mut readers = JoinSet::new();
    let mut writers = Vec::new();
    for n in 0..load.clients {
        let mut socket = Socket::connect(program.addr, space).await?;
        if load.newcomer {
            socket.sync(&[0]).await?;
        }
        if n < load.writers {
            let mut author = Author::new(1_000 + n as u32);
            let (made, key) = author.entity(&format!("entity-{n}"), 0.0);
            socket.send(&yjs::update_message(&made)).await?;
            writers.push(Writer {
                stream: socket.stream.clone(),
                author,
                key,
                due: Vec::new(),
            });
        }
        readers.spawn_local(receive(socket, tally.clone()));
    }
    let driver = drive(&mut writers, load, &tally);
    let measuring = measure(program, space, load, &tally);
    tokio::select! {
        // The driver never ends by itself; a reader ends only when its connection broke.
        failed = driver => Err(failed.expect_err("it has no end")),
        Some(ended) = readers.join_next() => Err(ended.context("a reader")?.expect_err("it has no end")),
        measured = measuring => measured,
    }
}

async fn receive(mut socket: Socket, tally: Rc<Tally>) -> Result<()> {
    loop {
        let mut now = f64::NAN;
        socket
            .read(|frame| {
                let Some(stamp) = yjs::stamp(frame.head) else {
                    return;
                };
                if now.is_nan() {
                    now = now_us();
                }
                tally.delivered.set(tally.delivered.get() + 1.0);
                if stamp >= tally.from_us.get() {
                    tally.latency.borrow_mut().add(now - stamp);
                }
            })
            .await?;
    }
}

/// Sends write `n` when it is due, one millisecond's worth in one write per writer.
async fn drive(writers: &mut [Writer], load: Load, tally: &Tally) -> Result<()> {
    let (start, start_us) = (tokio::time::Instant::now(), now_us());
    let period = 1e6 / load.rate;
    let mut next = 0u64;
    loop {
        let now = now_us();
        loop {
            let due = start_us + next as f64 * period;
            if due > now {
                break;
            }
            let writer = &mut writers[next as usize % load.writers];
            let stamp = if now - due > LATE_US { due } else { now };
            let update = writer.author.overwrite(&mut writer.key, stamp);
            ws::put_message(&mut writer.due, &yjs::update_message(&update));
            tally.sent.set(tally.sent.get() + 1.0);
            next += 1;
        }
        for writer in writers.iter_mut().filter(|w| !w.due.is_empty()) {
            ws::write_all(&writer.stream, &writer.due)
                .await
                .context("writing")?;
            writer.due.clear();
        }
        tokio::time::sleep_until(start + Duration::from_secs_f64(next as f64 * period / 1e6)).await;
        // When the next is due already, the readers still get their turn.
        tokio::task::yield_now().await;
    }
}

async fn measure(program: &Process, space: &str, load: Load, tally: &Tally) -> Result<Measured> {
    tokio::time::sleep(load.warmup).await;
    let own = || process::cpu_seconds(std::process::id());
    let (server, generator) = (program.cpu_seconds(), own());
    let (sent, delivered, from) = (tally.sent.get(), tally.delivered.get(), now_us());
    tally.from_us.set(from);
    tokio::time::sleep(load.window / 2).await;
    let newcomer_ms = if load.newcomer {
        newcomer(program.addr, space).await?
    } else {
        f64::NAN
    };
    let passed = Duration::from_secs_f64((now_us() - from) / 1e6);
    tokio::time::sleep(load.window.saturating_sub(passed)).await;
    let seconds = (now_us() - from) / 1e6;
    let measured = Measured {
        latency: Histogram::default(),
        sent: tally.sent.get() - sent,
        delivered: tally.delivered.get() - delivered,
        seconds,
        server_cpu: program.cpu_seconds() - server,
        generator_cpu: own() - generator,
        newcomer_ms,
    };
    // What is still on its way counts for latency: otherwise what never arrives in time would be left out.
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(Measured {
        latency: tally.latency.take(),
        ..measured
    })
}

/// How long somebody who joins now waits for the document, ms; NaN after three seconds without it.
async fn newcomer(addr: SocketAddr, space: &str) -> Result<f64> {
    let from = now_us();
    let joining = async {
        let mut socket = Socket::connect(addr, space).await?;
        socket.sync(&[0]).await
    };
    match tokio::time::timeout(Duration::from_secs(3), joining).await {
        Ok(joined) => joined.map(|_| (now_us() - from) / 1e3),
        Err(_) => Ok(f64::NAN),
    }
}
