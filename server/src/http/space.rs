//! `/api/v1/spaces`: what spaces there are, and making, naming and deleting them.

use super::etag;
use super::input::{InSpace, Json, Query, page_len, random_id};
use super::problem::{Code, Problem};
use crate::clock::rfc3339;
use crate::store::SpaceRow;
use crate::{App, limits};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use thexr_schema::api::{CreateSpace, Page, RenameSpace, SpaceInfo};
use thexr_schema::ids::SpaceId;

/// Letters and digits that are hard to confuse; 26 of 32 are 130 random bits.
pub const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The query of a list of spaces.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSpaces {
    limit: Option<usize>,
    after: Option<String>,
    /// Part of an id or a name, in any case.
    q: Option<String>,
}

impl ListSpaces {
    /// The page's rows and the key of the next page.
    pub async fn rows(self, app: &App) -> Result<(Vec<SpaceRow>, Option<String>), Problem> {
        let len = page_len(self.limit)?;
        let filter = self.q.as_deref().map(str::trim).filter(|q| !q.is_empty());
        let one_more = i64::try_from(len + 1).unwrap_or(i64::MAX);
        let store = app.spaces.store();
        let mut rows = store.list(self.after.as_deref(), one_more, filter).await?;
        let more = rows.len() > len;
        rows.truncate(len);
        let next = rows.last().filter(|_| more).map(|row| row.slug.to_string());
        Ok((rows, next))
    }
}

/// `GET /api/v1/spaces`
pub async fn list(
    State(app): State<App>,
    Query(query): Query<ListSpaces>,
) -> Result<axum::Json<Page<SpaceInfo>>, Problem> {
    let (rows, next) = query.rows(&app).await?;
    let items = futures_util::future::join_all(rows.into_iter().map(|row| info(&app, row))).await;
    Ok(axum::Json(Page { items, next }))
}

/// `POST /api/v1/spaces`
pub async fn create(
    State(app): State<App>,
    Json(wish): Json<CreateSpace>,
) -> Result<impl IntoResponse, Problem> {
    let id = new_id(wish.id)?;
    let name = match &wish.name {
        Some(name) => display_name(name)?,
        None => id.as_str(),
    };
    let row = app.spaces.store().create(&id, name).await?;
    let location = [(header::LOCATION, format!("/api/v1/spaces/{id}"))];
    Ok((StatusCode::CREATED, location, axum::Json(info(&app, row).await)))
}

/// The id that was asked for, or a random one.
pub fn new_id(wish: Option<String>) -> Result<SpaceId, Problem> {
    match wish {
        Some(id) => id.parse().map_err(|e| Problem::said(Code::BadSpaceId, e)),
        None => Ok(random_id(LETTERS, 26)
            .parse()
            .expect("letters and digits are an id")),
    }
}

/// `GET /api/v1/spaces/{space}`
pub async fn show(
    State(app): State<App>,
    InSpace(id): InSpace,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let info = info(&app, row(&app, &id).await?).await;
    let body = serde_json::to_vec(&info).expect("strings and numbers are JSON");
    // Members and the name change without an event, so they are in the tag.
    let tag = format!("\"{}-{}-{:08x}\"", info.epoch, info.seq, crc32fast::hash(&body));
    if etag::matches(&headers, &tag) {
        return Ok(etag::tagged(&tag, StatusCode::NOT_MODIFIED));
    }
    Ok(etag::tagged(&tag, axum::Json(info)))
}

/// `PATCH /api/v1/spaces/{space}`
pub async fn rename(
    State(app): State<App>,
    InSpace(id): InSpace,
    Json(wish): Json<RenameSpace>,
) -> Result<axum::Json<SpaceInfo>, Problem> {
    let name = display_name(&wish.name)?;
    let found = row(&app, &id).await?;
    app.spaces.store().rename(found.key, name).await?;
    Ok(axum::Json(info(&app, row(&app, &id).await?).await))
}

/// `DELETE /api/v1/spaces/{space}`
pub async fn delete(State(app): State<App>, InSpace(id): InSpace) -> Result<StatusCode, Problem> {
    app.spaces.delete(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The row of a living space.
pub async fn row(app: &App, id: &SpaceId) -> Result<SpaceRow, Problem> {
    let row = app.spaces.store().space(id).await?;
    row.ok_or_else(|| crate::space::Trouble::Gone.into())
}

/// A space as it is shown.
pub async fn info(app: &App, row: SpaceRow) -> SpaceInfo {
    let members = match app.spaces.loaded(&row.slug) {
        // One that ends just now has nobody in it.
        Some(space) => space.stats().await.map_or(0, |stats| stats.members),
        None => 0,
    };
    SpaceInfo {
        id: row.slug.into(),
        name: row.name,
        epoch: row.epoch,
        seq: row.seq.0,
        oldest_seq: row.base_seq.0,
        created_at: rfc3339(row.created_at),
        members: u32::try_from(members).unwrap_or(u32::MAX),
    }
}

/// A name as it may be kept.
pub fn display_name(name: &str) -> Result<&str, Problem> {
    let name = name.trim();
    let len = name.chars().count();
    if len == 0 || len > limits::SPACE_NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(Problem::new(
            Code::BadName,
            "A name is 1 to 120 characters, without control characters.",
        ));
    }
    Ok(name)
}
