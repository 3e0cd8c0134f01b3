//! The other end of a webhook: an HTTP server that takes what it is sent, answers as it is told, and can be down.

use crate::{http, within};
use serde_json::Value;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Requests that a test has not looked at yet.
const UNSEEN_MAX: usize = 100_000;

/// What an endpoint does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Answers with this status, and these header lines.
    Status(u16, &'static str),
    /// Takes it and says nothing.
    Hang,
}

/// 204.
pub const TAKEN: Reply = Reply::Status(204, "");

/// A request.
#[derive(Debug, Clone)]
pub struct Received {
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The bytes.
    pub body: Vec<u8>,
    /// What was done with it.
    pub reply: Reply,
}

impl Received {
    /// The first header of this name; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a delivery is JSON")
    }
}

/// The script: these first, then always the last.
struct Script {
    next: VecDeque<Reply>,
    always: Reply,
}

/// The endpoint; it is gone when dropped.
pub struct Endpoint {
    addr: SocketAddr,
    script: Arc<Mutex<Script>>,
    send: mpsc::Sender<Received>,
    received: mpsc::Receiver<Received>,
    serving: JoinSet<()>,
}

impl Endpoint {
    /// On a free port; takes everything.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let (send, received) = mpsc::channel(UNSEEN_MAX);
        let script = Script {
            next: VecDeque::new(),
            always: TAKEN,
        };
        let mut endpoint = Self {
            addr,
            script: Arc::new(Mutex::new(script)),
            send,
            received,
            serving: JoinSet::new(),
        };
        endpoint.serve(listener);
        endpoint
    }

    fn serve(&mut self, listener: TcpListener) {
        let (script, send) = (self.script.clone(), self.send.clone());
        self.serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(connection(stream, script.clone(), send.clone()));
            }
        });
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.addr)
    }

    /// From now on: these, one after the other, then always the last.
    ///
    /// # Panics
    /// Without any.
    pub fn answers(&self, replies: &[Reply]) {
        let (always, next) = replies.split_last().expect("some");
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.next = next.iter().cloned().collect();
        script.always = always.clone();
    }

    /// Nobody listens, and what was connected is cut.
    pub async fn down(&mut self) {
        self.serving.shutdown().await;
    }

    /// Listens again, on the port of before.
    ///
    /// # Panics
    /// When somebody took it meanwhile.
    pub async fn up(&mut self) {
        let listener = TcpListener::bind(self.addr).await.expect("the port is ours");
        self.serve(listener);
    }

    /// The next request.
    pub async fn next(&mut self) -> Received {
        within("a request at the endpoint", self.received.recv())
            .await
            .expect("we hold a sender")
    }

    /// The next request that was taken.
    pub async fn taken(&mut self) -> Received {
        loop {
            let next = self.next().await;
            if next.reply == TAKEN {
                return next;
            }
        }
    }

    /// The next request, if it is here already.
    pub fn waiting(&mut self) -> Option<Received> {
        self.received.try_recv().ok()
    }
}

async fn connection(mut stream: TcpStream, script: Arc<Mutex<Script>>, send: mpsc::Sender<Received>) {
    let mut bytes = Vec::new();
    loop {
        let Some((headers, body)) = request(&mut stream, &mut bytes).await else {
            return;
        };
        let reply = {
            let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
            let next = script.next.pop_front();
            next.unwrap_or_else(|| script.always.clone())
        };
        let received = Received {
            headers,
            body,
            reply: reply.clone(),
        };
        if send.send(received).await.is_err() {
            return;
        }
        match reply {
            Reply::Hang => std::future::pending().await,
            Reply::Status(status, more) => {
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n{more}\r\n");
                if stream.write_all(head.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// One request; what follows it stays in `bytes`. `None` at the end of the connection.
async fn request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(Vec<(String, String)>, Vec<u8>)> {
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let (_, headers) = http::head(&bytes[..end]);
            let len = headers.iter().find(|(name, _)| name == "content-length");
            let len: usize = len.and_then(|(_, len)| len.parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + len {
                let mut all = bytes.drain(..end + 4 + len);
                let body = all.by_ref().skip(end + 4).collect();
                drop(all);
                return Some((headers, body));
            }
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}
