//! `coldload`: the server has just started; how long until somebody, and until the last of a crowd, has the space.

use crate::process::{NO_COMPACTION, Process};
use crate::report::Row;
use crate::space::{self, Content, SPACE};
use crate::ws::Socket;
use crate::{Run, parse};
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::time::Instant;
use thexr_schema::frame::{Message, Messages};
use thexr_schema::scan::scan_update;
use tokio::task::JoinSet;

/// Cases: how many entities.
pub async fn run(run: &Run, case: &str) -> Result<Vec<Row>> {
    let entities = parse(case, space::count(case))?;
    let crowd = if run.smoke { 5 } else { 50 };
    let mut server = Process::server(NO_COMPACTION)?;
    let seeded = space::seed(&server, Content::Entities(entities)).await?;
    let mut rows = Vec::new();
    for snapshot in [false, true] {
        if snapshot {
            space::compact(&server).await?;
        }
        server = Process::server_in(server.kill()?, NO_COMPACTION)?;
        let (from, cpu) = (Instant::now(), server.cpu_seconds());
        let mut socket = Socket::connect(server.addr, SPACE).await?;
        let message_bytes = socket.sync(&[0]).await?;
        let one_ms = from.elapsed().as_secs_f64() * 1e3;
        let one_cpu_ms = (server.cpu_seconds() - cpu) * 1e3;
        check(server.addr, u64::from(seeded.author.clock())).await?;

        server = Process::server_in(server.kill()?, NO_COMPACTION)?;
        let cpu = server.cpu_seconds();
        let last_ms = last_of(server.addr, crowd).await?;
        let crowd_cpu_ms = (server.cpu_seconds() - cpu) * 1e3;
        rows.push(
            Row::new("coldload", case)
                .text("stored_as", if snapshot { "snapshot" } else { "log" })
                .number("synced_one_client_ms", one_ms)
                .number("synced_last_of_crowd_ms", last_ms)
                .number("server_cpu_one_client_ms", one_cpu_ms)
                .number("server_cpu_crowd_ms", crowd_cpu_ms)
                .number("crowd_clients", crowd as f64)
                .number("message_kB", message_bytes as f64 / 1e3)
                .number("log_rows", if snapshot { 0.0 } else { seeded.updates as f64 })
                .number("server_rss_MB", server.resident_bytes() / 1e6),
        );
    }
    Ok(rows)
}

/// Fails unless a newcomer gets every clock that was written: half a document would be fast.
async fn check(addr: SocketAddr, clocks: u64) -> Result<()> {
    let mut socket = Socket::keeping(addr, SPACE, usize::MAX).await?;
    socket.send(&thexr_schema::frame::sync_step1(&[0])).await?;
    let found = socket
        .wait("the whole document", |frame| {
            match Messages::new(frame.head).next() {
                Some(Ok(Message::SyncStep2(update))) => Some(scan_update(update)),
                _ => None,
            }
        })
        .await?
        .context("the server's own document")?;
    let held: u64 = found.clients.iter().map(|range| u64::from(range.end)).sum();
    ensure!(
        held == clocks,
        "{clocks} clocks were written and {held} came back"
    );
    Ok(())
}

/// Everybody connects at once; gives when the last one is synced, ms.
async fn last_of(addr: SocketAddr, crowd: usize) -> Result<f64> {
    let from = Instant::now();
    let mut joining = JoinSet::new();
    for _ in 0..crowd {
        joining.spawn_local(async move {
            let mut socket = Socket::connect(addr, SPACE).await?;
            socket.sync(&[0]).await?;
            anyhow::Ok(socket)
        });
    }
    let mut sockets = Vec::new();
    while let Some(joined) = joining.join_next().await {
        sockets.push(joined??);
    }
    Ok(from.elapsed().as_secs_f64() * 1e3)
}
