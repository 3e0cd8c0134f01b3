//! Clients that are nothing but y-websocket: a cursor in the standard awareness, and, as its every version up to 3.1
//! does, each awareness update that brought something new sent back to the server.

use crate::histogram::Histogram;
use crate::load::now_us;
use crate::ws::{self, Frame, Socket, Target};
use anyhow::{Context, Result};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use thexr_schema::frame::{self, Message, Messages};
use thexr_schema::lib0::{Reader, write_str, write_var};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Cursor moves per second.
const CURSOR_HZ: f64 = 10.0;
/// The Yjs client id of the first.
pub const FIRST_CLIENT: u64 = 4_000_000;
/// Ids from here on are no Yjs client's: the server's own entries.
const SYNTHETIC: u64 = 1 << 32;
/// What a cursor's state begins with: when it was sent, µs.
const STAMP: &str = "\"t\":";
/// What an attacker writes into a state.
pub const STOLEN: &str = "stolen";

/// What the clients know together.
#[derive(Default)]
pub struct Tally {
    /// They echo.
    pub echo: Cell<bool>,
    /// Cursors from before are not measured.
    from_us: Cell<f64>,
    /// From a cursor's move to each other client.
    latency: RefCell<Histogram>,
    counts: Cell<Counts>,
    ended: Cell<u32>,
}

/// What came and went in a window.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    /// Awareness messages received.
    pub frames: u64,
    /// Entries in them.
    pub entries: u64,
    /// Entries sent back.
    pub echoed: u64,
    /// Entries of the server's own.
    pub synthetic: u64,
    /// Entries that no client of this crowd wrote and the server neither.
    pub strange: u64,
    /// Messages that cannot be read.
    pub broken: u64,
}

/// What was measured.
pub struct Cursors {
    /// From a cursor's move to each other client.
    pub latency: Histogram,
    /// What came and went.
    pub counts: Counts,
    /// Clients whose connection ended.
    pub ended: u32,
}

/// The clients; everything ends when it is dropped.
pub struct Stock {
    /// Shared with every client.
    pub tally: Rc<Tally>,
    _tasks: JoinSet<()>,
}

impl Stock {
    /// Connects so many.
    pub async fn start(addr: SocketAddr, space: &str, count: usize) -> Result<Self> {
        let tally = Rc::new(Tally::default());
        tally.from_us.set(f64::INFINITY);
        let mut tasks = JoinSet::new();
        let path = format!("/sync/{space}");
        for n in 0..count {
            let target = Target {
                path: &path,
                keep: usize::MAX,
                ..Target::default()
            };
            let mut socket = Socket::open(addr, &target).await?;
            socket.sync(&[0]).await.context("a stock client")?;
            let client = FIRST_CLIENT + n as u64;
            tasks.spawn_local(point(socket.stream.clone(), client, n as f64 / count as f64));
            let tally = tally.clone();
            tasks.spawn_local(async move {
                let Err(error) = listen(socket, client, &tally, count as u64).await;
                if tally.ended.get() == 0 {
                    eprintln!("  a stock client ended: {error:#}");
                }
                tally.ended.set(tally.ended.get() + 1);
            });
        }
        Ok(Self { tally, _tasks: tasks })
    }

    /// Begins to measure.
    pub fn open(&self) {
        self.tally.latency.take();
        self.tally.counts.take();
        self.tally.from_us.set(now_us());
    }

    /// What was measured since.
    pub fn close(&self) -> Cursors {
        self.tally.from_us.set(f64::INFINITY);
        Cursors {
            latency: self.tally.latency.take(),
            counts: self.tally.counts.take(),
            ended: self.tally.ended.get(),
        }
    }
}

/// Moves a cursor for ever.
async fn point(stream: Rc<TcpStream>, client: u64, phase: f64) {
    let period = Duration::from_secs_f64(1.0 / CURSOR_HZ);
    let mut every = tokio::time::interval_at(tokio::time::Instant::now() + period.mul_f64(phase), period);
    let mut out = Vec::new();
    for clock in 1.. {
        every.tick().await;
        let name = client - FIRST_CLIENT;
        let now = now_us();
        let x = clock as f64 % 500.0;
        let state = format!(
            "{{{STAMP}{now:.0},\"user\":{{\"name\":\"Stock {name}\",\"color\":\"#30bced\"}},\"cursor\":{{\"x\":{x},\"y\":20.5}}}}"
        );
        out.clear();
        ws::put_message(&mut out, &frame::awareness(&entry(client, clock, &state)));
        if ws::write_all(&stream, &out).await.is_err() {
            return;
        }
    }
}

