//! The server program as a child: started in a given folder and environment, killed or told to stop.

use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use thexr_tests::process::binary;
use thexr_tests::within;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A running server.
pub struct Program {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
    /// Kept open, or a late line would be an error to the program.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts it and waits until it listens.
    pub async fn start(folder: &Path, args: &[&str], env: &[(&str, OsString)]) -> Self {
        let mut command = Command::new(binary());
        command
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .args(args)
            .envs(env.iter().map(|(name, value)| (name, value)))
            .env("THEXR_ADMIN_TOKEN", thexr_tests::server::ADMIN_TOKEN)
            .env(
                "RUST_LOG",
                std::env::var("THEXR_CHILD_LOG").unwrap_or_else(|_| "off".into()),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let addr = within("the program says where it listens", async {
            while let Some(line) = lines.next_line().await.expect("text") {
                let addr = line
                    .strip_prefix("listening on http://")
                    .and_then(|rest| rest.parse().ok());
                if let Some(addr) = addr {
                    return addr;
                }
            }
            panic!("the program ended before it listened");
        })
        .await;
        Self {
            child,
            addr,
            _output: lines,
        }
    }

    /// Its process id while it lives.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// SIGKILL; returns when the process is gone.
    pub async fn kill(mut self) {
        within("the process dies", self.child.kill())
            .await
            .expect("it ran");
    }

    /// SIGTERM; returns when the process has ended in order.
    pub async fn stop(mut self) {
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .expect("it runs");
        kill_process(pid, Signal::TERM).expect("it can be signalled");
        let status = within("the process ends", self.child.wait())
            .await
            .expect("it ran");
        assert!(status.success(), "the program ended with {status}");
    }
}

/// Runs a command of the program to its end.
pub async fn run(args: &[&str], folder: &Path, env: &[(&str, OsString)]) -> std::process::Output {
    let mut command = Command::new(binary());
    command
        .args(args)
        .arg("--data")
        .arg(folder)
        .envs(env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).kill_on_drop(true);
    within(args[0], command.output())
        .await
        .expect("the program starts")
}

/// Fails unless `thexr fsck` finds everything good.
pub async fn fsck(folder: &Path) {
    let done = run(&["fsck"], folder, &[]).await;
    let said = [done.stdout, done.stderr].concat();
    assert!(
        done.status.success(),
        "fsck: {}\n{}",
        done.status,
        String::from_utf8_lossy(&said)
    );
}

/// Asks the running server to compact a space; gives the status of the answer.
pub async fn compact(addr: SocketAddr, space: &str) -> u16 {
    let bearer = format!("Bearer {}", thexr_tests::server::ADMIN_TOKEN);
    let path = format!("/api/v1/admin/spaces/{space}/compact");
    thexr_tests::http::request(addr, "POST", &path, &[("Authorization", &bearer)], b"")
        .await
        .status
}
