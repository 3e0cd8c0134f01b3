//! Stock Yjs clients in Node (`tests/interop/peers.mjs`), driven line by line.

use crate::plan::Op;
use crate::within;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Some stock clients of one space.
pub struct Peers {
    _child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Peers {
    /// Starts `count` clients and waits until each is in sync.
    pub async fn start(addr: SocketAddr, space: &str, count: usize) -> Self {
        let mut child = Command::new("node")
            .arg("peers.mjs")
            .args([format!("ws://{addr}/sync"), space.to_owned(), count.to_string()])
            .current_dir(folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs; install Node 20 or newer");
        let stdin = child.stdin.take().expect("piped");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut peers = Self {
            _child: child,
            stdin,
            lines,
        };
        for peer in 0..count {
            peers.ask(peer, "synced", json!({})).await;
        }
        peers
    }

    /// Sends a command and gives the answer.
    pub async fn ask(&mut self, peer: usize, op: &str, mut more: Value) -> Value {
        more["op"] = json!(op);
        more["peer"] = json!(peer);
        self.stdin
            .write_all(format!("{more}\n").as_bytes())
            .await
            .expect("node reads");
        let line = within(&format!("node answers to {more}"), self.lines.next_line()).await;
        let line = line.expect("text").expect("node lives; its errors are above");
        serde_json::from_str(&line).expect("JSON")
    }

    /// Does one thing of a plan.
    pub async fn apply(&mut self, peer: usize, op: &Op) {
        let (name, more) = match op {
            Op::Set(entity, component, value) => (
                "set",
                json!({"entity": entity, "component": component, "to": value}),
            ),
            Op::Remove(entity, component) => ("remove", json!({"entity": entity, "component": component})),
            Op::Delete(entity) => ("delete", json!({"entity": entity})),
            Op::Stroke(entity, stroke) => ("stroke", json!({"entity": entity, "stroke": stroke})),
            Op::Erase(entity, index) => ("erase", json!({"entity": entity, "index": index})),
        };
        self.ask(peer, name, more).await;
    }

    /// Waits until a client has these clocks and nothing pending, and gives its document.
    pub async fn content(&mut self, peer: usize, clocks: &[(u64, u32)]) -> Value {
        self.ask(peer, "content", json!({"at": clocks})).await
    }
}

/// The script's folder, with its packages installed.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
        if !folder.join("node_modules/yjs").is_dir() {
            let npm = std::process::Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund", "--silent"])
                .current_dir(&folder)
                .status();
            let npm = npm.expect("npm runs; install Node 20 or newer, or run npm ci in tests/interop");
            assert!(npm.success(), "npm ci failed in tests/interop");
        }
        folder
    })
}
