//! One attempt of a webhook: the next batch of a space, or a dead letter, and what its answer means for the rows.

use super::batch::{self, Batch, Range};
use super::hook::{Hook, Outcome};
use super::lines::Known;
use super::post::{Answer, NoAnswer, Parcel};
use crate::clock::now_ms;
use crate::config::WebhookConfig;
use crate::limits;
use crate::store::{Cursor, Failed, Result, SpaceKey, SpaceRow, StoreError};
use rand::RngExt;
use std::time::Duration;
use thexr_schema::ids::Seq;
use tokio::time::Instant;

/// An attempt that an endpoint has seen, or should have.
enum Tried {
    Taken,
    /// 410: it wants no more.
    Unwanted,
    /// Why it was not taken, and when to come back as the endpoint wishes.
    Failed(String, Option<Duration>),
    /// The server stops.
    Stopped,
}

impl Hook {
    /// Sends the next batch of a space, if there is one.
    pub(super) async fn next_batch(&self, key: SpaceKey, known: Known) -> Outcome {
        match self.batch(key, known).await {
            Ok(outcome) => outcome,
            Err(StoreError::Gone) => Outcome::SpaceGone,
            Err(error) => {
                tracing::warn!(webhook.id = self.row.id, space.key = key.0, %error, "cannot read or note what was told");
                Outcome::Wait(limits::WEBHOOK_STORE_PAUSE)
            }
        }
    }

    async fn batch(&self, key: SpaceKey, known: Known) -> Result<Outcome> {
        let (office, id) = (&*self.office, &*self.row.id);
        let Some(_turn) = self.turn().await else {
            return Ok(Outcome::Stopped);
        };
        let started = Instant::now();
        let cursor = office.store.webhook_cursor(id, key).await?;
        if let Some(left) = cursor.next_at.map(|at| at - now_ms()).filter(|left| *left > 0) {
            let left = Duration::from_millis(left.unsigned_abs());
            return Ok(Outcome::Wait(left.min(limits::WEBHOOK_RETRY_AFTER_MAX)));
        }
        let range = Range {
            after: cursor.seq,
            looked: cursor.looked,
            until: cursor.until,
        };
        let found = match batch::build(&office.store, id, self.row.kinds, &cursor.space, range).await {
            Err(StoreError::Damaged(what)) => {
                // To whoever waits for it that is as if the endpoint refused: it is said, tried again, and given up.
                let piece = office.store.piece_end(key, cursor.looked, self.row.kinds).await?;
                let until = range.end_unread(piece, cursor.space.seq);
                office.metrics.webhook("unreadable");
                let error = StoreError::Damaged(what).to_string();
                return self.failed(&cursor, until, error, None).await;
            }
            found => found?,
        };
        let (delivery, last, full, body) = match found {
            Batch::Some {
                delivery,
                last,
                full,
                body,
            } => (delivery, last, full, body),
            Batch::Nothing(looked) => {
                let far = looked.0 - cursor.looked.0 >= limits::WEBHOOK_LOOKED_EVENTS;
                if far || known == Known::Rows || cursor.until.is_some() {
                    office.store.webhook_looked(id, key, looked).await?;
                }
                return Ok(Outcome::Told { looked, rest: None });
            }
        };
        if office.store.base_seq(key).await? > cursor.looked.max(cursor.space.base_seq) {
            // Pruned meanwhile, and said to be lost: this would be the batch of before with fewer events in it.
            let looked = cursor.looked;
            return Ok(Outcome::Told { looked, rest: None });
        }
        let attempt = cursor.attempts + 1;
        match self.send(&delivery, attempt, body).await {
            Tried::Stopped => Ok(Outcome::Stopped),
            Tried::Unwanted => self.unwanted().await,
            Tried::Taken => {
                office.store.webhook_taken(id, key, last).await?;
                let rest = (!full).then(|| started + office.config.gather);
                Ok(Outcome::Told { looked: last, rest })
            }
            Tried::Failed(error, wished) => self.failed(&cursor, last, error, wished).await,
        }
    }

    async fn failed(
        &self,
        cursor: &Cursor,
        last: Seq,
        error: String,
        wished: Option<Duration>,
    ) -> Result<Outcome> {
        let (office, id, key) = (&*self.office, &*self.row.id, cursor.space.key);
        let now = now_ms();
        let attempts = cursor.attempts + 1;
        let first_at = cursor.first_at.unwrap_or(now);
        let wait = backoff(&office.config, attempts, wished, rand::rng().random());
        let failed = Failed {
            until: last,
            attempts,
            first_at,
            next_at: now + millis(wait),
            error,
        };
        let space = &cursor.space.slug;
        if attempts >= office.config.attempts_min && now - first_at >= millis(office.config.give_up) {
            let first = Seq(cursor.seq.0 + 1);
            office.store.webhook_given_up(id, key, first, &failed).await?;
            office.metrics.webhook("given_up");
            office.count_dead().await;
            tracing::error!(webhook.id = id, space.id = %space, first = first.0, last = last.0, attempts,
                error = failed.error, "a batch of a webhook is given up; it is with its dead letters");
            return Ok(Outcome::Told {
                looked: last,
                rest: None,
            });
        }
        office.store.webhook_failed(id, key, &failed).await?;
        if attempts == 1 {
            tracing::warn!(webhook.id = id, space.id = %space, error = failed.error, "a delivery was not taken");
        }
        Ok(Outcome::Wait(wait))
    }

