//! Is it alive, is it ready, how is it: for probes and Prometheus.

use super::problem::Problem;
use crate::App;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

/// Alive: the process answers.
pub async fn live() -> &'static str {
    "ok\n"
}

/// Ready: the database takes a write and the server is not stopping.
pub async fn ready(State(app): State<App>) -> Result<&'static str, Problem> {
    if app.stop.is_cancelled() {
        return Err(Problem::unavailable("stopping", "The server is stopping."));
    }
    app.spaces
        .store()
        .writable()
        .await
        .map_err(|error| Problem::from(crate::space::Trouble::from(error)))?;
    Ok("ok\n")
}

/// All metrics as text.
pub async fn metrics(State(app): State<App>) -> Response {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, OPENMETRICS)], app.metrics.text()).into_response()
}
