//! The loop of one webhook: which spaces moved, whose batch goes next, what came of it. What is durable is in the rows;
//! what is here can be lost at any time.

use super::Office;
use super::breaker::Breaker;
use super::lines::Lines;
use crate::limits;
use crate::store::{Moved, SpaceKey, WebhookRow};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use thexr_schema::ids::Seq;
use tokio::sync::Notify;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A webhook that runs.
#[derive(Clone)]
pub struct Hook {
    /// What all of them share.
    pub office: Arc<Office>,
    /// The webhook.
    pub row: Arc<WebhookRow>,
    /// Cancelled when it is paused or deleted, or the server stops.
    pub stop: CancellationToken,
    /// Somebody says that its endpoint is back: see [`super::Webhooks::hurry`].
    pub hurry: Arc<Notify>,
    /// Whether its endpoint answers.
    pub breaker: Arc<Breaker>,
}

/// What a task of a webhook looked after.
#[derive(Debug, Clone, Copy)]
enum Job {
    Space(SpaceKey),
    Dead,
}

/// What came of it.
pub(super) enum Outcome {
    /// All is told up to here; more may follow at once, or after a rest.
    Told { looked: Seq, rest: Option<Instant> },
    /// Not before then.
    Wait(Duration),
    /// There is no such space any more.
    SpaceGone,
    /// The endpoint wants no more: 410.
    Unwanted,
    /// A dead letter was tried.
    DeadTried,
    /// The next one cannot be tried just now.
    DeadLater,
    /// None is to be tried.
    NoDead,
    /// The server stops.
    Stopped,
}

impl Hook {
    /// Runs until it is stopped.
    pub async fn run(self) {
        let moves = self
            .office
            .store
            .moves(self.row.space.as_ref().map(|(key, _)| *key));
        let mut lines = Lines::new(self.office.metrics.clone());
        let mut jobs: JoinSet<Outcome> = JoinSet::new();
        let mut at_work: HashMap<Id, Job> = HashMap::new();
        // When to ask the rows who is behind, and for a dead letter that is due.
        let (mut ask_at, mut dead_at) = (Some(Instant::now()), Some(Instant::now()));
        loop {
            if ask_at.is_some_and(|at| at <= Instant::now()) && lines.has_room() {
                ask_at = self.ask(&mut lines).await;
            }
            // One moment for all that is decided, so that every wait that it begins has its timer.
            let now = Instant::now();
            let silent_until = self.breaker.next(now);
            while jobs.len() < self.breaker.most(now) {
                let Some((key, known)) = lines.take() else { break };
                let hook = self.clone();
                let job = jobs.spawn(async move { hook.next_batch(key, known).await });
                at_work.insert(job.id(), Job::Space(key));
            }
            // One after the other, and not while all others pause.
            let dead_next = dead_at
                .filter(|_| !at_work.values().any(|job| matches!(job, Job::Dead)))
                .map(|at| silent_until.map_or(at, |until| at.max(until)));
            if dead_next.is_some_and(|at| at <= now) {
                dead_at = None;
                let hook = self.clone();
                let job = jobs.spawn(async move { hook.next_dead().await });
                at_work.insert(job.id(), Job::Dead);
            }
            let asking = ask_at.filter(|_| lines.has_room());
            let timers = [lines.next(), asking, silent_until, dead_at.and(dead_next)];
            let timer = timers.into_iter().flatten().min();
            tokio::select! { biased;
                () = self.stop.cancelled() => break,
                Some(done) = jobs.join_next_with_id() => {
                    let (id, outcome) = match done {
                        Ok((id, outcome)) => (id, Some(outcome)),
                        Err(bug) => (bug.id(), None),
                    };
                    match (at_work.remove(&id), outcome) {
                        (_, Some(Outcome::Unwanted)) => break,
                        (_, Some(Outcome::DeadTried)) => dead_at = Some(Instant::now()),
                        (_, Some(Outcome::DeadLater)) => dead_at = Some(pause()),
                        (Some(Job::Space(key)), outcome) => after(&mut lines, key, outcome),
                        _ => {}
                    }
                }
                () = self.hurry.notified() => {
                    (ask_at, dead_at) = (Some(Instant::now()), Some(Instant::now()));
                    lines.hurry();
                    self.breaker.hurry();
                }
                () = tokio::time::sleep_until(timer.unwrap_or_else(pause)), if timer.is_some() => {
                    lines.tick(Instant::now());
                }
                moved = moves.next() => {
                    if !heard(&mut lines, &moved) {
                        ask_at = ask_at.or_else(|| Some(Instant::now()));
                    }
                    if moved.heads.values().any(Option::is_none) {
                        // Its dead letters went with it, and the webhook too when it was of this space alone.
                        self.office.changed.notify_one();
                    }
                }
            }
        }
        // What was answered is written down; what was not is asked again by whoever goes on.
        self.stop.cancel();
        while jobs.join_next().await.is_some() {}
    }

    /// Takes from the rows who is behind, and says when to ask again.
    async fn ask(&self, lines: &mut Lines) -> Option<Instant> {
        let max = limits::WEBHOOK_LINES_MAX;
        match self.office.store.webhook_behind(&self.row.id, max).await {
            Ok(found) => {
                let mut all = found.len() < max;
                for found in found {
                    all &= lines.behind(found);
                }
                (!all).then(pause)
            }
            Err(error) => {
                tracing::warn!(webhook.id = self.row.id, %error, "cannot read what is to be told");
                Some(pause())
            }
        }
    }
}

fn pause() -> Instant {
    Instant::now() + limits::WEBHOOK_STORE_PAUSE
}

/// A space was looked after.
fn after(lines: &mut Lines, key: SpaceKey, outcome: Option<Outcome>) {
    match outcome {
        Some(Outcome::Told { looked, rest }) => lines.done(key, looked, rest),
        Some(Outcome::Wait(time)) => lines.wait(key, Instant::now() + time),
        Some(Outcome::SpaceGone) => lines.forget(key),
        // A panic was logged where it happened; the next attempt is another one.
        _ => lines.wait(key, pause()),
    }
}

/// Commits were heard of; false when the rows have to be asked.
fn heard(lines: &mut Lines, moved: &Moved) -> bool {
    let mut fit = !moved.more;
    for (key, head) in &moved.heads {
        match head {
            Some(head) => fit &= lines.moved(*key, *head),
            None => lines.forget(*key),
        }
    }
    fit
}
