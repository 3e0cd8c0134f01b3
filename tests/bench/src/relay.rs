//! The baseline: a relay with hand-made frames, no document and no store. What a server costs above it is what
//! saving, checking and remembering cost. Runs as a process of its own (`thexr-bench relay`).

use anyhow::Result;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

const SCRATCH_BYTES: usize = 64 << 10;

/// Whoever connects to this path and a number gets a frame of so many bytes for each of its own, and nobody else
/// gets anything: the least that a server of poses must do.
pub const ANSWER: &str = "/answer/";

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

/// What is due to a peer, and how it is woken.
#[derive(Default)]
struct Peer {
    due: RefCell<Vec<u8>>,
    wake: Notify,
}

/// The peers by path.
type Rooms = Rc<RefCell<HashMap<String, Vec<Rc<Peer>>>>>;

/// Relays until it is killed. Says where it listens in the words of the server.
pub async fn run() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let rooms = Rooms::default();
    let mut peers = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        peers.spawn_local(peer(stream, rooms.clone()));
        while peers.try_join_next().is_some() {}
    }
}

async fn peer(stream: TcpStream, rooms: Rooms) {
    let Ok((path, mut partial)) = upgrade(&stream).await else {
        return;
    };
    let answer = path.strip_prefix(ANSWER).and_then(|bytes| bytes.parse().ok());
    if let Some(bytes) = answer {
        let _ = answer_each(&stream, bytes, &mut partial).await;
        return;
    }
    let me = Rc::new(Peer::default());
    rooms
        .borrow_mut()
        .entry(path.clone())
        .or_default()
        .push(me.clone());
    let _ = serve(&stream, &me, &mut partial, &rooms, &path).await;
    if let Some(room) = rooms.borrow_mut().get_mut(&path) {
        room.retain(|peer| !Rc::ptr_eq(peer, &me));
    }
}

/// Answers each frame with one of `bytes` bytes.
async fn answer_each(stream: &TcpStream, bytes: usize, partial: &mut Vec<u8>) -> io::Result<()> {
    let mut frame = Vec::new();
    put_header(&mut frame, bytes);
    frame.resize(frame.len() + bytes, 0);
    loop {
        let mut used = 0;
        while let Some((start, len)) = header(&partial[used..])
            && partial.len() >= used + start + len
        {
            used += start + len;
            crate::ws::write_all(stream, &frame).await?;
        }
        partial.drain(..used);
        read(stream, partial).await?;
    }
}

/// Reads the request and lets everybody in; our own client does not look at the key's answer.
async fn upgrade(stream: &TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    let end = loop {
        read(stream, &mut head).await?;
        if let Some(at) = head.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let text = String::from_utf8_lossy(&head[..end]).into_owned();
    let path = text.split(' ').nth(1).unwrap_or("/").to_owned();
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    crate::ws::write_all(stream, answer).await?;
    Ok((path, head.split_off(end)))
}

/// Appends what has come to `into`.
async fn read(stream: &TcpStream, into: &mut Vec<u8>) -> io::Result<()> {
    stream.readable().await?;
    SCRATCH.with_borrow_mut(|scratch| match stream.try_read(scratch) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(n) => {
            into.extend_from_slice(&scratch[..n]);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    })
}

async fn serve(
    stream: &TcpStream,
    me: &Rc<Peer>,
    partial: &mut Vec<u8>,
    rooms: &Rooms,
    path: &str,
) -> io::Result<()> {
    loop {
        tokio::select! {
            // All that has gathered leaves in one write.
            () = me.wake.notified() => {
                let due = me.due.take();
                crate::ws::write_all(stream, &due).await?;
            }
            read = read(stream, partial) => {
                read?;
                relay(partial, me, rooms, path);
                if partial.is_empty() {
                    // An idle peer holds no buffer.
                    *partial = Vec::new();
                }
            }
        }
    }
}

/// Gives every whole frame to everybody else and takes it off the front.
fn relay(partial: &mut Vec<u8>, me: &Rc<Peer>, rooms: &Rooms, path: &str) {
    let mut out = Vec::new();
    let mut used = 0;
    while let Some((start, len)) = header(&partial[used..]) {
        let Some(payload) = partial.get(used + start..used + start + len) else {
            break;
        };
        let mask = &partial[used + start - 4..used + start];
        if partial[used] & 0x0F == 2 {
            put_header(&mut out, len);
            let from = out.len();
            out.extend_from_slice(payload);
            if mask != [0; 4] {
                out[from..]
                    .iter_mut()
                    .zip(mask.iter().cycle())
                    .for_each(|(byte, key)| *byte ^= key);
            }
        }
        used += start + len;
    }
    partial.drain(..used);
    if out.is_empty() {
        return;
    }
    for peer in rooms.borrow().get(path).into_iter().flatten() {
        if !Rc::ptr_eq(peer, me) {
            peer.due.borrow_mut().extend_from_slice(&out);
            peer.wake.notify_one();
        }
    }
}

/// Where a masked frame's payload begins, and its length.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    let second = *bytes.get(1)?;
    let rest = &bytes[2..];
    Some(match second & 0x7F {
        126 => (8, u16::from_be_bytes(*rest.first_chunk()?) as usize),
        127 => (14, u64::from_be_bytes(*rest.first_chunk()?) as usize),
        len => (6, len as usize),
    })
}

fn put_header(out: &mut Vec<u8>, len: usize) {
    out.push(0x82);
    match len {
        0..126 => out.push(len as u8),
        126..=0xFFFF => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}
