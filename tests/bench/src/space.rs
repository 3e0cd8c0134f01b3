//! Spaces to measure with: filled from outside, compacted on request.

use crate::process::{ADMIN_TOKEN, Process};
use crate::ws::{self, Socket};
use crate::yjs::{self, Author};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The space that is measured.
pub const SPACE: &str = "bench";
/// Who filled it.
pub const SEEDER: u32 = 7;
/// Updates between two waits while seeding: bounded by what may be unsaved.
const PIPELINE: usize = 2_000;
/// Points of a stroke (notes/yrs.md measures with 50).
pub const STROKE_POINTS: usize = 50;

/// What a space is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// So many entities of two components, one update each.
    Entities(usize),
    /// So many strokes on one board, one update each.
    Strokes(usize),
    /// So many overwrites of the transforms of this many entities, in turn.
    Overwrites(usize, usize),
}

/// A filled space, and the connection that filled it: while it is open nobody has left, so nothing is compacted.
pub struct Seeded {
    /// What was written.
    pub author: Author,
    /// Bytes of the updates.
    pub bytes: usize,
    /// Number of the updates.
    pub updates: usize,
    /// The seeder's connection.
    pub socket: Socket,
}

/// Fills [`SPACE`] and waits until all of it is durable.
pub async fn seed(program: &Process, content: Content) -> Result<Seeded> {
    seed_as(program, content, SEEDER).await
}

/// The same under another client id: what is there stays.
pub async fn seed_as(program: &Process, content: Content, client: u32) -> Result<Seeded> {
    let mut socket = Socket::connect(program.addr, SPACE).await?;
    socket.sync(&[0]).await?;
    let mut author = Author::new(client);
    let (mut bytes, mut updates) = (0, 0);
    let mut out = Vec::new();
    let mut keys = Vec::new();
    let total = match content {
        Content::Entities(n) => n,
        // The board itself is one more.
        Content::Strokes(n) => n + 1,
        Content::Overwrites(n, keys) => n + keys,
    };
    for n in 0..total {
        let update = match content {
            Content::Strokes(_) => author.stroke(n, STROKE_POINTS),
            Content::Overwrites(_, entities) if n >= entities => {
                author.overwrite(&mut keys[n % entities], n as f64)
            }
            Content::Entities(_) | Content::Overwrites(..) => {
                let id = author.id();
                let (update, key) = author.entity(&id, n as f64);
                if matches!(content, Content::Overwrites(..)) {
                    keys.push(key);
                }
                update
            }
        };
        bytes += update.len();
        updates += 1;
        ws::put_message(&mut out, &yjs::update_message(&update));
        if updates % PIPELINE == 0 || n + 1 == total {
            ws::write_all(&socket.stream, &std::mem::take(&mut out)).await?;
            socket.saved().await?;
        }
    }
    Ok(Seeded {
        author,
        bytes,
        updates,
        socket,
    })
}

/// A GET of the server's HTTP interface; the body of a 200.
pub async fn get(program: &Process, path: &str, accept: &str) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(program.addr).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n",
        program.addr
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    tokio::time::timeout(ws::ANSWER_WAIT, stream.read_to_end(&mut answer))
        .await
        .context("an HTTP answer: none came")??;
    let head = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .context("an HTTP answer")?;
    let status = String::from_utf8_lossy(answer.get(..15).unwrap_or_default()).into_owned();
    ensure!(status.starts_with("HTTP/1.1 200"), "{path}: {status}");
    Ok(answer.split_off(head + 4))
}

/// What a compaction reports (`CompactResult` of the schema, as JSON).
pub async fn compact(program: &Process) -> Result<Value> {
    let path = format!("/api/v1/admin/spaces/{SPACE}/compact");
    let mut stream = TcpStream::connect(program.addr).await?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n",
        program.addr
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    tokio::time::timeout(ws::ANSWER_WAIT, stream.read_to_string(&mut answer))
        .await
        .context("a compaction: no answer")??;
    let (head, body) = answer.split_once("\r\n\r\n").context("an HTTP answer")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "compaction: {answer}");
    serde_json::from_str(body).context("the answer of a compaction")
}

/// Reads `1k`, `10k`, `250`.
pub fn count(text: &str) -> Option<usize> {
    match text.strip_suffix('k') {
        Some(thousands) => Some(thousands.parse::<usize>().ok()? * 1_000),
        None => text.parse().ok(),
    }
}
