//! Webhooks: tells endpoints what happens, signed, in order and at least once. Reads the log of each space behind a place
//! that is durable, so an endpoint that is down costs no memory and misses nothing. Must not know who is connected.

mod attempt;
mod batch;
mod breaker;
mod hook;
mod lines;
pub mod post;
mod sign;

use crate::config::{Secret, WebhookConfig};
use crate::limits;
use crate::metrics::Metrics;
use crate::store::{Store, WebhookRow};
use hook::Hook;
use post::{Parcel, Poster};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use thexr_schema::webhook::{Ping, Pinged};
use tokio::sync::{Notify, Semaphore};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// What all webhooks share.
struct Office {
    store: Store,
    metrics: Arc<Metrics>,
    config: WebhookConfig,
    /// Deliveries under way.
    turns: Semaphore,
    /// The rows of webhooks or dead letters are others than before.
    changed: Notify,
    /// By id; those that are paused or deleted until they have ended.
    running: Mutex<HashMap<String, Running>>,
    /// Made when it is needed: most servers have no webhooks.
    poster: OnceLock<Poster>,
}

impl Office {
    fn poster(&self) -> &Poster {
        self.poster.get_or_init(|| Poster::new(self.config.answer))
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        // A panic while it was held leaves hooks that run.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn count_dead(&self) {
        if let Ok(count) = self.store.dead_count().await {
            self.metrics.webhook_dead.set(count);
        }
    }
}

/// The webhooks of the server; cheap to clone.
#[derive(Clone)]
pub struct Webhooks(Arc<Office>);

/// A webhook that runs, from outside.
struct Running {
    task: Id,
    stop: CancellationToken,
    hurry: Arc<Notify>,
}

impl Webhooks {
    /// Nothing is sent before [`Webhooks::run`].
    pub fn new(store: Store, metrics: Arc<Metrics>, config: WebhookConfig) -> Self {
        Self(Arc::new(Office {
            store,
            metrics,
            config,
            turns: Semaphore::new(limits::WEBHOOK_DELIVERIES_MAX),
            changed: Notify::new(),
            running: Mutex::default(),
            poster: OnceLock::new(),
        }))
    }

    /// Somebody made, paused or deleted a webhook: those that run go on as before.
    pub fn changed(&self) {
        self.0.changed.notify_one();
    }

    /// Somebody set this one active, or wants its dead letters to be tried: it waits for nothing any longer. Others do, for
    /// what everybody may do must not be what calls an endpoint that does not answer.
    pub fn hurry(&self, id: &str) {
        if let Some(hook) = self.0.running().get(id) {
            hook.hurry.notify_one();
        }
        self.changed();
    }

    /// Runs every webhook that is not paused until `stop`; returns when all of them have ended.
    pub async fn run(self, stop: CancellationToken) {
        let mut hooks: JoinSet<()> = JoinSet::new();
        while !stop.is_cancelled() {
            let read = self.0.store.webhooks().await;
            let known = read.is_ok();
            match read {
                Ok(rows) => self.match_to(rows, &mut hooks, &stop),
                Err(error) => tracing::warn!(%error, "cannot read the webhooks"),
            }
            self.0.count_dead().await;
            tokio::select! { biased;
                () = stop.cancelled() => {}
                Some(ended) = hooks.join_next_with_id() => {
                    let (task, bug) = match ended {
                        Ok((task, ())) => (task, false),
                        Err(bug) => (bug.id(), true),
                    };
                    self.0.running().retain(|_, hook| hook.task != task);
                    if bug {
                        // It was logged where it happened; what does it again must not do so all the time.
                        tokio::time::sleep(limits::WEBHOOK_STORE_PAUSE).await;
                    }
                }
                () = self.0.changed.notified() => {}
                () = tokio::time::sleep(limits::WEBHOOK_STORE_PAUSE), if !known => {}
            }
        }
        while hooks.join_next().await.is_some() {}
    }

    /// Starts and stops what runs, so that it is what the rows say.
    fn match_to(&self, rows: Vec<WebhookRow>, hooks: &mut JoinSet<()>, stop: &CancellationToken) {
        let active: HashMap<String, WebhookRow> = rows
            .into_iter()
            .filter(|row| !row.paused)
            .map(|row| (row.id.clone(), row))
            .collect();
        let mut running = self.0.running();
        for (id, hook) in &*running {
            if !active.contains_key(id) {
                // It leaves the map when it has ended: two of one webhook must not run.
                hook.stop.cancel();
            }
        }
        for (id, row) in active {
            if running.contains_key(&id) {
                continue;
            }
            let hook = Hook {
                office: self.0.clone(),
                row: Arc::new(row),
                stop: stop.child_token(),
                hurry: Arc::new(Notify::new()),
                breaker: Arc::default(),
            };
            let (stop, hurry) = (hook.stop.clone(), hook.hurry.clone());
            let task = hooks.spawn(hook.run()).id();
            running.insert(id, Running { task, stop, hurry });
        }
    }

    /// Sends a ping now.
    pub async fn ping(&self, row: &WebhookRow) -> Pinged {
        ping(self.0.poster(), Some(row.id.clone()), &row.url, &row.secret).await
    }
}

/// Sends one signed ping and says what came back.
pub async fn ping(poster: &Poster, webhook: Option<String>, url: &str, secret: &Secret) -> Pinged {
    let delivery = format!("{:032x}", rand::random::<u128>());
    let body = Ping {
        webhook,
        delivery: delivery.clone(),
        ping: true,
    };
    let started = std::time::Instant::now();
    let parcel = Parcel {
        url,
        secret,
        delivery: &delivery,
        attempt: 1,
        body: serde_json::to_vec(&body).expect("strings are JSON").into(),
    };
    let answered = poster.send(parcel).await;
    Pinged {
        taken: answered.as_ref().is_ok_and(post::Answer::is_taken),
        status: answered.as_ref().ok().map(|answer| answer.status),
        error: answered.err().map(|error| error.to_string()),
        took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        delivery,
    }
}