    /// Tries the oldest dead letter that somebody wants to be tried.
    pub(super) async fn next_dead(&self) -> Outcome {
        match self.dead().await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!(webhook.id = self.row.id, %error, "cannot read or note a dead letter");
                Outcome::DeadLater
            }
        }
    }

    async fn dead(&self) -> Result<Outcome> {
        let (store, id) = (&self.office.store, &*self.row.id);
        let Some(dead) = store.due_dead(id).await? else {
            return Ok(Outcome::NoDead);
        };
        let Some(_turn) = self.turn().await else {
            return Ok(Outcome::Stopped);
        };
        let before = Seq(dead.first.0 - 1);
        let range = Range {
            after: before,
            looked: before,
            until: Some(dead.last),
        };
        let space: SpaceRow = match store.webhook_cursor(id, dead.key).await {
            Ok(cursor) => cursor.space,
            Err(StoreError::Gone) => {
                // It goes with its space; a row that stayed would be the next one for ever.
                store.dead_taken(dead.id).await?;
                return Ok(Outcome::DeadTried);
            }
            Err(error) => return Err(error),
        };
        let found = match batch::build(store, id, self.row.kinds, &space, range).await {
            Err(error @ StoreError::Damaged(_)) => {
                store.dead_failed(dead.id, &error.to_string()).await?;
                return Ok(Outcome::DeadTried);
            }
            found => found?,
        };
        if store.base_seq(dead.key).await? >= dead.first {
            // Pruned since the row was read, which now says what is left.
            return Ok(Outcome::DeadLater);
        }
        let tried = match found {
            Batch::Some { delivery, body, .. } => self.send(&delivery, dead.attempts + 1, body).await,
            // What pruning left of it is of other kinds.
            Batch::Nothing(_) => Tried::Taken,
        };
        match tried {
            Tried::Stopped => return Ok(Outcome::Stopped),
            Tried::Unwanted => return self.unwanted().await,
            Tried::Taken => store.dead_taken(dead.id).await?,
            Tried::Failed(error, _) => store.dead_failed(dead.id, &error).await?,
        }
        self.office.count_dead().await;
        Ok(Outcome::DeadTried)
    }

    /// A place among the deliveries of the process; `None` when the server stops.
    async fn turn(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        tokio::select! { biased;
            () = self.stop.cancelled() => None,
            turn = self.office.turns.acquire() => turn.ok(),
        }
    }

    async fn unwanted(&self) -> Result<Outcome> {
        let why = "410 Gone: the endpoint wants no more";
        self.office.store.pause_webhook(&self.row.id, Some(why)).await?;
        tracing::warn!(webhook.id = self.row.id, "paused: the endpoint answered 410 Gone");
        self.office.changed.notify_one();
        Ok(Outcome::Unwanted)
    }

    async fn send(&self, delivery: &str, attempt: u32, body: bytes::Bytes) -> Tried {
        let parcel = Parcel {
            url: &self.row.url,
            secret: &self.row.secret,
            delivery,
            attempt,
            body,
        };
        let mut sent = std::pin::pin!(self.office.poster().send(parcel));
        let answered = tokio::select! { biased;
            // An answer that is about to come spares the endpoint the same delivery after the restart.
            () = self.stop.cancelled() => match tokio::time::timeout(limits::WEBHOOK_END, &mut sent).await {
                Ok(answered) => answered,
                Err(_) => return Tried::Stopped,
            },
            answered = &mut sent => answered,
        };
        match &answered {
            Ok(_) => self.breaker.answered(),
            Err(_) => self.breaker.silent(Instant::now(), |attempts| {
                backoff(&self.office.config, attempts, None, rand::rng().random())
            }),
        }
        let (result, tried) = judge(answered);
        self.office.metrics.webhook(result);
        tried
    }
}

/// What an answer means, for the metrics and for the batch.
fn judge(answered: std::result::Result<Answer, NoAnswer>) -> (&'static str, Tried) {
    match answered {
        Ok(answer) if answer.is_taken() => ("taken", Tried::Taken),
        Ok(Answer { status: 410, .. }) => ("gone", Tried::Unwanted),
        Ok(answer) => {
            let said = format!("the endpoint answered {}", answer.status);
            ("refused", Tried::Failed(said, answer.retry_after))
        }
        Err(error) => ("unanswered", Tried::Failed(error.to_string(), None)),
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// How long to wait after so many attempts; `random` is 0 to 1. At least half of the doubled time, so that endpoints that
/// went down together are not asked together.
fn backoff(config: &WebhookConfig, attempts: u32, wished: Option<Duration>, random: f64) -> Duration {
    let doubled = config
        .backoff_first
        .saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
    let wait = doubled.min(config.backoff_max).mul_f64(0.5 + random / 2.0);
    wait.max(wished.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SPEC N5.
    #[test]
    fn waits_double_up_to_ten_minutes_and_respect_what_the_endpoint_wishes() {
        let config = WebhookConfig::default();
        let longest = |attempts| backoff(&config, attempts, None, 1.0).as_secs();
        assert_eq!(
            [1, 2, 5, 10, 11, 40, 4_000_000].map(longest),
            [1, 2, 16, 512, 600, 600, 600]
        );
        assert_eq!(backoff(&config, 11, None, 0.0).as_secs(), 300);
        let wished = Some(Duration::from_secs(900));
        assert_eq!(backoff(&config, 1, wished, 0.5).as_secs(), 900);
        assert_eq!(
            backoff(&config, 40, Some(Duration::from_secs(1)), 1.0).as_secs(),
            600
        );
        // Twenty attempts are over after two hours: the day is what decides.
        let day: u64 = (1..=20).map(longest).sum();
        assert!(day < limits::WEBHOOK_GIVE_UP.as_secs());
    }
}
