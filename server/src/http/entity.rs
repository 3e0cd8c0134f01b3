//! `/api/v1/spaces/{space}/entities`: reading and editing what is in a space. Every write is one update that all
//! members receive, and is answered once it is durable.

use super::etag;
use super::input::{AnyJson, InComponent, InEntity, InSpace, Json, Query, entity_id, page_len, random_id};
use super::problem::{Code, Problem};
use crate::App;
use crate::space::doc::SpaceDoc;
use crate::space::doc::edit::{Edit, NewComponents};
use crate::space::{Condition, SpaceHandle, Trouble};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use thexr_schema::api::{Entity, Page, WriteEntity, Written};
use thexr_schema::component::{ComponentFault, check_component};
use thexr_schema::ids::{SpaceId, component_name_ok};

/// As browsers make ids: 21 characters of 64, 126 random bits.
const LETTERS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";

/// The query of a list of entities.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListEntities {
    limit: Option<usize>,
    after: Option<String>,
    /// Only entities that have this component.
    component: Option<String>,
}

/// The query of a board's strokes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListStrokes {
    limit: Option<usize>,
    /// How many strokes to pass over, as `next` of the page before says.
    after: Option<usize>,
}

/// Runs `read` on the document and answers with its ETag, or 304, or 404 when what is asked for is not there.
async fn reading<T: serde::Serialize + Send + 'static>(
    space: &SpaceHandle,
    headers: &HeaderMap,
    read: impl FnOnce(&mut SpaceDoc) -> Result<T, Trouble> + Send + 'static,
) -> Result<Response, Problem> {
    if let Some(not_modified) = etag::unchanged(space, headers).await? {
        return Ok(not_modified);
    }
    let (found, seq) = space.read(read).await?;
    Ok(etag::tagged(&etag::of(space, seq), axum::Json(found?)))
}

/// Makes the edit, if If-Match allows it, and answers with the event that holds it.
async fn writing(app: &App, space: &SpaceId, headers: &HeaderMap, edit: Edit) -> Result<Response, Problem> {
    let space = app.spaces.get(space).await?;
    let done = space.edit(edit, etag::condition(&space, headers)).await?;
    let written = Written {
        id: None,
        seq: done.seq.0,
    };
    Ok(etag::tagged(&etag::of(&space, done.state), axum::Json(written)))
}

/// `GET …/entities`
pub async fn list(
    State(app): State<App>,
    InSpace(id): InSpace,
    Query(query): Query<ListEntities>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let len = page_len(query.limit)?;
    if query
        .component
        .as_deref()
        .is_some_and(|name| !component_name_ok(name))
    {
        return Err(fault(&ComponentFault::Name));
    }
    let space = app.spaces.get(&id).await?;
    reading(&space, &headers, move |doc| {
        let mut found = doc.entities(query.after.as_deref(), len + 1, query.component.as_deref());
        let more = found.len() > len;
        found.truncate(len);
        let next = found.last().filter(|_| more).map(|(id, _)| id.clone());
        let items = found.into_iter().map(|(id, components)| Entity {
            id,
            components: components.into_iter().collect(),
        });
        Ok(Page {
            items: items.collect(),
            next,
        })
    })
    .await
}

/// `POST …/entities`
pub async fn create(
    State(app): State<App>,
    InSpace(space): InSpace,
    Json(wish): Json<WriteEntity>,
) -> Result<Response, Problem> {
    let id = match &wish.id {
        Some(id) => entity_id(id)?.to_string(),
        None => random_id(LETTERS, 21),
    };
    let edit = Edit::Create {
        entity: id.clone(),
        components: checked(wish.components)?,
    };
    let handle = app.spaces.get(&space).await?;
    let done = handle.edit(edit, Condition::Always).await?;
    let location = [(header::LOCATION, format!("/api/v1/spaces/{space}/entities/{id}"))];
    let written = Written {
        id: Some(id),
        seq: done.seq.0,
    };
    let answer = (StatusCode::CREATED, location, axum::Json(written));
    Ok(etag::tagged(&etag::of(&handle, done.state), answer))
}

