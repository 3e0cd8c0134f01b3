//! The real program in a process of its own, for what only kill -9 shows.

use crate::within;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running server program.
pub struct Process {
    child: Child,
    addr: SocketAddr,
    folder: Arc<TempDir>,
}

impl Process {
    /// Starts it in a folder of its own.
    pub async fn start() -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().expect("a temporary folder")), &[]).await
    }

    /// Starts it with more arguments.
    pub async fn with(args: &[&str]) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().expect("a temporary folder")), args).await
    }

    async fn start_in(folder: Arc<TempDir>, args: &[&str]) -> Self {
        let mut command = Command::new(binary());
        command
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path())
            .args(args)
            .env("THEXR_ADMIN_TOKEN", crate::server::ADMIN_TOKEN)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .env("RUST_LOG", "warn")
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let addr = within("the program says where it listens", async {
            while let Some(line) = lines.next_line().await.expect("text") {
                let rest = line.split_once("listening on http://").map(|(_, rest)| rest);
                if let Some(addr) = rest.and_then(|r| r.split_whitespace().next()?.parse().ok()) {
                    return addr;
                }
            }
            panic!("the program ended before it listened");
        })
        .await;
        // What it says later must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, addr, folder }
    }

    /// Where it listens; another port after every start.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Resident memory.
    pub fn memory_bytes(&self) -> u64 {
        let id = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
        kib.expect("a number") * 1024
    }

    /// Kills it as a power cut would as far as the program can tell, and starts it again on the same folder.
    pub async fn kill_and_start_again(&mut self) {
        self.kill().await;
        *self = Self::start_in(self.folder.clone(), &[]).await;
    }

    /// SIGKILL; returns when the process is gone.
    pub async fn kill(&mut self) {
        within("the process dies", self.child.kill())
            .await
            .expect("it ran");
    }
}

/// The program: `THEXR_BIN`, or built now with the profile of this test.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("THEXR_BIN") {
            return path.into();
        }
        let exe = std::env::current_exe().expect("this test has a path");
        // target/debug/deps/it-0123456789abcdef
        let folder = exe.parent().and_then(Path::parent).expect("a target folder");
        let mut cargo = std::process::Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
        cargo.args([
            "build",
            "--quiet",
            "-p",
            "thexr",
            "--bin",
            "thexr",
            "--manifest-path",
        ]);
        cargo.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"));
        cargo
            .arg("--target-dir")
            .arg(folder.parent().expect("a target folder"));
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        let built = cargo
            .status()
            .expect("cargo runs; set THEXR_BIN to use a built program");
        assert!(
            built.success(),
            "the program does not build; set THEXR_BIN to use a built one"
        );
        folder.join("thexr")
    })
}
