//! JSON to the engine's values, and a document to JSON.

use serde_json::Value;
use std::sync::Arc;
use thexr::space::doc::{Encoding, SpaceDoc};
use yrs::any::Number;
use yrs::{Any, Doc, ReadTxn, StateVector, Transact};

/// A component as the engine keeps it. `{"$bytes": [1, 2]}` becomes a `Uint8Array`.
pub fn any(value: &Value) -> Any {
    match value {
        Value::Null => Any::Null,
        Value::Bool(b) => Any::Bool(*b),
        Value::Number(n) => Any::Number(match n.as_i64() {
            Some(i) if i.unsigned_abs() < 1 << 31 => Number::Int(i),
            _ => Number::Float(n.as_f64().unwrap_or(0.0)),
        }),
        Value::String(s) => Any::String(Arc::from(s.as_str())),
        Value::Array(items) => Any::Array(items.iter().map(any).collect()),
        Value::Object(map) => match map.get("$bytes").and_then(Value::as_array) {
            Some(bytes) => Any::Buffer(bytes.iter().map(|b| b.as_u64().unwrap_or(0) as u8).collect()),
            None => Any::Map(Arc::new(map.iter().map(|(k, v)| (k.clone(), any(v))).collect())),
        },
    }
}

/// A stroke of `points` packed points.
pub fn stroke(id: &str, points: usize) -> Value {
    let path: Vec<[f64; 3]> = (0..points)
        .map(|i| [i as f64, (i * i % 97) as f64, 128.0])
        .collect();
    serde_json::json!({
        "id": id, "by": "ann", "color": "#112233", "size": 4, "tool": "pen",
        "points": {"$bytes": thexr_schema::stroke::pack(&path)},
    })
}

/// A replica's content as the server would show it (SPEC H3), its clocks, and a hash of the content.
pub fn content(doc: &Doc) -> Content {
    let update = doc.transact().encode_diff_v1(&StateVector::default());
    of_update(&update)
}

/// The content of a full state.
///
/// # Panics
/// When the update is not one.
pub fn of_update(update: &[u8]) -> Content {
    let doc = SpaceDoc::from_stored(1, Some((Encoding::V1, update)), std::iter::empty())
        .expect("a replica has no pending updates");
    of_space(&doc)
}

/// The content of a server's document.
pub fn of_space(doc: &SpaceDoc) -> Content {
    Content {
        json: doc.to_json(),
        clocks: doc.clocks(),
        hash: doc.content_hash(),
    }
}

/// What two replicas that have converged agree in.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// SPEC H3.
    pub json: Value,
    /// The state vector, sorted.
    pub clocks: Vec<(u64, u32)>,
    /// The canonical hash.
    pub hash: [u8; 32],
}
