//! Owns the JSON bodies of the HTTP interface (SPEC H1–H6); must not know routes, storage or the document.
//! Times are RFC 3339 in UTC with milliseconds, sizes are bytes, durations milliseconds.

use std::collections::BTreeMap;

use crate::journal::{Activity, Attendance, JournalItem};
use crate::webhook::{
    CreateWebhook, DeadLetter, Delivery, NewWebhook, Ping, Pinged, RetriedDeadLetters, SetWebhook,
    WebhookInfo,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A space, as lists and `GET /api/v1/spaces/{id}` show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpaceInfo {
    /// The space's id.
    pub id: String,
    /// What people call it; the id until somebody renames it.
    pub name: String,
    /// Random id of the space's history; another one means that local copies must not be merged.
    pub epoch: String,
    /// Number of the newest event.
    pub seq: i64,
    /// The oldest state that is still offered is that after this event; 0 = the beginning.
    pub oldest_seq: i64,
    /// When the space came into being.
    pub created_at: String,
    /// Members present now.
    pub members: u32,
}

/// A member of a space: somebody who is there, or was a moment ago.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberInfo {
    /// 32 hexadecimal digits; the journal's `member`.
    pub member: String,
    /// Who it is; several members may be one user.
    pub user: String,
    /// Its name.
    pub name: String,
    /// `viewer`, `editor` or `admin`.
    pub role: String,
    /// True while its connection is lost and its grace has not ended.
    pub away: bool,
    /// When it joined.
    pub joined_at: String,
    /// What it says of itself.
    pub state: Value,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Page_of_{T}")]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// What to send as `after` for the next page; null on the last one.
    pub next: Option<String>,
}

/// An entity and all its components.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entity {
    /// The entity's id.
    pub id: String,
    /// Component name to value.
    pub components: BTreeMap<String, Value>,
}

/// The body of `POST …/entities` and `PUT …/entities/{eid}`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteEntity {
    /// The id to use; random when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Component name to value.
    #[serde(default)]
    pub components: BTreeMap<String, Value>,
}

/// The body of `POST /api/v1/spaces`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSpace {
    /// The id to use; random when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What people call it; the id when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The body of `PATCH /api/v1/spaces/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameSpace {
    /// The new name.
    pub name: String,
}

/// The answer to an edit: it is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Written {
    /// The id of the entity that was made; only in the answer to `POST …/entities`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The event that holds the edit, or a later one; the newest when there was nothing to change.
    pub seq: i64,
}

/// A whole space as JSON.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// Entity id to components by name.
    pub entities: BTreeMap<String, BTreeMap<String, Value>>,
    /// Entity id to the strokes of its whiteboard; boards without strokes are left out.
    pub strokes: BTreeMap<String, Vec<Value>>,
}

/// What a compaction did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CompactResult {
    /// The space.
    pub space: String,
    /// The snapshot holds everything up to this event.
    pub covered_seq: i64,
    /// Update rows before.
    pub rows_before: u64,
    /// Update rows after.
    pub rows_after: u64,
    /// Bytes of update rows before.
    pub log_bytes_before: u64,
    /// Bytes of update rows after.
    pub log_bytes_after: u64,
    /// Bytes of the newest snapshot before; 0 when there was none.
    pub snapshot_bytes_before: u64,
    /// Bytes of the newest snapshot after; as before when there was nothing to compact.
    pub snapshot_bytes_after: u64,
    /// How long it took.
    pub duration_ms: u64,
    /// Canonical content hash of the snapshot, hex; empty when there is none.
    pub hash: String,
    /// True when nothing was changed.
    pub dry_run: bool,
    /// The same in one sentence.
    pub summary: String,
}

/// What a space costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpaceStats {
    /// The space.
    pub space: String,
    /// Number of the newest event.
    pub seq: i64,
    /// Update rows since the snapshot.
    pub rows: u64,
    /// Bytes of those rows.
    pub log_bytes: u64,
    /// Bytes of the newest snapshot; 0 when there is none.
    pub snapshot_bytes: u64,
    /// What the snapshot covers; 0 when there is none.
    pub snapshot_seq: i64,
    /// The oldest state that is still offered is that after this event; 0 = the beginning.
    pub oldest_seq: i64,
    /// Bytes of all snapshots and sealed events: what a retention in bytes is compared with.
    pub history_bytes: u64,
    /// Days of its past that the space keeps; 0 = all, null = as the server is told.
    pub keep_days: Option<u64>,
    /// What its past may weigh; 0 = anything, null = as the server is told.
    pub keep_bytes: Option<u64>,
    /// Members present now.
    pub members: u32,
    /// Estimated memory of the loaded document; 0 when it is not loaded.
    pub memory_bytes: u64,
    /// Whether this node has the space in memory.
    pub loaded: bool,
}

/// An error body, `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// A URI that names the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words; the same for every problem of this type.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// A word for programs, in snake case.
    pub code: String,
    /// Finds the request in the logs.
    pub request_id: String,
    /// When it is worth trying again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// The JSON Schemas of all bodies by name, as `components.schemas` of an OpenAPI document.
pub fn json_schemas() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    generator.subschema_for::<SpaceInfo>();
    generator.subschema_for::<Page<SpaceInfo>>();
    generator.subschema_for::<Page<SpaceStats>>();
    generator.subschema_for::<Page<MemberInfo>>();
    generator.subschema_for::<Page<JournalItem>>();
    generator.subschema_for::<Page<Attendance>>();
    generator.subschema_for::<Activity>();
    generator.subschema_for::<Page<Entity>>();
    generator.subschema_for::<Page<Value>>();
    generator.subschema_for::<WriteEntity>();
    generator.subschema_for::<CreateSpace>();
    generator.subschema_for::<RenameSpace>();
    generator.subschema_for::<Written>();
    generator.subschema_for::<Document>();
    generator.subschema_for::<CompactResult>();
    generator.subschema_for::<CreateWebhook>();
    generator.subschema_for::<NewWebhook>();
    generator.subschema_for::<SetWebhook>();
    generator.subschema_for::<WebhookInfo>();
    generator.subschema_for::<Page<WebhookInfo>>();
    generator.subschema_for::<Page<DeadLetter>>();
    generator.subschema_for::<RetriedDeadLetters>();
    generator.subschema_for::<Pinged>();
    generator.subschema_for::<Delivery>();
    generator.subschema_for::<Ping>();
    generator.subschema_for::<Problem>();
    Value::Object(generator.take_definitions(true))
}
