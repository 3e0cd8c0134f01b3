//! `/api/v1/spaces/{space}/journal`: what happened, in order, page by page.

use super::input::{InSpace, Query, page_len};
use super::problem::{Code, Problem};
use super::space::row;
use super::timestamp::moment;
use crate::store::{Event, Kinds, SpaceKey, Store};
use crate::{App, journal, limits};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use thexr_schema::api::Page;
use thexr_schema::change::Changes;
use thexr_schema::ids::Seq;
use thexr_schema::journal::JournalItem;

/// The query of a page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    after: Option<i64>,
    until: Option<i64>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<usize>,
    kind: Option<String>,
    member: Option<String>,
    user: Option<String>,
    entity: Option<String>,
}

/// What somebody wants to read of a journal.
pub struct Filter {
    kinds: Kinds,
    member: Option<String>,
    user: Option<String>,
    entity: Option<String>,
}

impl Filter {
    /// Kinds are separated by commas.
    pub fn new(
        kinds: Option<&str>,
        member: Option<String>,
        user: Option<String>,
        entity: Option<String>,
    ) -> Result<Self, Problem> {
        let wanted = kinds.map(|names| {
            journal::kinds("kind", names.split(',')).map_err(|error| Problem::said(Code::BadQuery, error))
        });
        let mut kinds = wanted.transpose()?.unwrap_or(Kinds::LISTED);
        if entity.is_some() {
            // Only edits are about entities, and others need not be looked at.
            kinds = kinds.and(Kinds::EDITS);
        }
        Ok(Self {
            kinds,
            member,
            user,
            entity,
        })
    }

    fn takes(&self, event: &Event) -> bool {
        let is = |wanted: &Option<String>, given: &Option<String>| wanted.is_none() || wanted == given;
        let about = |entity: &String| {
            let changes = event.changes.as_deref().map(Changes::from_text);
            // Of a long list only a part is known: it may be in the rest.
            changes.is_some_and(|changes| {
                changes.more > 0 || changes.items.iter().any(|change| change.entity == *entity)
            })
        };
        is(&self.member, &event.member)
            && is(&self.user, &event.user)
            && self.entity.as_ref().is_none_or(about)
    }

    /// The next events that pass, at most `limit` and a few megabytes, and how far was looked: at most so far that an
    /// answer stays quick.
    /// Nothing is left when that is `after`.
    pub async fn read(
        &self,
        store: &Store,
        key: SpaceKey,
        after: Seq,
        limit: usize,
    ) -> Result<(Vec<Event>, Seq), Problem> {
        let (mut found, mut seen, mut looked, mut bytes) = (Vec::new(), after, 0, 0);
        // A piece of the history is bounded in bytes; so is what is gathered from many.
        while found.len() < limit
            && looked < limits::JOURNAL_LOOK_EVENTS
            && bytes < limits::HISTORY_PAGE_BYTES
        {
            let page = limits::JOURNAL_PAGE_EVENTS.max(limit);
            let stretch = store.history(key, seen, page, self.kinds).await?;
            if stretch.seen == seen {
                break;
            }
            looked += 1 + usize::try_from(stretch.seen.0 - seen.0)
                .unwrap_or(usize::MAX)
                .min(limits::JOURNAL_BLOCK_EVENTS);
            seen = stretch.seen;
            for event in stretch.events {
                if !self.takes(&event) {
                    continue;
                }
                if found.len() == limit {
                    seen = found.last().map_or(after, |event: &Event| event.seq);
                    break;
                }
                bytes += i64::try_from(event.payload.len()).unwrap_or(i64::MAX);
                found.push(event);
            }
        }
        Ok((found, seen))
    }
}

/// `GET /api/v1/spaces/{space}/journal`
pub async fn list(
    State(app): State<App>,
    InSpace(id): InSpace,
    Query(which): Query<Which>,
) -> Result<Json<Page<JournalItem>>, Problem> {
    let limit = page_len(which.limit)?;
    let row = row(&app, &id).await?;
    let store = app.spaces.store();
    let mut after = Seq(which.after.unwrap_or(0).max(0));
    if let Some(from) = &which.from {
        // The last event before that time; times have milliseconds.
        let before = store.seq_at(row.key, moment("from", from)? - 1).await?;
        after = after.max(before);
    }
    let mut until = Seq(which.until.unwrap_or(i64::MAX));
    if let Some(to) = &which.to {
        until = until.min(store.seq_at(row.key, moment("to", to)?).await?);
    }
    let filter = Filter::new(which.kind.as_deref(), which.member, which.user, which.entity)?;
    let (mut events, seen) = filter.read(store, row.key, after, limit).await?;
    events.retain(|event| event.seq <= until);
    let more = seen < until && seen < row.seq;
    Ok(Json(Page {
        items: events.iter().map(journal::shown).collect(),
        next: more.then(|| seen.to_string()),
    }))
}
