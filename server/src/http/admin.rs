//! `/api/v1/admin`: what the operator asks. Everything here needs the admin token.

use super::auth::Admin;
use super::input::{self, InSpace, Query};
use super::problem::{Code, Problem};
use super::space::{ListSpaces, row};
use crate::store::SpaceRow;
use crate::{App, limits};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use thexr_schema::api::{CompactResult, Page, SpaceStats};

/// The query of a compaction.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct How {
    /// Builds and checks the snapshot and reports, but changes nothing.
    #[serde(default, deserialize_with = "switch")]
    dry_run: bool,
}

/// `?dry_run` alone means yes; who wrote it did not want a real one.
fn switch<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    match &*String::deserialize(from)? {
        "" | "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(Error::custom("true or false")),
    }
}

/// `GET /api/v1/admin/spaces`
pub async fn list(
    _: Admin,
    State(app): State<App>,
    Query(query): Query<ListSpaces>,
) -> Result<Json<Page<SpaceStats>>, Problem> {
    let (rows, next) = query.rows(&app).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        items.push(stats(&app, row).await?);
    }
    Ok(Json(Page { items, next }))
}

/// `GET /api/v1/admin/spaces/{space}`
pub async fn show(
    _: Admin,
    State(app): State<App>,
    InSpace(id): InSpace,
) -> Result<Json<SpaceStats>, Problem> {
    Ok(Json(stats(&app, row(&app, &id).await?).await?))
}

/// `POST /api/v1/admin/spaces/{space}/compact`
pub async fn compact(
    _: Admin,
    State(app): State<App>,
    InSpace(id): InSpace,
    Query(how): Query<How>,
) -> Result<Json<CompactResult>, Problem> {
    Ok(Json(app.spaces.get(&id).await?.compact(how.dry_run).await?))
}

/// What a space is to keep: a field that is absent stays as it is, null is as the server is told, 0 is everything.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    #[serde(default, deserialize_with = "given")]
    days: Option<Option<u64>>,
    #[serde(default, deserialize_with = "given")]
    bytes: Option<Option<u64>>,
}

/// Null is an answer too.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// `PATCH /api/v1/admin/spaces/{space}/retention`: what is to go goes with the next compaction, or within minutes.
pub async fn keep(
    _: Admin,
    State(app): State<App>,
    InSpace(id): InSpace,
    input::Json(wish): input::Json<Keep>,
) -> Result<Json<SpaceStats>, Problem> {
    let found = row(&app, &id).await?;
    let store = app.spaces.store();
    let mut retention = store.retention(found.key).await?;
    let too_much = || Problem::new(Code::BadJson, "days is at most 36500, bytes at most 2^53.");
    let within = |wish: Option<u64>, max: u64| match wish {
        Some(n) if n > max => Err(too_much()),
        wish => Ok(wish.map(u64::cast_signed)),
    };
    if let Some(days) = wish.days {
        retention.days = within(days, limits::HISTORY_DAYS_MAX)?;
    }
    if let Some(bytes) = wish.bytes {
        retention.bytes = within(bytes, 1 << 53)?;
    }
    store.set_retention(found.key, retention).await?;
    Ok(Json(stats(&app, found).await?))
}

async fn stats(app: &App, row: SpaceRow) -> Result<SpaceStats, Problem> {
    let usage = app.spaces.store().usage(row.key).await?;
    let retention = app.spaces.store().retention(row.key).await?;
    let live = match app.spaces.loaded(&row.slug) {
        Some(space) => space.stats().await.ok(),
        None => None,
    };
    Ok(SpaceStats {
        space: row.slug.into(),
        seq: row.seq.0,
        rows: row.log_rows.cast_unsigned(),
        log_bytes: row.log_bytes.cast_unsigned(),
        snapshot_bytes: usage.snapshot_bytes.cast_unsigned(),
        snapshot_seq: row.snap_seq.0,
        oldest_seq: row.base_seq.0,
        history_bytes: usage.history_bytes.cast_unsigned(),
        keep_days: retention.days.map(i64::cast_unsigned),
        keep_bytes: retention.bytes.map(i64::cast_unsigned),
        members: live.map_or(0, |live| u32::try_from(live.members).unwrap_or(u32::MAX)),
        memory_bytes: live.map_or(0, |live| live.memory_bytes as u64),
        loaded: live.is_some(),
    })
}
