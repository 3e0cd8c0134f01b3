//! HTTP: the routes and the layers around them. A handler parses, calls one method, shapes the reply; no SQL and no
//! document knowledge live here.

mod activity;
mod admin;
mod attendance;
mod auth;
mod bundle;
mod document;
mod entity;
mod etag;
mod follow;
mod guard;
mod health;
mod input;
mod journal;
pub mod layers;
mod member;
mod openapi;
mod page;
mod past;
pub mod problem;
mod replay;
mod space;
#[cfg(test)]
mod tests;
mod timestamp;
mod upgrade;
mod webhook;

use crate::{App, limits};
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::{Method, StatusCode};
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Extension, Router, middleware};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

/// A request as hyper reads it.
pub type Incoming = axum::http::Request<hyper::body::Incoming>;

/// The other end of the connection a request came on: an extension of every request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// A connection's place among `connections_max`; free again when the last copy is dropped.
#[derive(Debug, Clone)]
pub struct Slot(pub Arc<OwnedSemaphorePermit>);

/// One line of the table that both the router and the test of `openapi.json` are made from.
type Route = (Method, &'static str, MethodRouter<App>);

fn route<H: Handler<T, App>, T: 'static>(method: Method, path: &'static str, handler: H) -> Route {
    let filter = MethodFilter::try_from(method.clone()).expect("a method that routes have");
    (method, path, on(filter, handler))
}

/// Everything but the page's files.
fn routes() -> Vec<Route> {
    let (get, put, post) = (|| Method::GET, || Method::PUT, || Method::POST);
    let (patch, delete) = (|| Method::PATCH, || Method::DELETE);
    const HOOKS: &str = "/api/v1/admin/webhooks";
    const HOOK: &str = "/api/v1/admin/webhooks/{webhook}";
    const SPACES: &str = "/api/v1/spaces";
    const SPACE: &str = "/api/v1/spaces/{space}";
    const ENTITIES: &str = "/api/v1/spaces/{space}/entities";
    const ENTITY: &str = "/api/v1/spaces/{space}/entities/{entity}";
    const COMPONENT: &str = "/api/v1/spaces/{space}/entities/{entity}/components/{component}";
    vec![
        route(get(), "/livez", health::live),
        route(get(), "/readyz", health::ready),
        route(get(), "/metrics", health::metrics),
        route(get(), "/openapi.json", openapi::serve),
        route(get(), "/sync/{space}", upgrade::sync),
        route(get(), "/presence/{space}", upgrade::presence),
        route(get(), "/replay/{space}", replay::connect),
        route(get(), SPACES, space::list),
        route(post(), SPACES, space::create),
        route(get(), SPACE, space::show),
        route(patch(), SPACE, space::rename),
        route(delete(), SPACE, space::delete),
        route(get(), "/api/v1/spaces/{space}/members", member::list),
        route(get(), "/api/v1/spaces/{space}/journal", journal::list),
        route(get(), "/api/v1/spaces/{space}/journal/follow", follow::follow),
        route(get(), "/api/v1/spaces/{space}/attendance", attendance::show),
        route(get(), "/api/v1/spaces/{space}/activity", activity::show),
        route(get(), "/api/v1/spaces/{space}/diff", past::show_diff),
        route(post(), "/api/v1/spaces/{space}/restore", past::restore),
        route(post(), "/api/v1/spaces/{space}/fork", past::fork),
        route(get(), ENTITIES, entity::list),
        route(post(), ENTITIES, entity::create),
        route(get(), ENTITY, entity::show),
        route(put(), ENTITY, entity::replace),
        route(delete(), ENTITY, entity::delete),
        route(
            get(),
            "/api/v1/spaces/{space}/entities/{entity}/strokes",
            entity::strokes,
        ),
        route(get(), COMPONENT, entity::component),
        route(put(), COMPONENT, entity::put_component),
        route(patch(), COMPONENT, entity::patch_component),
        route(delete(), COMPONENT, entity::delete_component),
        route(get(), "/api/v1/spaces/{space}/document", document::show),
        route(post(), "/api/v1/spaces/{space}/update", document::update),
        route(get(), "/api/v1/admin/spaces", admin::list),
        route(get(), "/api/v1/admin/spaces/{space}", admin::show),
        route(post(), "/api/v1/admin/spaces/{space}/compact", admin::compact),
        route(get(), "/api/v1/admin/spaces/{space}/bundle", bundle::show),
        route(patch(), "/api/v1/admin/spaces/{space}/retention", admin::keep),
        route(
            delete(),
            "/api/v1/admin/spaces/{space}/members/{member}",
            member::kick,
        ),
        route(get(), HOOKS, webhook::list),
        route(post(), HOOKS, webhook::create),
        route(get(), HOOK, webhook::show),
        route(patch(), HOOK, webhook::set),
        route(delete(), HOOK, webhook::delete),
        route(post(), "/api/v1/admin/webhooks/{webhook}/test", webhook::test),
        route(
            get(),
            "/api/v1/admin/webhooks/{webhook}/dead-letters",
            webhook::dead_letters,
        ),
        route(
            post(),
            "/api/v1/admin/webhooks/{webhook}/dead-letters/retry",
            webhook::retry,
        ),
    ]
}

/// All routes with all layers.
pub fn router(app: App) -> Router {
    let config = app.config.clone();
    let mut router = routes()
        .into_iter()
        .fold(Router::new(), |router, (_, path, handler)| {
            router.route(path, handler)
        })
        .fallback(page::serve)
        // Each layer below is outside of those above it.
        .layer(Extension(health::Probe::default()))
        .layer(Extension(follow::Followers::default()))
        .layer(Extension(bundle::Bundles::default()))
        .layer(DefaultBodyLimit::disable()) // `input` counts: it knows which limit, and says so.
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            limits::HTTP_TIMEOUT,
        ))
        .layer(CatchPanicLayer::custom(layers::panicked));
    if !config.origins.is_empty() {
        router = router.layer(guard::cors(&config));
    }
    router
        .layer(middleware::from_fn_with_state(config, guard::check))
        .layer(middleware::from_fn_with_state(
            app.metrics.clone(),
            layers::around,
        ))
        .with_state(app)
}
