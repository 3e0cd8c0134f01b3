//! The floor below a room: the bare relay reads as many poses and answers each with one frame of the same size,
//! and does nothing else. What the server costs above this is its own.

use super::driver::HZ;
use crate::Run;
use crate::load::now_us;
use crate::process::Process;
use crate::ws::{self, Socket, Target};
use anyhow::{Context, Result};
use std::time::Duration;
use tokio::task::JoinSet;

/// Bytes of a POSE message.
const POSE_BYTES: usize = 37;
/// It does not change over time: shorter than the measured window.
const WINDOW: Duration = Duration::from_secs(3);
const CONNECTING_MAX: usize = 32;

/// CPU of the relay in percent of one core, for so many clients and frames of this size.
pub async fn cpu_percent(run: &Run, clients: usize, frame_bytes: usize) -> Result<f64> {
    let relay = Process::relay()?;
    let path = format!("{}{frame_bytes}", crate::relay::ANSWER);
    let mut pose = Vec::new();
    ws::put_message(&mut pose, &[84; POSE_BYTES]);
    let mut readers = JoinSet::new();
    let mut streams = Vec::new();
    for some in (0..clients).collect::<Vec<_>>().chunks(CONNECTING_MAX) {
        for _ in some {
            let target = Target {
                path: &path,
                ..Target::default()
            };
            let mut socket = Socket::open(relay.addr, &target).await?;
            streams.push(socket.stream.clone());
            readers.spawn_local(async move {
                loop {
                    if let Err(error) = socket.read(|_| ()).await {
                        return error;
                    }
                }
            });
        }
    }
    let driver = async {
        let period = 1e6 / f64::from(HZ) / clients as f64;
        let start = now_us();
        let mut next = 0usize;
        loop {
            let due = start + next as f64 * period;
            let now = now_us();
            if due > now {
                tokio::time::sleep(Duration::from_micros((due - now).min(1e3) as u64)).await;
                continue;
            }
            // What the kernel does not take is not measured either.
            let _ = streams[next % clients].try_write(&pose);
            next += 1;
            if next.is_multiple_of(32) {
                tokio::task::yield_now().await;
            }
        }
    };
    let measure = async {
        tokio::time::sleep(run.warmup() / 2).await;
        let (cpu, from) = (relay.cpu_seconds(), now_us());
        tokio::time::sleep(run.window().min(WINDOW)).await;
        (relay.cpu_seconds() - cpu) / ((now_us() - from) / 1e6) * 100.0
    };
    tokio::select! {
        () = driver => anyhow::bail!("it has no end"),
        ended = readers.join_next() => Err(ended.context("a reader")??).context("the floor"),
        percent = measure => Ok(percent),
    }
}
