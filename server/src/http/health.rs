//! Is it alive, is it ready, how is it: for probes and Prometheus.
#![expect(
    clippy::disallowed_types,
    reason = "probes wait for one look: its lock is held across it, and by nobody else"
)]

use super::Peer;
use super::auth::Admin;
use super::problem::{Code, Problem};
use crate::{App, limits};
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The last look at the database. Locked while looking, so that a crowd of probes is one look.
#[derive(Clone, Default)]
pub struct Probe(Arc<Mutex<Option<Look>>>);

struct Look {
    at: Instant,
    problem: Option<Problem>,
}

/// Alive: the process answers.
pub async fn live() -> &'static str {
    "ok\n"
}

/// Ready: the database takes a write, the disk has room and the server is not stopping.
pub async fn ready(
    State(app): State<App>,
    Extension(Probe(probe)): Extension<Probe>,
) -> Result<&'static str, Problem> {
    if app.stop.is_cancelled() {
        return Err(Problem::new(Code::Stopping, "The server is stopping."));
    }
    let mut last = probe.lock().await;
    let problem = match &*last {
        Some(look) if look.at.elapsed() < limits::READY_CACHE => look.problem.clone(),
        _ => {
            let problem = look(&app).await;
            *last = Some(Look {
                at: Instant::now(),
                problem: problem.clone(),
            });
            problem
        }
    };
    problem.map_or(Ok("ok\n"), Err)
}

async fn look(app: &App) -> Option<Problem> {
    if let Err(error) = app.spaces.store().writable().await {
        return Some(not_ready(error.into()));
    }
    let path = app.config.data.join("thexr.probe");
    let wrote = tokio::task::spawn_blocking(move || write_and_remove(&path)).await;
    match wrote {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(Problem {
            cause: Some(error.to_string()),
            ..Problem::new(
                Code::Storage,
                "The data folder takes no writes; the disk may be full.",
            )
        }),
        Err(_) => Some(Problem::new(Code::Internal, "The probe failed.")),
    }
}

/// A probe asks about this node, and 503 is how a node says "not me, not now".
fn not_ready(problem: Problem) -> Problem {
    Problem {
        code: Code::Storage,
        ..problem
    }
}

/// The database's own probe writes nothing, so that it costs no fsync; a full disk shows only here.
fn write_and_remove(path: &PathBuf) -> io::Result<()> {
    let wrote = std::fs::write(path, vec![0; limits::READY_PROBE_BYTES]);
    let removed = std::fs::remove_file(path);
    wrote.and(removed)
}

/// All metrics as text, for this machine and for who has the admin token.
pub async fn metrics(
    State(app): State<App>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    // Behind a proxy on this machine every peer is local, so a forwarded request is not.
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip"]
        .iter()
        .any(|name| headers.contains_key(*name));
    let local =
        !forwarded && peer.is_some_and(|Extension(Peer(peer))| peer.ip().to_canonical().is_loopback());
    if !local {
        Admin::check(&app.config, &headers)?;
    }
    Ok(([(header::CONTENT_TYPE, OPENMETRICS)], app.metrics.text()).into_response())
}
