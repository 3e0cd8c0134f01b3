//! A WebSocket client at the level of bytes: cheap enough that one core can be hundreds of people.

use anyhow::{Context, Result, bail};
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use thexr_schema::frame::{Message, Messages};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest any answer is waited for; longer means broken.
pub const ANSWER_WAIT: Duration = Duration::from_secs(120);
/// How much of a message is kept unless more is asked for: enough to read a stamp.
const KEEP_BYTES: usize = 1 << 10;
const SCRATCH_BYTES: usize = 256 << 10;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

/// A frame whose last byte has come.
pub struct Frame<'a> {
    /// Its opcode.
    pub op: u8,
    /// The first bytes of its payload, or all of them.
    pub head: &'a [u8],
    /// Length of the whole payload.
    pub len: usize,
}

/// A frame that is too long to keep.
struct Long {
    op: u8,
    head: Vec<u8>,
    len: usize,
    left: usize,
}

/// Cuts what a server sends into frames.
pub struct Frames {
    keep: usize,
    partial: Vec<u8>,
    long: Option<Long>,
}

impl Frames {
    /// Keeps at most `keep` bytes of a payload.
    pub fn new(keep: usize) -> Self {
        Self {
            keep,
            partial: Vec::new(),
            long: None,
        }
    }

    /// Takes in bytes; calls `each` for every frame they complete.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Frame<'_>)) {
        if self.partial.is_empty() {
            let used = self.frames(bytes, &mut each);
            self.partial.extend_from_slice(&bytes[used..]);
            return;
        }
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(bytes);
        let used = self.frames(&joined, &mut each);
        joined.drain(..used);
        self.partial = joined;
    }

    fn frames(&mut self, bytes: &[u8], each: &mut impl FnMut(Frame<'_>)) -> usize {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            if let Some(mut long) = self.long.take() {
                let taken = long.left.min(rest.len());
                used += taken;
                long.left -= taken;
                let missing = self.keep.saturating_sub(long.head.len());
                long.head.extend_from_slice(&rest[..taken.min(missing)]);
                if long.left > 0 {
                    self.long = Some(long);
                    return used;
                }
                let Long { op, head, len, .. } = &long;
                each(Frame {
                    op: *op,
                    head,
                    len: *len,
                });
                continue;
            }
            let Some((op, start, len)) = header(rest) else {
                return used;
            };
            match rest.get(start..start + len) {
                Some(payload) => {
                    used += start + len;
                    each(Frame {
                        op,
                        head: payload,
                        len,
                    });
                }
                None if len > KEEP_BYTES => {
                    used += start;
                    let head = Vec::with_capacity(len.min(self.keep));
                    self.long = Some(Long {
                        op,
                        head,
                        len,
                        left: len,
                    });
                }
                None => return used,
            }
        }
    }
}

/// Opcode, where the payload begins, and its length; servers do not mask.
fn header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let rest = &bytes[2..];
    let (start, len) = match second & 0x7F {
        126 => (4, u16::from_be_bytes(*rest.first_chunk()?) as usize),
        127 => (10, u64::from_be_bytes(*rest.first_chunk()?) as usize),
        len => (2, len as usize),
    };
    Some((first & 0x0F, start, len))
}

