//! `memory`: resident memory of the server per idle connection, per entity and per stroke.

use crate::process::{NO_COMPACTION, Process};
use crate::report::Row;
use crate::space::{self, Content, SPACE};
use crate::ws::Socket;
use crate::{Run, bad_case};
use anyhow::Result;
use std::time::Duration;

/// Cases: `connections`, `documents`.
pub async fn run(run: &Run, case: &str) -> Result<Vec<Row>> {
    match case {
        "connections" => connections(run).await,
        "documents" => documents(run).await,
        _ => Err(bad_case(case)),
    }
}

async fn connections(run: &Run) -> Result<Vec<Row>> {
    let (people, many) = if run.smoke { (20, 5) } else { (1_000, 100) };
    let relay = idle(&Process::relay()?, people, 1, false).await?;
    let mut rows = Vec::new();
    for (program, spaces) in [("thexr", 1), ("thexr", many), ("relay", 1)] {
        let (bytes, resident) = match program {
            "relay" => relay,
            _ => idle(&Process::server(NO_COMPACTION)?, people, spaces, true).await?,
        };
        rows.push(
            Row::new("memory", "connections")
                .text("server", program)
                .number("kB_per_connection", bytes / 1e3)
                .number("ratio_to_relay", bytes / relay.0)
                .number("connections", people as f64)
                .number("spaces", spaces as f64)
                .number("server_rss_MB", resident / 1e6),
        );
    }
    Ok(rows)
}

/// Lets people in, over so many spaces, and lets them rest. Gives bytes per connection and the whole.
async fn idle(program: &Process, people: usize, spaces: usize, syncs: bool) -> Result<(f64, f64)> {
    let mut sockets = Vec::new();
    // The first few touch code and pools for the first time; that is not what a connection costs.
    let warm = people / 50 + 2;
    let mut before = 0.0;
    for n in 0..people + warm {
        if n == warm {
            settle().await;
            before = program.resident_bytes();
        }
        let name = if n < warm {
            "warm".into()
        } else {
            format!("space-{}", n % spaces)
        };
        let mut socket = Socket::connect(program.addr, &name).await?;
        if syncs {
            socket.sync(&[0]).await?;
        }
        sockets.push(socket);
    }
    settle().await;
    let after = program.resident_bytes();
    Ok(((after - before) / people as f64, after))
}

async fn documents(run: &Run) -> Result<Vec<Row>> {
    let sizes = if run.smoke { [100, 200] } else { [10_000, 50_000] };
    let mut rows = Vec::new();
    for (what, content) in [
        ("entity", Content::Entities as fn(usize) -> Content),
        ("stroke", Content::Strokes as fn(usize) -> Content),
    ] {
        for size in sizes {
            let server = Process::server(NO_COMPACTION)?;
            let seeded = space::seed(&server, content(size)).await?;
            space::compact(&server).await?;
            // Opened from its snapshot, so that nothing of the writing is counted.
            let server = Process::server_in(server.kill()?, NO_COMPACTION)?;
            let mut warm = Socket::connect(server.addr, "warm").await?;
            warm.sync(&[0]).await?;
            settle().await;
            let before = server.resident_bytes();
            let mut socket = Socket::connect(server.addr, SPACE).await?;
            // It has everything, so the answer needs the document and holds nothing.
            socket.sync(&seeded.author.state_vector(0)).await?;
            settle().await;
            let bytes = server.resident_bytes() - before;
            rows.push(
                Row::new("memory", "documents")
                    .text("of", what)
                    .number("rss_bytes_each", bytes / size as f64)
                    .number("count", size as f64)
                    .number("written_bytes_each", seeded.bytes as f64 / size as f64)
                    .number("server_rss_MB", server.resident_bytes() / 1e6),
            );
        }
    }
    Ok(rows)
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(400)).await;
}
