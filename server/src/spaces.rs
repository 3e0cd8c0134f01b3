//! The registry: which spaces run here. Starts a space when it is asked for, forgets it when it ends, and refuses
//! one that keeps falling over. Knows nothing of HTTP or sockets.

use crate::clock::now_ms;
use crate::limits;
use crate::space::{Actor, Exit, Join, SpaceHandle, Trouble, actor::Context, compactor, retention};
use crate::store::{SpaceRow, StoreError};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thexr_schema::close;
use thexr_schema::ids::SpaceId;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// The running spaces; cheap to clone.
#[derive(Clone)]
pub struct Spaces(Arc<Inner>);

struct Inner {
    context: Context,
    tracker: TaskTracker,
    running: Mutex<HashMap<SpaceId, Entry>>,
    generations: AtomicU64,
}

#[derive(Default)]
struct Entry {
    /// Tells a late end of an old actor from that of the one running now.
    generation: u64,
    handle: Option<SpaceHandle>,
    budget: Budget,
    damage: Option<Damage>,
}

/// What was found wrong with a space's rows. Looking again reads them all, so that is not done at every request.
struct Damage {
    what: String,
    refused_until: Instant,
}

/// How often a space may fall over before it is left alone for a while.
#[derive(Default)]
struct Budget {
    crashes: Vec<Instant>,
    refused_until: Option<Instant>,
    refusals: u32,
}

impl Budget {
    fn crashed(&mut self, now: Instant) {
        self.crashes
            .retain(|at| now.duration_since(*at) < limits::RESTART_WINDOW);
        self.crashes.push(now);
        if self.crashes.len() >= limits::RESTARTS_MAX {
            let delay = limits::RESTART_REFUSAL * 2u32.saturating_pow(self.refusals.min(5));
            self.refused_until = Some(now + delay.min(limits::RESTART_REFUSAL_MAX));
            self.refusals += 1;
            self.crashes.clear();
        }
    }

    fn refuses(&self, now: Instant) -> bool {
        self.refused_until.is_some_and(|until| now < until)
    }
}

impl Spaces {
    /// An empty registry; its actors run on `tracker`.
    pub fn new(context: Context, tracker: TaskTracker) -> Self {
        let running = Mutex::new(HashMap::new());
        Self(Arc::new(Inner {
            context,
            tracker,
            running,
            generations: AtomicU64::new(0),
        }))
    }

    fn running(&self) -> MutexGuard<'_, HashMap<SpaceId, Entry>> {
        // A panic between two map operations leaves the map whole.
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database, for what concerns rows and not a running space.
    pub fn store(&self) -> &crate::store::Store {
        &self.0.context.store
    }

    /// The space if it is in memory.
    pub fn loaded(&self, id: &SpaceId) -> Option<SpaceHandle> {
        self.running()
            .get(id)
            .and_then(|entry| entry.handle.clone())
            .filter(|handle| !handle.is_closed())
    }

    /// The space, started if it sleeps. `Gone` when it does not exist.
    pub async fn get(&self, id: &SpaceId) -> Result<SpaceHandle, Trouble> {
        if let Some(handle) = self.loaded(id) {
            return Ok(handle);
        }
        let row = self.store().space(id).await?.ok_or(Trouble::Gone)?;
        self.start(row)
    }

    /// The same for a client that may bring a space into being; a deleted one stays gone until it is created again.
    pub async fn get_or_create(&self, id: &SpaceId) -> Result<SpaceHandle, Trouble> {
        match self.get(id).await {
            Err(Trouble::Gone) => {}
            other => return other,
        }
        if self.store().was_deleted(id).await? {
            return Err(Trouble::Gone);
        }
        let row = match self.store().create(id, id.as_ref()).await {
            Ok(row) => row,
            // Two first clients at once: the other one made it.
            Err(StoreError::Exists) => self.store().space(id).await?.ok_or(Trouble::Gone)?,
            Err(error) => return Err(error.into()),
        };
        self.start(row)
    }

    /// Joins a connection, starting or creating the space; tries again when the space ends just then.
    pub async fn join(&self, id: &SpaceId, join: &Join) -> Result<SpaceHandle, Trouble> {
        let mut last = Trouble::Restarting;
        for _ in 0..3 {
            let handle = self.get_or_create(id).await?;
            match handle.join(join.clone()).await {
                Ok(()) => return Ok(handle),
                Err(Trouble::Restarting) => last = Trouble::Restarting,
                Err(other) => return Err(other),
            }
        }
        Err(last)
    }

