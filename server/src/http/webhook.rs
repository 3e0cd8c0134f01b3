//! `/api/v1/admin/webhooks`: who is told what happens. Everything here needs the admin token.

use super::auth::Admin;
use super::input::{InWebhook, Json, Query, page_len, random_id};
use super::problem::{Code, Problem};
use super::space::{LETTERS, row};
use crate::clock::{now_ms, rfc3339};
use crate::config::Secret;
use crate::store::{DeadRow, Kinds, WebhookRow};
use crate::webhook::post;
use crate::{App, journal, limits};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use thexr_schema::api::Page;
use thexr_schema::ids::{Seq, SpaceId};
use thexr_schema::webhook::{
    CreateWebhook, DeadLetter, NewWebhook, Pinged, RetriedDeadLetters, SetWebhook, WebhookInfo,
};

/// The query of a list of dead letters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListDead {
    after: Option<i64>,
    limit: Option<usize>,
}

/// `GET /api/v1/admin/webhooks`: all of them, a server has a bounded number.
pub async fn list(_: Admin, State(app): State<App>) -> Result<axum::Json<Page<WebhookInfo>>, Problem> {
    let rows = app.spaces.store().webhooks().await?;
    Ok(axum::Json(Page {
        items: rows.into_iter().map(shown).collect(),
        next: None,
    }))
}

/// `POST /api/v1/admin/webhooks`
pub async fn create(
    _: Admin,
    State(app): State<App>,
    Json(wish): Json<CreateWebhook>,
) -> Result<impl IntoResponse, Problem> {
    let bad = |what| Problem::new(Code::BadJson, what);
    post::endpoint(&wish.url).map_err(|error| Problem::said(Code::BadUrl, error))?;
    let secret = match wish.secret {
        Some(secret) => Secret::new(secret),
        None => Secret::random(),
    };
    let len = secret.expose().len();
    if !(limits::WEBHOOK_SECRET_BYTES_MIN..=limits::WEBHOOK_SECRET_BYTES_MAX).contains(&len) {
        return Err(bad("secret is 16 to 256 bytes."));
    }
    if wish.after.is_some_and(|after| after < 0) {
        return Err(bad("after is 0, or the number of an event."));
    }
    let kinds = match &wish.kinds {
        Some(names) if names.is_empty() => return Err(bad("Without kinds there is nothing to tell.")),
        Some(names) => journal::kinds("kinds", names.iter().map(String::as_str))
            .map_err(|error| Problem::said(Code::BadJson, error))?,
        None => Kinds::LISTED,
    };
    let space = match wish.space {
        None => None,
        Some(space) => {
            let id: SpaceId = space.parse().map_err(|e| Problem::said(Code::BadSpaceId, e))?;
            let row = row(&app, &id).await?;
            Some((row.key, row.slug))
        }
    };
    let store = app.spaces.store();
    // Two at the same moment may make one too many; the bound is on memory, not on a promise.
    if store.webhooks().await?.len() >= limits::WEBHOOKS_MAX {
        let what = format!("The server has {} webhooks already.", limits::WEBHOOKS_MAX);
        return Err(Problem::new(Code::TooManyWebhooks, what));
    }
    let made = WebhookRow {
        id: random_id(LETTERS, 26),
        space,
        url: wish.url,
        secret,
        kinds,
        created_at: now_ms(),
        paused: false,
        error: None,
        told_at: None,
    };
    store.add_webhook(&made, wish.after.map(Seq)).await?;
    app.webhooks.changed();
    let location = [(header::LOCATION, format!("/api/v1/admin/webhooks/{}", made.id))];
    let secret = made.secret.expose().to_owned();
    let webhook = shown(made);
    Ok((
        StatusCode::CREATED,
        location,
        axum::Json(NewWebhook { webhook, secret }),
    ))
}

/// `GET /api/v1/admin/webhooks/{webhook}`
pub async fn show(
    _: Admin,
    State(app): State<App>,
    InWebhook(id): InWebhook,
) -> Result<axum::Json<WebhookInfo>, Problem> {
    Ok(axum::Json(shown(find(&app, &id).await?)))
}

