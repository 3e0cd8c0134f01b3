//! Thexr: shared 3D spaces that several people edit at once, keep editing offline, and can play back later.
//!
//! The way of a request: [`listen`] accepts, [`http`] routes, [`socket`] speaks WebSocket, [`spaces`] finds the
//! space, [`space`] is its actor, [`webhook`] tells others, [`journal`] shows what happened, [`store`] keeps its rows. Imports go down this list only; `config`, `limits`,
//! `metrics` and `wire` are leaves that all may use.

/// The engine that is built in; a test compares it with Cargo.toml.
macro_rules! yrs_version {
    () => {
        "0.28.1"
    };
}

pub mod cli;
mod clock;
pub mod config;
pub mod http;
pub mod journal;
pub mod limits;
pub mod listen;
pub mod metrics;
pub mod socket;
pub mod space;
pub mod spaces;
pub mod store;
pub mod webhook;
pub mod wire;

use config::Config;
use metrics::Metrics;
use spaces::Spaces;
use std::sync::Arc;
use store::{OpenError, Store};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use webhook::Webhooks;

/// What every request can reach; cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The settings.
    pub config: Arc<Config>,
    /// The running spaces, and through them the store.
    pub spaces: Spaces,
    /// Who is told what happens.
    pub webhooks: Webhooks,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Every task that must end before the process does.
    pub tracker: TaskTracker,
    /// Cancelled when the server stops.
    pub stop: CancellationToken,
}

/// Opens the database and puts the parts together. Nothing listens yet.
pub async fn open(config: Config, stop: CancellationToken) -> Result<(App, TaskTracker), OpenError> {
    let metrics = Arc::new(Metrics::default());
    // The writer outlives everything that may still have something to save, so it has a tracker of its own.
    let (tracker, writers) = (TaskTracker::new(), TaskTracker::new());
    let store = Store::open(&config.data, metrics.clone(), &writers).await?;
    let webhooks = Webhooks::new(store.clone(), metrics.clone(), config.webhook);
    let context = space::actor::Context {
        store,
        metrics: metrics.clone(),
        journal_changes: config.journal_changes,
        pose_track_hz: config.pose_track_hz,
        compaction: config.compaction.clone(),
        history: config.history,
        idle: config.idle,
        grace: config.grace,
        started_ms: clock::now_ms(),
        doc_bytes_max: config.doc_bytes_max,
        compacting: Arc::new(Semaphore::new(1)),
        stop: stop.clone(),
    };
    let spaces = Spaces::new(context, tracker.clone());
    Ok((
        App {
            config: Arc::new(config),
            spaces,
            webhooks,
            metrics,
            tracker,
            stop,
        },
        writers,
    ))
}

/// Serves on `listener` until `stop` is cancelled; returns when every commit is finished, every socket closed and
/// the database folded up.
pub async fn serve(config: Config, listener: TcpListener, stop: CancellationToken) -> Result<(), OpenError> {
    let (app, writers) = open(config, stop).await?;
    run(app, writers, listener).await;
    Ok(())
}

/// The second half of [`serve`], for callers that keep a part of the [`App`].
pub async fn run(app: App, writers: TaskTracker, listener: TcpListener) {
    let store = app.spaces.store().clone();
    let tracker = app.tracker.clone();
    let spaces = app.spaces.clone();
    tracker.spawn(async move { spaces.wake_those_with_members().await });
    let spaces = app.spaces.clone();
    tracker.spawn(async move { spaces.prune_from_time_to_time().await });
    let (webhooks, stop) = (app.webhooks.clone(), app.stop.clone());
    tracker.spawn(async move { webhooks.run(stop).await });
    listen::run(listener, app).await;
    tracker.close();
    tracker.wait().await;
    store.close().await;
    drop(store);
    writers.close();
}
