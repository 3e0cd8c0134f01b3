//! A WebSocket client at the level of bytes: cheap enough that one core can be hundreds of people.

mod frames;

pub use frames::{Frame, Frames};

use anyhow::{Context, Result, bail};
use frames::KEEP_BYTES;
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use thexr_schema::frame::{Message, Messages};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Longest any answer is waited for; longer means broken.
pub const ANSWER_WAIT: Duration = Duration::from_secs(120);
const SCRATCH_BYTES: usize = 256 << 10;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
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

/// What to connect to, and how.
pub struct Target<'a> {
    /// Path and query.
    pub path: &'a str,
    /// The subprotocol to offer.
    pub protocol: Option<&'a str>,
    /// How much of a message is kept.
    pub keep: usize,
    /// Receive buffer in the kernel; none = as the kernel likes.
    pub receive_bytes: Option<u32>,
}

impl Default for Target<'_> {
    fn default() -> Self {
        Self {
            path: "/",
            protocol: None,
            keep: KEEP_BYTES,
            receive_bytes: None,
        }
    }
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
    /// Connects to a space's document and upgrades.
    pub async fn connect(addr: SocketAddr, space: &str) -> Result<Self> {
        Self::keeping(addr, space, KEEP_BYTES).await
    }

    /// The same, keeping up to `keep` bytes of each message.
    pub async fn keeping(addr: SocketAddr, space: &str, keep: usize) -> Result<Self> {
        let path = format!("/sync/{space}");
        Self::open(
            addr,
            &Target {
                path: &path,
                keep,
                ..Target::default()
            },
        )
        .await
    }

    /// Connects to this target and upgrades.
    pub async fn open(addr: SocketAddr, target: &Target<'_>) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = target.receive_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        let mut stream = socket.connect(addr).await.context("connecting")?;
        stream.set_nodelay(true)?;
        let protocol = target.protocol.map_or(String::new(), |name| {
            format!("Sec-WebSocket-Protocol: {name}\r\n")
        });
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{protocol}\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhleHItYmVuY2gtc29ja2V0\r\n\r\n",
            target.path
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
            frames: Frames::new(target.keep),
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
    pub async fn read(&mut self, each: impl FnMut(Frame<'_>)) -> Result<()> {
        self.read_at_most(SCRATCH_BYTES, each).await.map(drop)
    }

    /// The same, taking at most so many bytes off the kernel; gives how many it took.
    pub async fn read_at_most(&mut self, bytes_max: usize, mut each: impl FnMut(Frame<'_>)) -> Result<usize> {
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
        let taken = if early.is_empty() {
            SCRATCH.with_borrow_mut(|scratch| {
                let room = bytes_max.min(scratch.len());
                match stream.try_read(&mut scratch[..room]) {
                    Ok(0) => bail!("the server closed the connection"),
                    Ok(n) => {
                        take_in(&scratch[..n]);
                        Ok(n)
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                    Err(error) => Err(error.into()),
                }
            })?
        } else {
            take_in(&early);
            early.len()
        };
        if let Some(reason) = closed {
            bail!("the server closed the connection: {reason}");
        }
        if !pongs.is_empty() {
            write_all(&self.stream, &pongs).await?;
        }
        Ok(taken)
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