/// Appends a client's frame. The mask is zero, which every server must take and which costs nothing here.
pub fn put_frame(out: &mut Vec<u8>, op: u8, payload: &[u8]) {
    out.push(0x80 | op);
    match payload.len() {
        len @ 0..126 => out.push(0x80 | len as u8),
        len @ 126..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// Appends a client's binary frame.
pub fn put_message(out: &mut Vec<u8>, message: &[u8]) {
    put_frame(out, BINARY, message);
}

/// Writes everything, waiting as long as the peer takes it.
pub async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One connection.
pub struct Socket {
    /// Shared with whoever writes on it while it is being read.
    pub stream: Rc<TcpStream>,
    frames: Frames,
    /// Frames that came together with the answer to the upgrade.
    early: Vec<u8>,
}

impl Socket {
    /// Connects and upgrades.
    pub async fn connect(addr: SocketAddr, space: &str) -> Result<Self> {
        Self::keeping(addr, space, KEEP_BYTES).await
    }

    /// The same, keeping up to `keep` bytes of each message.
    pub async fn keeping(addr: SocketAddr, space: &str, keep: usize) -> Result<Self> {
        let mut stream = TcpStream::connect(addr).await.context("connecting")?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET /sync/{space} HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhleHItYmVuY2gtc29ja2V0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::with_capacity(512);
        let end = loop {
            if stream.read_buf(&mut head).await? == 0 {
                bail!("the connection ended before the answer to the upgrade");
            }
            if let Some(at) = head.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
        };
        if !head.starts_with(b"HTTP/1.1 101") {
            bail!(
                "no upgrade: {}",
                String::from_utf8_lossy(&head).lines().next().unwrap_or("")
            );
        }
        Ok(Self {
            stream: Rc::new(stream),
            frames: Frames::new(keep),
            early: head.split_off(end),
        })
    }

    /// Sends one message.
    pub async fn send(&self, message: &[u8]) -> io::Result<()> {
        let mut frame = Vec::with_capacity(message.len() + 14);
        put_message(&mut frame, message);
        write_all(&self.stream, &frame).await
    }

    /// Waits for bytes and calls `each` for every message they complete. Answers pings. Ends with an error when the
    /// connection does.
    pub async fn read(&mut self, mut each: impl FnMut(Frame<'_>)) -> Result<()> {
        if self.early.is_empty() {
            self.stream.readable().await?;
        }
        let (stream, frames, early) = (&self.stream, &mut self.frames, std::mem::take(&mut self.early));
        let mut pongs = Vec::new();
        let mut closed = None;
        let mut take_in = |bytes: &[u8]| {
            frames.feed(bytes, |frame| match frame.op {
                BINARY => each(frame),
                PING => put_frame(&mut pongs, PONG, frame.head),
                CLOSE => {
                    closed = Some(String::from_utf8_lossy(frame.head.get(2..).unwrap_or(b"")).into_owned())
                }
                _ => {}
            });
        };
        if early.is_empty() {
            SCRATCH.with_borrow_mut(|scratch| match stream.try_read(scratch) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(n) => {
                    take_in(&scratch[..n]);
                    Ok(())
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                Err(error) => Err(error.into()),
            })?;
        } else {
            take_in(&early);
        }
        if let Some(reason) = closed {
            bail!("the server closed the connection: {reason}");
        }
        if !pongs.is_empty() {
            write_all(&self.stream, &pongs).await?;
        }
        Ok(())
    }

    /// Reads until `find` finds something in a frame.
    pub async fn wait<T>(&mut self, what: &str, mut find: impl FnMut(&Frame<'_>) -> Option<T>) -> Result<T> {
        let waiting = async {
            let mut found = None;
            while found.is_none() {
                self.read(|frame| {
                    if found.is_none() {
                        found = find(&frame);
                    }
                })
                .await?;
            }
            found.context("just found")
        };
        tokio::time::timeout(ANSWER_WAIT, waiting)
            .await
            .with_context(|| format!("{what}: no answer"))?
            .with_context(|| what.to_owned())
    }

    /// Sends a state vector and waits for the answer's last byte; gives the answer's length.
    pub async fn sync(&mut self, state_vector: &[u8]) -> Result<usize> {
        self.send(&thexr_schema::frame::sync_step1(state_vector)).await?;
        self.wait("the first sync", |frame| {
            is_sync_step2(frame).then_some(frame.len)
        })
        .await
    }

    /// Asks with 102 and waits until everything sent before is durable.
    pub async fn saved(&mut self) -> Result<()> {
        const COUNTER: &[u8] = b"saved";
        self.send(&thexr_schema::frame::ack(COUNTER)).await?;
        self.wait("a 102", |frame| (ack(frame) == Some(COUNTER)).then_some(()))
            .await
    }
}

/// True for the message that says "synced".
pub fn is_sync_step2(frame: &Frame<'_>) -> bool {
    frame.head.starts_with(&[0, 1])
}

/// The counter of a 102.
pub fn ack<'a>(frame: &Frame<'a>) -> Option<&'a [u8]> {
    match Messages::new(frame.head).next()? {
        Ok(Message::Ack(counter)) => Some(counter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thexr::wire;

    #[test]
    fn frames_are_found_however_the_bytes_come() {
        let sizes = [0, 5, 125, 126, 1_024, 1_025, 70_000, 3];
        let stream: Vec<u8> = sizes
            .iter()
            .flat_map(|len| wire::message(&vec![*len as u8; *len]).to_vec())
            .collect();
        for step in [1, 7, 1_000, stream.len()] {
            for keep in [16, usize::MAX] {
                let mut frames = Frames::new(keep);
                let mut found = Vec::new();
                for part in stream.chunks(step) {
                    frames.feed(part, |f| {
                        assert!(f.head.len() >= f.len.min(keep.min(KEEP_BYTES)));
                        assert!(f.head.iter().all(|b| *b == f.len as u8));
                        found.push(f.len);
                    });
                }
                assert_eq!(found, sizes, "step {step} keep {keep}");
            }
        }
    }
}
