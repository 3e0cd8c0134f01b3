//! `/api/v1/spaces/{space}/journal/follow`: what happens, as it happens (server-sent events). A follower is a place in
//! the rows, never a queue in memory: one that stalls costs nothing and misses nothing.

use super::input::{InSpace, Query};
use super::journal::Filter;
use super::problem::{Code, Problem};
use super::space::row;
use crate::journal::shown;
use crate::store::{SpaceKey, Store};
use crate::{App, limits};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use thexr_schema::ids::Seq;
use thexr_schema::journal::JournalItem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// What to follow.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    after: Option<i64>,
    kind: Option<String>,
    member: Option<String>,
    user: Option<String>,
    entity: Option<String>,
}

/// How many may follow in the process.
#[derive(Clone)]
pub struct Followers(Arc<Semaphore>);

impl Default for Followers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(limits::FOLLOWERS_MAX)))
    }
}

/// `GET …/journal/follow`: from `Last-Event-ID` or `after` on, or from now.
pub async fn follow(
    State(app): State<App>,
    axum::Extension(followers): axum::Extension<Followers>,
    InSpace(id): InSpace,
    Query(which): Query<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let filter = Filter::new(which.kind.as_deref(), which.member, which.user, which.entity)?;
    let row = row(&app, &id).await?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let after = match last.filter(|id| !id.is_empty()) {
        Some(id) => Some(
            id.parse()
                .map_err(|_| Problem::new(Code::BadQuery, "Last-Event-ID is the number of an event."))?,
        ),
        None => which.after,
    };
    let turn = followers.0.clone().try_acquire_owned().map_err(|_| {
        app.metrics.limit("followers");
        Problem::new(Code::Busy, "Too many follow journals of this server.")
    })?;
    let store = app.spaces.store().clone();
    let follower = Follower {
        head: store.watch(row.key),
        store,
        key: row.key,
        filter,
        // A number that has not come yet is of another history: this one is told from its beginning.
        after: match after.unwrap_or(row.seq.0) {
            after if (0..=row.seq.0).contains(&after) => Seq(after),
            _ => Seq::ZERO,
        },
        ready: VecDeque::new(),
        stop: app.stop.clone(),
        _turn: turn,
    };
    let stream = stream::unfold(follower, |mut follower| async move {
        let next = follower.next().await?;
        Some((Ok::<_, Infallible>(next), follower))
    });
    let sse = Sse::new(stream).keep_alive(KeepAlive::new().interval(limits::FOLLOW_HEARTBEAT));
    // A proxy that gathers would make a stream into a page.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), "no");
    Ok(([(header::CACHE_CONTROL, "no-store"), unbuffered], sse).into_response())
}

struct Follower {
    store: Store,
    key: SpaceKey,
    filter: Filter,
    /// Everything up to here was sent, or did not pass.
    after: Seq,
    ready: VecDeque<JournalItem>,
    head: watch::Receiver<Seq>,
    stop: CancellationToken,
    _turn: OwnedSemaphorePermit,
}

impl Follower {
    /// The next thing to send; `None` ends the stream, and the client comes back with the number it has.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                let sent = sse::Event::default()
                    .id(item.seq.to_string())
                    .event(item.kind.clone());
                return sent.json_data(&item).ok();
            }
            // Before the read: what is committed after it is a change.
            self.head.mark_unchanged();
            let read = self
                .filter
                .read(&self.store, self.key, self.after, limits::FOLLOW_PAGE_EVENTS)
                .await;
            // Deleted, or the database does not answer: either way the next request says which.
            let (events, seen) = read.ok()?;
            if seen != self.after {
                self.after = seen;
                self.ready = events.iter().map(shown).collect();
                if self.ready.is_empty() {
                    // Nothing of it passed; the client need not look again.
                    return Some(sse::Event::default().id(seen.to_string()).data(""));
                }
                continue;
            }
            tokio::select! { biased;
                () = self.stop.cancelled() => return None,
                moved = self.head.changed() => moved.ok()?,
            }
        }
    }
}