    /// After a start: whoever was in a space is owed a grace and, if need be, a leave, also where nobody comes.
    pub async fn wake_those_with_members(&self) {
        match self.store().spaces_with_members().await {
            Ok(rows) => rows.into_iter().for_each(|row| {
                if let Err(trouble) = self.start(row) {
                    tracing::warn!(%trouble, "a space with members cannot be opened");
                }
            }),
            Err(error) => tracing::error!(%error, "who was in the spaces is not known"),
        }
    }

    /// Prunes all spaces every while, so that those in which nothing happens do not outlive what they are told to keep. None
    /// is woken for it: what goes is rows. What is too old and not sealed is sealed first.
    pub async fn prune_from_time_to_time(&self) {
        loop {
            tokio::select! { biased;
                () = self.0.context.stop.cancelled() => return,
                () = tokio::time::sleep(limits::RETENTION_SWEEP) => self.prune().await,
            }
        }
    }

    /// One round of that.
    pub async fn prune(&self) {
        let mut after: Option<SpaceId> = None;
        loop {
            let from = after.as_ref().map(AsRef::as_ref);
            let page = self
                .store()
                .list(from, limits::RETENTION_SWEEP_SPACES, None)
                .await;
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    return tracing::error!(%error, "which spaces have a past to prune is not known");
                }
            };
            let Some(last) = page.last() else { return };
            after = Some(last.slug.clone());
            for row in page {
                if self.0.context.stop.is_cancelled() {
                    return;
                }
                match self.prune_one(&row).await {
                    Ok(true) => tracing::info!(space.id = %row.slug, "its history begins later now"),
                    Ok(false) | Err(Trouble::Gone | Trouble::AlreadyCompacting | Trouble::Restarting) => {}
                    Err(trouble) => tracing::error!(space.id = %row.slug, %trouble, "pruning failed"),
                }
            }
        }
    }

    async fn prune_one(&self, row: &SpaceRow) -> Result<bool, Trouble> {
        let (store, history) = (self.store(), self.0.context.history);
        let overdue = retention::overdue(store, row.key, history, now_ms()).await?;
        // Either may build a document.
        let turn = self.0.context.compacting.acquire().await;
        if overdue && let Some(space) = self.loaded(&row.slug) {
            // It counts its events itself, takes a turn of its own, and prunes when it is done.
            drop(turn);
            return space.compact(false).await.map(|_| false);
        }
        if overdue {
            compactor::seal(store, row.key).await?;
        }
        retention::run(store, row.key, history, now_ms()).await
    }

    /// Deletes a space: its sockets are closed for good, then its rows go.
    pub async fn delete(&self, id: &SpaceId) -> Result<(), Trouble> {
        let row = self.store().space(id).await?.ok_or(Trouble::Gone)?;
        if let Some(entry) = self.running().get_mut(id) {
            self.forget_damage(entry);
        }
        // Rows first: an actor that restarts in between finds no space, and one that still saves is told so.
        self.store().delete(row.key).await?;
        if let Some(handle) = self.loaded(id) {
            handle.stop(close::NO_SPACE).await;
        }
        Ok(())
    }

    /// Starts the space unless it runs; insert and spawn happen under one lock, so two first joiners share one.
    fn start(&self, row: SpaceRow) -> Result<SpaceHandle, Trouble> {
        let id = row.slug.clone();
        let mut running = self.running();
        let entry = running.entry(id.clone()).or_default();
        if let Some(handle) = entry.handle.as_ref().filter(|handle| !handle.is_closed()) {
            return Ok(handle.clone());
        }
        let damage = entry.damage.as_ref();
        if let Some(damage) = damage.filter(|damage| Instant::now() < damage.refused_until) {
            return Err(Trouble::Damaged(damage.what.clone()));
        }
        if entry.budget.refuses(Instant::now()) {
            self.0.context.metrics.limit("restarts");
            return Err(Trouble::Busy);
        }
        self.forget_damage(entry);
        let generation = self.0.generations.fetch_add(1, Ordering::Relaxed) + 1;
        entry.generation = generation;
        let retire = {
            let (registry, id) = (Arc::downgrade(&self.0), id.clone());
            Box::new(move || {
                registry
                    .upgrade()
                    .is_none_or(|inner| Spaces(inner).retire(&id, generation))
            })
        };
        let (handle, life) = Actor::start(self.0.context.clone(), row, retire);
        entry.handle = Some(handle.clone());
        let registry = Arc::downgrade(&self.0);
        let metrics = self.0.context.metrics.clone();
        metrics.spaces_loaded.inc();
        self.0.tracker.spawn(async move {
            let end = futures_util::FutureExt::catch_unwind(AssertUnwindSafe(life)).await;
            let exit = end.unwrap_or_else(|_| {
                metrics.engine_panics.inc();
                Exit::Broken(None, "the space panicked".into())
            });
            metrics.spaces_loaded.dec();
            if let Some(inner) = registry.upgrade() {
                let spaces = Spaces(inner);
                spaces.ended(&id, generation, &exit);
                let fell = match &exit {
                    Exit::Storage(trouble) => !matches!(trouble, Trouble::Gone | Trouble::Damaged(_)),
                    Exit::Broken(..) => true,
                    Exit::Stopped | Exit::Idle => false,
                };
                if fell {
                    spaces.revive(&id).await;
                }
            }
        });
        Ok(handle)
    }

    /// Starts a space again that fell over while somebody was in it: its members are owed a grace and, if need be, a
    /// leave, also where nobody comes back. Ends when it runs, has no members, or the server stops.
    async fn revive(&self, id: &SpaceId) {
        let mut wait = limits::RESTART_REFUSAL;
        loop {
            tokio::select! { biased;
                () = self.0.context.stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            if self.loaded(id).is_some() {
                return;
            }
            let members = match self.store().space(id).await {
                Ok(Some(row)) => self.store().members(row.key).await.map(|members| (row, members)),
                Ok(None) => return,
                Err(error) => Err(error),
            };
            match members {
                Ok((_, members)) if members.is_empty() => return,
                Ok((row, _)) if self.start(row.clone()).is_ok() => return,
                _ => wait = (wait * 2).min(limits::RESTART_REFUSAL_MAX),
            }
        }
    }

    /// Lets an idle actor go: only if it is still the one that runs. Nobody can get its handle afterwards; who has
    /// one is told `Restarting` and asks again.
    fn retire(&self, id: &SpaceId, generation: u64) -> bool {
        let mut running = self.running();
        let ours = running
            .get(id)
            .is_some_and(|entry| entry.generation == generation);
        if ours {
            running.remove(id);
        }
        ours
    }

    /// It is looked at again, or gone.
    fn forget_damage(&self, entry: &mut Entry) {
        if entry.damage.take().is_some() {
            self.0.context.metrics.quarantined_spaces.dec();
        }
    }

    fn ended(&self, id: &SpaceId, generation: u64, exit: &Exit) {
        let mut running = self.running();
        let Some(entry) = running.get_mut(id).filter(|entry| entry.generation == generation) else {
            return;
        };
        entry.handle = None;
        match exit {
            // The entry stays: it remembers what was found.
            Exit::Storage(Trouble::Damaged(what)) => {
                self.0.context.metrics.quarantined_spaces.inc();
                entry.damage = Some(Damage {
                    what: what.clone(),
                    refused_until: Instant::now() + limits::DAMAGED_REFUSAL,
                });
            }
            Exit::Stopped | Exit::Idle | Exit::Storage(_) => {
                running.remove(id);
            }
            // This one too: it remembers how often this happened.
            Exit::Broken(..) => entry.budget.crashed(Instant::now()),
        }
    }

    /// How many spaces are in memory.
    pub fn len(&self) -> usize {
        self.running()
            .values()
            .filter(|entry| entry.handle.is_some())
            .count()
    }

    /// True when none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_space_that_keeps_crashing_is_left_alone_for_longer_and_longer() {
        let mut budget = Budget::default();
        let mut now = Instant::now();
        let mut last = Duration::ZERO;
        for _ in 0..3 {
            for _ in 0..limits::RESTARTS_MAX {
                assert!(!budget.refuses(now));
                budget.crashed(now);
            }
            let until = budget.refused_until.expect("refused");
            assert!(budget.refuses(now) && until - now > last);
            last = until - now;
            now = until;
        }
    }

    #[test]
    fn crashes_far_apart_do_not_add_up() {
        let mut budget = Budget::default();
        let start = Instant::now();
        for i in 0..10 {
            budget.crashed(start + limits::RESTART_WINDOW * i);
            assert!(!budget.refuses(start + limits::RESTART_WINDOW * i));
        }
    }
}