/// `PATCH /api/v1/admin/webhooks/{webhook}`: pauses it, or goes on where it was.
pub async fn set(
    _: Admin,
    State(app): State<App>,
    InWebhook(id): InWebhook,
    Json(wish): Json<SetWebhook>,
) -> Result<axum::Json<WebhookInfo>, Problem> {
    let store = app.spaces.store();
    match &*wish.state {
        "active" => {
            store.resume_webhook(&id).await?;
            app.webhooks.hurry(&id);
        }
        "paused" => {
            store.pause_webhook(&id, None).await?;
            app.webhooks.changed();
        }
        _ => return Err(Problem::new(Code::BadJson, "state is active or paused.")),
    }
    Ok(axum::Json(shown(find(&app, &id).await?)))
}

/// `DELETE /api/v1/admin/webhooks/{webhook}`
pub async fn delete(
    _: Admin,
    State(app): State<App>,
    InWebhook(id): InWebhook,
) -> Result<StatusCode, Problem> {
    if !app.spaces.store().remove_webhook(&id).await? {
        return Err(Problem::not_found());
    }
    app.webhooks.changed();
    Ok(StatusCode::NO_CONTENT)
}

/// `POST …/{webhook}/test`: a ping, now, paused or not.
pub async fn test(
    _: Admin,
    State(app): State<App>,
    InWebhook(id): InWebhook,
) -> Result<axum::Json<Pinged>, Problem> {
    let row = find(&app, &id).await?;
    Ok(axum::Json(app.webhooks.ping(&row).await))
}

/// `GET …/{webhook}/dead-letters`
pub async fn dead_letters(
    _: Admin,
    State(app): State<App>,
    InWebhook(id): InWebhook,
    Query(which): Query<ListDead>,
) -> Result<axum::Json<Page<DeadLetter>>, Problem> {
    let len = page_len(which.limit)?;
    find(&app, &id).await?;
    let after = which.after.unwrap_or(0);
    let mut rows = app.spaces.store().dead_letters(&id, after, len + 1).await?;
    let more = rows.len() > len;
    rows.truncate(len);
    let next = rows.last().filter(|_| more).map(|row| row.id.to_string());
    let items = rows.into_iter().map(letter).collect();
    Ok(axum::Json(Page { items, next }))
}

/// `POST …/{webhook}/dead-letters/retry`: each is tried once more.
pub async fn retry(
    _: Admin,
    State(app): State<App>,
    InWebhook(id): InWebhook,
) -> Result<impl IntoResponse, Problem> {
    find(&app, &id).await?;
    let due = app.spaces.store().retry_dead(&id).await?;
    app.webhooks.hurry(&id);
    Ok((StatusCode::ACCEPTED, axum::Json(RetriedDeadLetters { due })))
}

async fn find(app: &App, id: &str) -> Result<WebhookRow, Problem> {
    let row = app.spaces.store().webhook(id).await?;
    row.ok_or_else(|| Problem::new(Code::NotFound, "There is no webhook with this id."))
}

fn shown(row: WebhookRow) -> WebhookInfo {
    let (error, error_at) = row.error.unzip();
    WebhookInfo {
        id: row.id,
        space: row.space.map(|(_, slug)| slug.into()),
        url: row.url,
        kinds: journal::names_of(row.kinds),
        state: if row.paused { "paused" } else { "active" }.to_owned(),
        created_at: rfc3339(row.created_at),
        told_at: row.told_at.map(rfc3339),
        error,
        error_at: error_at.map(rfc3339),
    }
}

fn letter(row: DeadRow) -> DeadLetter {
    DeadLetter {
        id: row.id,
        space: row.space.into(),
        first_seq: row.first.0,
        last_seq: row.last.0,
        attempts: row.attempts,
        error: row.error,
        at: rfc3339(row.at),
        due: row.due,
    }
}
