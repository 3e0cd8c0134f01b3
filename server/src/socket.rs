//! One WebSocket: frames in, checked messages to the space, frames out. One task per connection; an idle one holds
//! no buffer. What is spoken on it is the business of a channel: [`sync`], [`presence`] or
//! [`replay`].
//!
//! Reading and writing never wait for each other: while the space has no room for a message the connection goes on
//! writing, and while the peer does not read it goes on reading until its lane is full.

mod bucket;
pub mod handshake;
pub mod presence;
mod reader;
pub mod replay;
pub mod sync;
mod waiting;
mod writer;

use crate::config::Config;
use crate::limits;
use crate::metrics::Metrics;
use crate::space::ConnId;
use crate::space::lanes::Lanes;
use crate::wire::{self, opcode};
use bucket::Bucket;
use reader::{Item, Reader};
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use thexr_schema::close::{self, Close};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use writer::Writer;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; limits::SCRATCH_BYTES]);
}

static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// A number that no other connection of this process has.
fn next_conn() -> ConnId {
    ConnId(CONNECTIONS.fetch_add(1, Ordering::Relaxed) + 1)
}

/// What is spoken on a connection.
trait Channel {
    /// A WebSocket ping goes out after this much silence.
    const PING_EVERY: Duration;
    /// After this much silence the peer is lost.
    const SILENCE_MAX: Duration;

    /// Takes one WebSocket message, checked before it goes anywhere; answers that need no space go to `out`. Gives how
    /// many messages were in it.
    fn receive(&mut self, payload: &bytes::Bytes, out: &mut Writer) -> Result<usize, End>;
    /// Hands waiting messages to the space while it has room. An error when the space has ended.
    fn deliver(&mut self) -> Result<(), Over>;
    /// True while there are messages the space has no room for; nothing is read then.
    fn waits(&self) -> bool;
    /// Waits until the space may have room. Cancel safe.
    fn room(&self) -> impl Future<Output = ()> + Send;
    /// True once the space is gone.
    fn is_over(&self) -> bool;
    /// When the peer must have said something by; checked with [`Channel::overdue`].
    fn due(&self) -> Option<Instant> {
        None
    }
    /// What follows when it has not.
    fn overdue(&mut self, _now: Instant) -> Result<(), End> {
        Ok(())
    }
}

/// The space has ended; its lanes say why.
struct Over;

/// Why a connection ended.
enum End {
    /// The peer closed or vanished.
    Peer,
    /// We close: code and reason go out, then the peer has a moment to answer.
    Ours(u16, String),
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Ours(close.code, close.reason.to_owned())
    }
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        // A reset or broken pipe: there is nobody left to tell.
        Self::Peer
    }
}

struct Connection<C> {
    channel: C,
    stream: TcpStream,
    lanes: Lanes,
    reader: Reader,
    writer: Writer,
    messages: Bucket,
    bytes: Bucket,
    /// Not before this moment is anything read (a rate was exceeded).
    paused_until: Option<Instant>,
    heard: Instant,
    pinged: bool,
    /// Last time the peer took something, or nothing was due.
    progress: Instant,
    /// After the lanes said close: once the queue is written, the connection ends.
    closing: Option<Close>,
    metrics: Arc<Metrics>,
}

/// Tells a peer that was let in only to hear why it is not.
pub async fn refuse(stream: TcpStream, close: Close, metrics: &Metrics) {
    let mut writer = Writer::default();
    writer.push(wire::close(close.code, close.reason));
    let _ = tokio::time::timeout(limits::CLOSE_WAIT, writer.flush(&stream)).await;
    metrics.closed(close.code);
}

impl<C: Channel> Connection<C> {
    fn new(channel: C, stream: TcpStream, lanes: Lanes, config: &Config, m: Arc<Metrics>) -> Self {
        let now = Instant::now();
        Self {
            channel,
            stream,
            lanes,
            reader: Reader::default(),
            writer: Writer::default(),
            messages: Bucket::new(config.message_rate, now),
            bytes: Bucket::new(config.byte_rate, now),
            paused_until: None,
            heard: now,
            pinged: false,
            progress: now,
            closing: None,
            metrics: m,
        }
    }

