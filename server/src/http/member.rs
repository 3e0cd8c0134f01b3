//! Who is in a space, and the way out for one of them.

use super::auth::Admin;
use super::input::{InMember, InSpace};
use super::problem::Problem;
use crate::clock::rfc3339;
use crate::{App, journal, space};
use axum::Json;
use axum::extract::State;
use thexr_schema::api::{MemberInfo, Page, Written};

/// `GET /api/v1/spaces/{space}/members`: all of them, a space has a bounded number.
pub async fn list(State(app): State<App>, InSpace(id): InSpace) -> Result<Json<Page<MemberInfo>>, Problem> {
    let members = app.spaces.get(&id).await?.members().await?;
    let items = members.into_iter().map(shown).collect();
    Ok(Json(Page { items, next: None }))
}

/// `DELETE /api/v1/admin/spaces/{space}/members/{member}`: its connection ends with 4411, and it has left.
pub async fn kick(
    _: Admin,
    State(app): State<App>,
    InMember(id, member): InMember,
) -> Result<Json<Written>, Problem> {
    let done = app.spaces.get(&id).await?.kick(member).await?;
    Ok(Json(Written {
        id: None,
        seq: done.seq.0,
    }))
}

fn shown(member: space::MemberInfo) -> MemberInfo {
    MemberInfo {
        member: member.member,
        user: member.user.to_string(),
        name: member.name.to_string(),
        role: journal::role(member.role.into()).to_owned(),
        away: member.away,
        joined_at: rfc3339(member.joined_at),
        state: serde_json::from_str(&member.state).unwrap_or_default(),
    }
}
