//! `/api/v1/admin`: what the operator asks. Everything here needs the admin token.

use super::auth::Admin;
use super::input::{InSpace, Query};
use super::problem::Problem;
use super::space::{ListSpaces, row};
use crate::App;
use crate::store::SpaceRow;
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

async fn stats(app: &App, row: SpaceRow) -> Result<SpaceStats, Problem> {
    let usage = app.spaces.store().usage(row.key).await?;
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
        members: live.map_or(0, |live| u32::try_from(live.members).unwrap_or(u32::MAX)),
        memory_bytes: live.map_or(0, |live| live.memory_bytes as u64),
        loaded: live.is_some(),
    })
}