    /// From the first byte to the reason of the end.
    async fn live(&mut self, early: bytes::Bytes, stop: &CancellationToken) -> End {
        self.metrics.connections.inc();
        let taken = self.take_in(&early);
        // It holds on to the 8 KiB that the request was read into.
        drop(early);
        let end = match taken {
            Ok(()) => self.serve(stop).await,
            Err(end) => end,
        };
        if matches!(&end, End::Ours(code, _) if *code == close::SLOW_CONSUMER.code) {
            self.metrics.limit("out_queue");
        }
        end
    }

    async fn serve(&mut self, stop: &CancellationToken) -> End {
        let timer = sleep_until(self.deadline());
        // Kept from turn to turn: to wait for the bell takes a lock, and most turns are not about it.
        let lanes = self.lanes.clone();
        let bell = lanes.ready();
        tokio::pin!(timer, bell);
        loop {
            if let Err(end) = self.write_due().and_then(|()| self.deliver()) {
                return end;
            }
            if self.closing.is_some() && self.writer.is_empty() {
                let close = self.closing.unwrap_or(close::RESTART);
                return close.into();
            }
            let waits = self.channel.waits();
            let heaped = self.writer.len() > limits::WRITER_PIECES_MAX;
            let may_read = !waits && !heaped && self.paused_until.is_none();
            // A deadline that moves away is looked at when the timer rings: setting it anew takes a lock.
            let deadline = self.deadline();
            if deadline < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(deadline);
            }
            let (mut reading, writing) = self.stream.split();
            let step = tokio::select! { biased;
                // The space closes its connections when the server stops; this is for one that never answers.
                () = stop.cancelled(), if self.channel.is_over() && self.closing.is_none() => Err(close::RESTART.into()),
                ready = writing.writable(), if !self.writer.is_empty() => ready.map_err(End::from),
                () = bell.as_mut() => {
                    bell.set(lanes.ready());
                    lanes.broken().map_or(Ok(()), |close| Err(close.into()))
                }
                () = self.channel.room(), if waits => Ok(()),
                len = read(&mut reading), if may_read => len.map_err(End::from).and_then(|len| self.take_scratch(len)),
                () = timer.as_mut() => self.on_time(Instant::now()),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// When something is due next if nothing happens.
    fn deadline(&self) -> Instant {
        let quiet = if self.pinged {
            self.heard + C::SILENCE_MAX
        } else {
            self.heard + C::PING_EVERY
        };
        let stall = if self.writer.is_empty() {
            quiet
        } else {
            self.progress + limits::WRITE_STALL
        };
        let next = quiet.min(stall).min(self.channel.due().unwrap_or(quiet));
        self.paused_until.map_or(next, |until| until.min(next))
    }

    fn on_time(&mut self, now: Instant) -> Result<(), End> {
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
        }
        if !self.writer.is_empty() && now.duration_since(self.progress) >= limits::WRITE_STALL {
            return Err(close::SLOW_CONSUMER.into());
        }
        self.channel.overdue(now)?;
        let silence = now.duration_since(self.heard);
        // While we ourselves do not read, silence says nothing about the peer.
        if !self.channel.waits() && silence >= C::SILENCE_MAX {
            return Err(End::Ours(1001, "no sign of life".into()));
        }
        if silence >= C::PING_EVERY && !self.pinged {
            self.pinged = true;
            self.writer.push(wire::frame(opcode::PING, b""));
        }
        Ok(())
    }

    /// Takes what the lanes hold, if everything before it is written, and writes as much as the peer takes.
    fn write_due(&mut self) -> Result<(), End> {
        if self.writer.is_empty() {
            self.progress = Instant::now();
            if self.closing.is_none() {
                let drained = self.lanes.drain();
                self.writer.extend(drained.frames);
                drained
                    .lossy
                    .into_iter()
                    .flatten()
                    .for_each(|frame| self.writer.push(frame));
                if let Some(close) = drained.close {
                    self.closing = Some(close);
                }
            }
        }
        if !self.writer.is_empty() {
            let written = self.writer.write(&self.stream)?;
            if written > 0 {
                self.progress = Instant::now();
                self.metrics.sent_bytes.inc_by(written as u64);
            }
        }
        Ok(())
    }

    fn deliver(&mut self) -> Result<(), End> {
        self.channel.deliver().map_err(|Over| {
            // Unless it is already known, the lanes say why.
            let close = self.closing.or_else(|| self.lanes.drain().close);
            close.unwrap_or(close::RESTART).into()
        })
    }

    /// Takes in what [`read`] put into the scratch buffer of this thread.
    fn take_scratch(&mut self, len: usize) -> Result<(), End> {
        match len {
            0 => Err(End::Peer),
            len => SCRATCH.with_borrow(|scratch| self.take_in(&scratch[..len])),
        }
    }

    /// Takes in received bytes: frames, then messages, each checked before it goes anywhere.
    fn take_in(&mut self, bytes: &[u8]) -> Result<(), End> {
        if bytes.is_empty() {
            return Ok(());
        }
        let now = Instant::now();
        self.heard = now;
        self.pinged = false;
        self.metrics.received_bytes.inc_by(bytes.len() as u64);
        let mut items = Vec::new();
        let read = self.reader.take(bytes, &mut items);
        self.messages.spend(items.len() as f64, now);
        self.bytes.spend(bytes.len() as f64, now);
        for item in items {
            match item {
                Item::Message(payload) => {
                    let inside = self.channel.receive(&payload, &mut self.writer)?;
                    // The first is paid for with its frame.
                    self.messages.spend(inside.saturating_sub(1) as f64, now);
                    self.deliver()?;
                }
                Item::Ping(payload) => self.writer.push(wire::frame(opcode::PONG, &payload)),
                Item::Pong => {}
                Item::Close(code) => {
                    self.writer.push(wire::close(code, ""));
                    let _ = self.writer.write(&self.stream);
                    return Err(End::Peer);
                }
            }
        }
        self.paused_until = self.messages.debt_paid(now).max(self.bytes.debt_paid(now));
        if self.paused_until.is_some() {
            self.metrics.limit("message_rate");
        }
        read.map_err(End::from)
    }

    /// The end of the connection: says why, lets the peer answer for a moment. Gives the code for the books.
    async fn finish(self, end: End) -> u16 {
        let metrics = self.metrics.clone();
        let code = match end {
            End::Ours(code, reason) => self.goodbye(code, &reason).await,
            End::Peer => 1000,
        };
        metrics.closed(code);
        metrics.connections.dec();
        code
    }

    async fn goodbye(mut self, code: u16, reason: &str) -> u16 {
        self.writer.drop_whole_frames();
        self.writer.push(wire::close(code, reason));
        let goodbye = async {
            self.writer.flush(&self.stream).await?;
            let mut rest = [0u8; 512];
            // Until the peer closes; what it still sends is not ours any more.
            loop {
                self.stream.readable().await?;
                match self.stream.try_read(&mut rest) {
                    Ok(0) => return Ok::<(), io::Error>(()),
                    Ok(n) if rest[..n].contains(&(0x80 | opcode::CLOSE)) => return Ok(()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        };
        let _ = tokio::time::timeout(limits::CLOSE_WAIT, goodbye).await;
        code
    }
}

/// Reads once into the scratch buffer of this thread; what is read must be taken before the next await. Unlike waiting
/// for readiness and trying, this knows after a short read that there is no more, and saves asking.
async fn read(stream: &mut ReadHalf<'_>) -> io::Result<usize> {
    std::future::poll_fn(|cx| {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            let polled = Pin::new(&mut *stream).poll_read(cx, &mut buffer);
            polled.map_ok(|()| buffer.filled().len())
        })
    })
    .await
}