/// An awareness update of one entry.
pub fn entry(client: u64, clock: u64, state: &str) -> Vec<u8> {
    let mut update = vec![1];
    write_var(&mut update, client);
    write_var(&mut update, clock);
    write_str(&mut update, state);
    update
}

async fn listen(mut socket: Socket, own: u64, tally: &Tally, count: u64) -> Result<std::convert::Infallible> {
    let mut clocks = HashMap::new();
    let mut echoes = Vec::new();
    loop {
        echoes.clear();
        socket
            .read(|frame| {
                let mut counts = tally.counts.get();
                if hear(&frame, own, tally, count, &mut clocks, &mut counts, &mut echoes).is_none() {
                    counts.broken += 1;
                }
                tally.counts.set(counts);
            })
            .await?;
        if !echoes.is_empty() {
            ws::write_all(&socket.stream, &echoes).await?;
        }
    }
}

/// Takes in a message; appends the echo that y-websocket would send. None when it cannot be read.
fn hear(
    frame: &Frame<'_>,
    own: u64,
    tally: &Tally,
    count: u64,
    clocks: &mut HashMap<u64, u64>,
    counts: &mut Counts,
    echoes: &mut Vec<u8>,
) -> Option<()> {
    for message in Messages::new(frame.head) {
        let Message::Awareness(update) = message.ok()? else {
            continue;
        };
        counts.frames += 1;
        let now = now_us();
        let mut reader = Reader::new(update);
        let mut changed = 0;
        let mut echo = Vec::new();
        for _ in 0..reader.var_u64().ok()? {
            let start = reader.pos();
            let (client, clock) = (reader.var_u64().ok()?, reader.var_u64().ok()?);
            let state = reader.str().ok()?;
            counts.entries += 1;
            let ours = (FIRST_CLIENT..FIRST_CLIENT + count).contains(&client);
            counts.synthetic += u64::from(client >= SYNTHETIC);
            counts.strange += u64::from((!ours && client < SYNTHETIC) || state.contains(STOLEN));
            if client == own || clocks.get(&client).is_some_and(|known| *known >= clock) {
                continue;
            }
            clocks.insert(client, clock);
            if let Some(sent) = stamp(state)
                && sent >= tally.from_us.get()
            {
                tally.latency.borrow_mut().add(now - sent);
            }
            changed += 1;
            echo.extend_from_slice(reader.since(start));
        }
        reader.end().ok()?;
        if tally.echo.get() && changed > 0 {
            counts.echoed += changed;
            let mut update = Vec::with_capacity(echo.len() + 3);
            write_var(&mut update, changed);
            update.extend(echo);
            ws::put_message(echoes, &frame::awareness(&update));
        }
    }
    Some(())
}

/// When a cursor's state was sent.
fn stamp(state: &str) -> Option<f64> {
    let rest = &state[state.find(STAMP)? + STAMP.len()..];
    let end = rest.find([',', '}'])?;
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_echoed_once_and_timed() {
        let tally = Tally::default();
        tally.echo.set(true);
        let state = format!("{{\"a\":1,{STAMP}{:.0},\"b\":2}}", now_us());
        let bytes = frame::awareness(&entry(FIRST_CLIENT + 1, 7, &state));
        let frame = Frame {
            op: 2,
            head: &bytes,
            len: bytes.len(),
        };
        let (mut clocks, mut counts, mut echoes) = (HashMap::new(), Counts::default(), Vec::new());
        for _ in 0..2 {
            hear(
                &frame,
                FIRST_CLIENT,
                &tally,
                3,
                &mut clocks,
                &mut counts,
                &mut echoes,
            )
            .expect("readable");
        }
        assert_eq!((counts.entries, counts.echoed, counts.strange), (2, 1, 0));
        assert!(echoes.ends_with(&bytes), "the echo is the entry as it came");
        assert_eq!(tally.latency.borrow().count(), 1);
        hear(
            &frame,
            FIRST_CLIENT,
            &tally,
            1,
            &mut clocks,
            &mut counts,
            &mut echoes,
        )
        .expect("readable");
        assert_eq!(counts.strange, 1);
    }
}
