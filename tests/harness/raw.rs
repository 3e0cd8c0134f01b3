//! A WebSocket at the level of bytes, for what no library would send.

use crate::{http, within};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// What the peer of a raw socket sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    /// A data or control frame: opcode and payload.
    Frame(u8, Vec<u8>),
    /// The end of the connection without another frame.
    End,
}

/// An answer to a handshake.
#[derive(Debug)]
pub struct Handshake {
    /// 101 when it was agreed to.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The socket; of use only after 101.
    pub socket: RawSocket,
}

impl Handshake {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
}

/// A connection after the handshake.
#[derive(Debug)]
pub struct RawSocket {
    stream: TcpStream,
    buffer: Vec<u8>,
}

const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// Header lines of a good handshake, without `Host`.
pub const GOOD: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

impl RawSocket {
    /// A good handshake on a space.
    ///
    /// # Panics
    /// When it is not agreed to.
    pub async fn connect(addr: SocketAddr, space: &str) -> Self {
        Self::offering(addr, space, &[]).await
    }

    /// The same, with more header lines.
    pub async fn offering(addr: SocketAddr, space: &str, more: &[(&str, &str)]) -> Self {
        let headers: Vec<_> = GOOD.iter().chain(more).copied().collect();
        let handshake = Self::handshake(addr, space, &headers).await;
        assert_eq!(handshake.status, 101, "{:?}", handshake.headers);
        handshake.socket
    }

    /// A handshake with these header lines; `Host` is added unless it is among them.
    pub async fn handshake(addr: SocketAddr, space: &str, headers: &[(&str, &str)]) -> Handshake {
        let mut head = format!("GET /sync/{space} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {addr}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        Self::handshake_bytes(addr, head.as_bytes(), None).await
    }

    /// A handshake of these bytes, with a receive buffer of `window` bytes when given: a reader that can be full.
    pub async fn handshake_bytes(addr: SocketAddr, head: &[u8], window: Option<u32>) -> Handshake {
        let connecting = async {
            let socket = TcpSocket::new_v4().expect("a socket");
            if let Some(bytes) = window {
                socket.set_recv_buffer_size(bytes).expect("a small buffer");
            }
            let mut stream = socket.connect(addr).await.expect("connects");
            // As browsers do; else small messages are sent together, 40 ms late.
            stream.set_nodelay(true).expect("sends at once");
            stream.write_all(head).await.expect("writes");
            let mut all = Vec::new();
            loop {
                if let Some(end) = all.windows(4).position(|w| w == b"\r\n\r\n") {
                    let (status, headers) = http::head(&all[..end]);
                    let buffer = all[end + 4..].to_vec();
                    let socket = Self { stream, buffer };
                    return Handshake {
                        status,
                        headers,
                        socket,
                    };
                }
                let mut piece = [0; 1024];
                let n = stream.read(&mut piece).await.unwrap_or(0);
                if n == 0 {
                    let (status, headers) = http::head(&all);
                    let socket = Self {
                        stream,
                        buffer: Vec::new(),
                    };
                    return Handshake {
                        status,
                        headers,
                        socket,
                    };
                }
                all.extend_from_slice(&piece[..n]);
            }
        };
        within("the answer to a handshake", connecting).await
    }

    /// Sends bytes as they are. That the server may have hung up meanwhile is for the reader to find.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = within("the server takes bytes", self.stream.write_all(bytes)).await;
    }

    /// Sends a whole masked binary frame.
    pub async fn message(&mut self, payload: &[u8]) {
        self.send(&frame(0x82, payload)).await;
    }

    /// Ends the connection with a reset instead of a goodbye.
    pub fn reset(self) {
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO));
    }

    /// The next frame, or the end.
    pub async fn next(&mut self) -> Got {
        within("a frame", async {
            loop {
                if let Some((got, used)) = parse(&self.buffer) {
                    self.buffer.drain(..used);
                    return got;
                }
                match self.stream.read_buf(&mut self.buffer).await {
                    Ok(0) | Err(_) => return Got::End,
                    Ok(_) => {}
                }
            }
        })
        .await
    }

    /// Reads to the end; gives the code and the reason of the close frame, 1006 without one.
    pub async fn close(&mut self) -> (u16, String) {
        loop {
            match self.next().await {
                Got::Frame(8, payload) => {
                    let code = payload
                        .first_chunk()
                        .map_or(1005, |code| u16::from_be_bytes(*code));
                    let reason = payload.get(2..).unwrap_or_default();
                    return (code, String::from_utf8_lossy(reason).into_owned());
                }
                Got::Frame(..) => {}
                Got::End => return (1006, String::new()),
            }
        }
    }

    /// Reads messages until one begins with `start`, and gives it.
    pub async fn message_with(&mut self, start: &[u8]) -> Vec<u8> {
        loop {
            match self.next().await {
                Got::Frame(2, payload) if payload.starts_with(start) => return payload,
                Got::Frame(8, payload) => panic!("closed: {:?}", String::from_utf8_lossy(&payload)),
                Got::Frame(..) => {}
                Got::End => panic!("the connection ended before a message {start:?}"),
            }
        }
    }
}

/// A masked frame whose first byte is `first`.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        n @ 0..126 => out.push(0x80 | n as u8),
        n @ 126..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend((n as u16).to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend((n as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    out
}

fn parse(bytes: &[u8]) -> Option<(Got, usize)> {
    let &[first, second, ..] = bytes else { return None };
    let (len, start) = match second {
        126 => (u16::from_be_bytes(*bytes.get(2..4)?.first_chunk()?) as usize, 4),
        127 => (u64::from_be_bytes(*bytes.get(2..10)?.first_chunk()?) as usize, 10),
        n => (n as usize, 2),
    };
    let payload = bytes.get(start..start + len)?;
    Some((Got::Frame(first & 0x0F, payload.to_vec()), start + len))
}
