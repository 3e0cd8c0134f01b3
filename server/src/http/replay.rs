//! `GET /replay/{space}`: from a request to the WebSocket of a replay.

use super::input::{InSpace, Query};
use super::problem::{Code, Problem};
use super::timestamp::moment;
use super::upgrade::upgrade;
use crate::App;
use crate::socket;
use crate::space::Trouble;
use crate::space::replay::Start;
use axum::extract::{Request, State};
use axum::response::Response;
use serde::Deserialize;
use thexr_schema::replay::{SPEED_MAX, SPEED_MIN, SUBPROTOCOL, Target};

/// Where a replay begins and how.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    from: Option<u64>,
    at: Option<String>,
    speed: Option<f64>,
    paused: Option<String>,
}

impl Which {
    fn target(&self) -> Result<Target, Problem> {
        match (self.from, &self.at) {
            (Some(_), Some(_)) => Err(Problem::new(Code::BadQuery, "from or at, not both.")),
            (None, Some(at)) => Ok(Target::Time(moment("at", at)?.max(0).cast_unsigned())),
            (from, None) => Ok(Target::Seq(from.unwrap_or(0))),
        }
    }
}

/// Checks the request and hands the connection on. The space need not run, and is not made.
pub async fn connect(
    State(app): State<App>,
    InSpace(id): InSpace,
    Query(which): Query<Which>,
    request: Request,
) -> Result<Response, Problem> {
    let at = which.target()?;
    let speed = which.speed.unwrap_or(1.0);
    if !(SPEED_MIN..=SPEED_MAX).contains(&speed) {
        let what = format!("speed is {SPEED_MIN} to {SPEED_MAX}.");
        return Err(Problem::new(Code::BadQuery, what));
    }
    let paused = match which.paused.as_deref() {
        None | Some("0" | "false") => false,
        Some("" | "1" | "true") => true,
        Some(_) => return Err(Problem::new(Code::BadQuery, "paused is 1 or 0.")),
    };
    let store = app.spaces.store().clone();
    let found = store.space(&id).await.map_err(Trouble::from);
    let row = found.and_then(|row| row.ok_or(Trouble::Gone));
    let there = row.as_ref().map(drop).map_err(Clone::clone);
    let serve = move |app: App, stream, early| async move {
        if let Ok(row) = row {
            let start = Start {
                store,
                row,
                at,
                speed,
                paused,
            };
            socket::replay::run(app, start, stream, early).await;
        }
    };
    Ok(upgrade(app, request, SUBPROTOCOL, async { there }, serve).await)
}