/// `GET …/entities/{entity}`
pub async fn show(
    State(app): State<App>,
    InEntity(space, entity): InEntity,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let space = app.spaces.get(&space).await?;
    reading(&space, &headers, move |doc| {
        let components = doc.entity(entity.as_str()).ok_or(Trouble::NoEntity)?;
        Ok(Entity {
            id: entity.into(),
            components: components.into_iter().collect(),
        })
    })
    .await
}

/// `PUT …/entities/{entity}`
pub async fn replace(
    State(app): State<App>,
    InEntity(space, entity): InEntity,
    headers: HeaderMap,
    Json(wish): Json<WriteEntity>,
) -> Result<Response, Problem> {
    if wish.id.is_some_and(|id| id != entity.as_str()) {
        return Err(Problem::new(
            Code::BadEntityId,
            "The id in the body is not that of the path.",
        ));
    }
    let components = checked(wish.components)?;
    let entity = entity.into();
    writing(&app, &space, &headers, Edit::Replace { entity, components }).await
}

/// `DELETE …/entities/{entity}`
pub async fn delete(
    State(app): State<App>,
    InEntity(space, entity): InEntity,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let entity = entity.into();
    writing(&app, &space, &headers, Edit::Delete { entity }).await
}

/// `GET …/entities/{entity}/strokes`
pub async fn strokes(
    State(app): State<App>,
    InEntity(space, entity): InEntity,
    Query(query): Query<ListStrokes>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let len = page_len(query.limit)?;
    let from = query.after.unwrap_or(0);
    let space = app.spaces.get(&space).await?;
    reading(&space, &headers, move |doc| {
        if !doc.has_entity(entity.as_str()) {
            return Err(Trouble::NoEntity);
        }
        let mut items = doc.strokes(entity.as_str(), from, len + 1).unwrap_or_default();
        let next = (items.len() > len).then(|| from.saturating_add(len).to_string());
        items.truncate(len);
        Ok(Page { items, next })
    })
    .await
}

/// `GET …/components/{component}`
pub async fn component(
    State(app): State<App>,
    InComponent(space, entity, component): InComponent,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let space = app.spaces.get(&space).await?;
    reading(&space, &headers, move |doc| {
        let mut components = doc.entity(entity.as_str()).ok_or(Trouble::NoEntity)?;
        components.shift_remove(&component).ok_or(Trouble::NoComponent)
    })
    .await
}

/// `PUT …/components/{component}`
pub async fn put_component(
    State(app): State<App>,
    InComponent(space, entity, component): InComponent,
    headers: HeaderMap,
    AnyJson(value): AnyJson,
) -> Result<Response, Problem> {
    check_component(&component, &value).map_err(|e| fault(&e))?;
    let edit = Edit::Put {
        entity: entity.into(),
        component,
        value,
    };
    writing(&app, &space, &headers, edit).await
}

/// `PATCH …/components/{component}`: a JSON merge patch. The space merges, so two patches at once both count.
pub async fn patch_component(
    State(app): State<App>,
    InComponent(space, entity, component): InComponent,
    headers: HeaderMap,
    AnyJson(patch): AnyJson,
) -> Result<Response, Problem> {
    let edit = Edit::Merge {
        entity: entity.into(),
        component,
        patch,
    };
    writing(&app, &space, &headers, edit).await
}

/// `DELETE …/components/{component}`
pub async fn delete_component(
    State(app): State<App>,
    InComponent(space, entity, component): InComponent,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let edit = Edit::Remove {
        entity: entity.into(),
        component,
    };
    writing(&app, &space, &headers, edit).await
}

fn checked(components: BTreeMap<String, Value>) -> Result<NewComponents, Problem> {
    for (name, value) in &components {
        check_component(name, value).map_err(|e| fault(&e))?;
    }
    Ok(components.into_iter().collect())
}

fn fault(fault: &ComponentFault) -> Problem {
    let code = match fault {
        ComponentFault::Name => Code::BadComponentName,
        ComponentFault::Limit(_) | ComponentFault::Value { .. } => Code::InvalidComponent,
    };
    Problem::said(code, fault)
}
