//! The time machine: a moment of a space, what is different between two, and going back to one.

use super::input::{self, InSpace, Query};
use super::problem::{Code, Problem};
use super::space::{self, row};
use super::upgrade::clean;
use super::{etag, timestamp};
use crate::App;
use crate::space::doc::diff::diff;
use crate::space::{Restore, compactor, past};
use crate::store::{EventKind, NewEvent, SpaceRow, Store};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use thexr_schema::api::Written;
use thexr_schema::ids::Seq;

/// A moment of a space: the event it comes after, or a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Moment {
    /// After this event.
    Seq(i64),
    /// After the last event up to this time.
    At(i64),
    /// The present.
    #[default]
    Now,
}

impl Moment {
    /// Of two parameters, of which one at most is given. `name` is that of the time.
    pub fn of(seq: Option<i64>, name: &str, at: Option<&str>) -> Result<Self, Problem> {
        match (seq, at) {
            (Some(_), Some(_)) => Err(Problem::new(Code::BadQuery, "Give a seq or a time, not both.")),
            (Some(seq), None) => Ok(Self::Seq(seq)),
            (None, Some(at)) => Ok(Self::At(timestamp::moment(name, at)?)),
            (None, None) => Ok(Self::Now),
        }
    }

    /// Its number, if it is kept.
    pub async fn find(&self, store: &Store, row: &SpaceRow) -> Result<Seq, Problem> {
        let seq = match *self {
            Self::Seq(seq) => seq,
            Self::At(at) if at < row.created_at => -1,
            Self::At(at) => match store.seq_at(row.key, at).await? {
                // What is pruned ends with it, but not all that is before it is it.
                seq if seq == row.base_seq && at < store.begins_at(row.key, seq).await?.unwrap_or(0) => -1,
                // What has come since the row was read is not asked for.
                seq => seq.0.min(row.seq.0),
            },
            Self::Now => row.seq.0,
        };
        Ok(past::moment(row, seq)?)
    }
}

/// The body of a restore or a fork: the moment, and what to make of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoBack {
    seq: Option<i64>,
    at: Option<String>,
    /// Who asks.
    user: Option<String>,
}

/// `POST /api/v1/spaces/{space}/restore`: the present becomes that moment, by one edit that everybody receives.
pub async fn restore(
    State(app): State<App>,
    InSpace(id): InSpace,
    headers: HeaderMap,
    input::Json(wish): input::Json<GoBack>,
) -> Result<Response, Problem> {
    let moment = Moment::of(wish.seq, "at", wish.at.as_deref())?;
    if moment == Moment::Now {
        return Err(Problem::new(
            Code::BadJson,
            "Give the moment to go back to: seq or at.",
        ));
    }
    let row = row(&app, &id).await?;
    let seq = moment.find(app.spaces.store(), &row).await?;
    let past = past::document(app.spaces.store(), &row, seq).await?;
    let content = past.work(|past| past.doc.content()).await?;
    let space = app.spaces.get(&id).await?;
    let restore = Restore {
        content,
        seq,
        user: named(wish.user),
    };
    let done = space.restore(restore, etag::condition(&space, &headers)).await?;
    let written = Written {
        id: None,
        seq: done.seq.0,
    };
    Ok(etag::tagged(&etag::of(&space, done.state), Json(written)))
}

/// The body of a fork.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    seq: Option<i64>,
    at: Option<String>,
    user: Option<String>,
    id: Option<String>,
    name: Option<String>,
}

/// `POST /api/v1/spaces/{space}/fork`: a new space that begins as this one was, or is.
pub async fn fork(
    State(app): State<App>,
    InSpace(id): InSpace,
    input::Json(wish): input::Json<Fork>,
) -> Result<impl IntoResponse, Problem> {
    let moment = Moment::of(wish.seq, "at", wish.at.as_deref())?;
    let row = row(&app, &id).await?;
    let new = space::new_id(wish.id)?;
    let name = match wish.name.as_deref() {
        Some(name) => space::display_name(name)?.to_owned(),
        None => row.name.clone(),
    };
    let seq = moment.find(app.spaces.store(), &row).await?;
    let past = past::document(app.spaces.store(), &row, seq).await?;
    let snapshot = past.work(|past| compactor::first_snapshot(&past.doc)).await??;
    let note = NewEvent::note(
        EventKind::Forked,
        named(wish.user),
        &json!({"space": id.as_str(), "epoch": row.epoch, "forked_seq": seq}),
    );
    let made = app
        .spaces
        .store()
        .create_from(&new, &name, &snapshot, &note)
        .await?;
    let location = [(header::LOCATION, format!("/api/v1/spaces/{new}"))];
    Ok((StatusCode::CREATED, location, Json(space::info(&app, made).await)))
}

/// Who asks, as a name may be kept.
fn named(user: Option<String>) -> Option<Arc<str>> {
    user.map(|user| clean(&user))
        .filter(|user| !user.is_empty())
        .map(Arc::from)
}

/// Between what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Between {
    from: String,
    to: Option<String>,
}

/// `GET /api/v1/spaces/{space}/diff?from=&to=`: each a seq or a time; without `to` the present.
pub async fn show_diff(
    State(app): State<App>,
    InSpace(id): InSpace,
    Query(between): Query<Between>,
) -> Result<Json<Value>, Problem> {
    let row = row(&app, &id).await?;
    let store = app.spaces.store();
    let either = |name: &str, text: &str| match text.parse::<i64>() {
        Ok(seq) => Ok(Moment::Seq(seq)),
        Err(_) => Moment::of(None, name, Some(text)),
    };
    let from = either("from", &between.from)?.find(store, &row).await?;
    let to = between.to.as_deref().map(|to| either("to", to)).transpose()?;
    let to = to.unwrap_or_default().find(store, &row).await?;
    // One after the other: what both need of the engine's memory is held once.
    let _turn = DIFFING
        .acquire()
        .await
        .map_err(|_| Problem::from(crate::space::Trouble::Busy))?;
    let old = past::document(store, &row, from).await?;
    let new = past::document(store, &row, to).await?;
    let mut found = new.work(move |new| diff(&old.doc, &new.doc)).await?;
    found["from"] = from.0.into();
    found["to"] = to.0.into();
    Ok(Json(found))
}

/// Two documents are two of [`crate::limits::PASTS_MAX`]: two requests that hold one each would wait for ever.
static DIFFING: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);
