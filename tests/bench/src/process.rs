//! The measured program in a process of its own, alone on core 0: the server, or the relay it is compared with.

use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use tempfile::TempDir;

/// The core of the measured program.
pub const SERVER_CORE: usize = 0;
/// The core of the load generator.
pub const LOAD_CORE: usize = 1;
/// What the server lets in as an administrator.
pub const ADMIN_TOKEN: &str = "an-admin-token-for-benchmarks-only";

/// Settings under which the server never compacts by itself.
pub const NO_COMPACTION: &[&str] = &[
    "--compact-updates",
    "1000000000",
    "--compact-bytes",
    "1000GiB",
    "--compact-min-gap",
    "7d",
    "--compact-interval",
    "7d",
];

/// A running program; killed when dropped.
pub struct Process {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
    /// The data folder of a server.
    pub folder: Rc<TempDir>,
}

impl Process {
    /// Starts the server on a new folder.
    pub fn server(arguments: &[&str]) -> Result<Self> {
        Self::server_in(new_folder()?, arguments)
    }

    /// Starts the server on this folder.
    pub fn server_in(folder: Rc<TempDir>, arguments: &[&str]) -> Result<Self> {
        let mut command = pinned(&server_program()?);
        command
            .args(["--listen", "127.0.0.1:0", "--log", "error"])
            // One connection of the generator is many people.
            .args(["--messages-per-second", "10000000", "--bytes-per-second", "10GiB"])
            .arg("--data")
            .arg(folder.path())
            .args(arguments)
            .env("THEXR_ADMIN_TOKEN", ADMIN_TOKEN);
        Self::start(command, folder)
    }

    /// Starts the relay.
    pub fn relay() -> Result<Self> {
        let mut command = pinned(&std::env::current_exe()?);
        command.arg("relay");
        Self::start(command, new_folder()?)
    }

    fn start(mut command: Command, folder: Rc<TempDir>) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
        for line in &mut lines {
            let line = line?;
            let rest = line
                .split_once("listening on http://")
                .map(|(_, rest)| rest.trim());
            if let Some(addr) = rest.and_then(|rest| rest.parse().ok()) {
                // What it says later must not fill the pipe; the thread ends with the process.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(Self { child, addr, folder });
            }
        }
        bail!("{command:?} ended before it listened: {}", child.wait()?)
    }

    /// Kills it like a power cut and gives the folder for the next start.
    pub fn kill(mut self) -> Result<Rc<TempDir>> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(self.folder.clone())
    }

    /// CPU seconds it has used so far.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.child.id())
    }

    /// Resident memory, bytes.
    pub fn resident_bytes(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
        kib.unwrap_or(0.0) * 1024.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU seconds of a process: nanoseconds of its threads, or where the kernel does not count those, clock ticks.
pub fn cpu_seconds(id: u32) -> f64 {
    let mut nanoseconds = 0u64;
    for task in fs::read_dir(format!("/proc/{id}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let stat = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        nanoseconds += stat
            .split(' ')
            .next()
            .and_then(|n| n.parse::<u64>().ok())
            .unwrap_or(0);
    }
    // The ticks include threads that have ended, and are coarse.
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|n| n.parse::<u64>().ok())
        .sum();
    (nanoseconds as f64 / 1e9).max(ticks as f64 / 100.0 - 0.02)
}

/// A folder for data, beside the build: `/tmp` may be memory, where fsync costs nothing.
pub fn new_folder() -> Result<Rc<TempDir>> {
    let exe = std::env::current_exe()?;
    let beside = exe.parent().context("a folder")?;
    Ok(Rc::new(
        tempfile::Builder::new()
            .prefix("bench-data-")
            .tempdir_in(beside)?,
    ))
}

/// The server: `THEXR_BIN`, or what was built beside this program.
fn server_program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("THEXR_BIN") {
        return Ok(path.into());
    }
    let path = std::env::current_exe()?.with_file_name("thexr");
    if !path.exists() {
        bail!("{} is missing: build it or set THEXR_BIN", path.display());
    }
    Ok(path)
}

/// A command that runs on the server's core alone.
fn pinned(program: &Path) -> Command {
    if !can_pin() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", &SERVER_CORE.to_string()]).arg(program);
    command
}

/// True when there is a core for each side and a way to give it out.
pub fn can_pin() -> bool {
    fs::read_to_string("/proc/stat").is_ok_and(|stat| stat.contains(&format!("\ncpu{LOAD_CORE} ")))
        && Command::new("taskset")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
}

/// Puts this process on the generator's core; children inherit it until they are put elsewhere.
pub fn pin_self() {
    if can_pin() {
        let id = std::process::id().to_string();
        let _ = Command::new("taskset")
            .args(["-cp", &LOAD_CORE.to_string(), &id])
            .stdout(Stdio::null())
            .status();
    }
}
