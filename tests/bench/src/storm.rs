//! `storm`: everybody comes back at once, each with a state vector of what it has already.

use crate::histogram::Histogram;
use crate::load::now_us;
use crate::process::{self, NO_COMPACTION, Process};
use crate::report::Row;
use crate::space::{self, Content, SPACE};
use crate::ws::Socket;
use crate::{Run, bad_case};
use anyhow::{Context, Result};
use tokio::task::JoinSet;

/// Clocks of one entity (`Author::entity`).
const CLOCKS_PER_ENTITY: u32 = 3;

/// Cases: `same` (all lack the last 10 entities), `distinct` (each lacks one more than the one before), `restart`
/// (as `same`, and the server has just been killed and started).
pub async fn run(run: &Run, case: &str) -> Result<Vec<Row>> {
    let (people, entities) = if run.smoke { (10, 100) } else { (200, 10_000) };
    let server = Process::server(NO_COMPACTION)?;
    let seeded = space::seed(&server, Content::Entities(entities)).await?;
    space::compact(&server).await?;
    let (server, _stays) = match case {
        "same" | "distinct" => (server, Some(seeded.socket)),
        "restart" => (Process::server_in(server.kill()?, NO_COMPACTION)?, None),
        _ => return Err(bad_case(case)),
    };
    let addr = server.addr;
    let own = || process::cpu_seconds(std::process::id());
    let (cpu, own_cpu) = (server.cpu_seconds(), own());
    let from = now_us();
    let mut coming = JoinSet::new();
    for n in 0..people {
        let lacks = if case == "distinct" { 10 + n } else { 10 };
        let state_vector = seeded.author.state_vector(lacks * CLOCKS_PER_ENTITY);
        coming.spawn_local(async move {
            let mut socket = Socket::connect(addr, SPACE).await?;
            let bytes = socket.sync(&state_vector).await?;
            anyhow::Ok((now_us() - from, bytes, socket))
        });
    }
    let mut waited = Histogram::default();
    let (mut bytes, mut sockets) = (0, Vec::new());
    while let Some(came) = coming.join_next().await {
        let (took, answer, socket) = came.context("a client")??;
        waited.add(took);
        bytes += answer;
        sockets.push(socket);
    }
    Ok(vec![
        Row::new("storm", case)
            .number("synced_last_ms", waited.max_ms())
            .number("synced_p50_ms", waited.percentile_ms(50.0))
            .number("clients", f64::from(people))
            .number("entities", entities as f64)
            .number("server_cpu_ms", (server.cpu_seconds() - cpu) * 1e3)
            .number("generator_cpu_ms", (own() - own_cpu) * 1e3)
            .number("answer_bytes_each", bytes as f64 / f64::from(people)),
    ])
}
