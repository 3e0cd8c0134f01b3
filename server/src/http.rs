//! HTTP: the routes and the layers around them. A handler parses, calls one method, shapes the reply; no SQL and no
//! document knowledge live here.

mod health;
pub mod problem;
mod sync;

use crate::App;
use axum::Router;
use axum::routing::get;

/// All routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/sync/{space}", get(sync::upgrade))
        .with_state(app)
}
