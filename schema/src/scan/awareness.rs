//! Owns the judgement on awareness updates (y-protocols); must not know who may speak for which client.

use super::{clock, distinct};
use crate::fault::{Fault, FaultCode};
use crate::lib0::Reader;
use crate::limits::{AWARENESS_DEPTH_MAX, AWARENESS_ENTRIES_MAX, AWARENESS_STATE_BYTES_MAX};
use serde_json::{Map, Value};

/// One client's awareness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwarenessEntry<'a> {
    /// The client it speaks of. Whether the sender may is the caller's question.
    pub client: u64,
    /// Its age; below 2^31, so that a receiver can add one.
    pub clock: u32,
    /// A JSON object, or `null` for "gone".
    pub state: &'a str,
}

/// Judges an awareness update (SPEC S7).
///
/// Errors: those of [`split_awareness`] and [`parse_state`].
pub fn scan_awareness(bytes: &[u8]) -> Result<Vec<AwarenessEntry<'_>>, Fault> {
    let entries = split_awareness(bytes)?;
    for entry in &entries {
        parse_state(entry.state).map_err(|code| Fault::new(code, 0))?;
    }
    Ok(entries)
}

/// Judges everything but the states, which cost far more and which nobody needs to look into when they are not news:
/// stock clients echo whatever they hear.
///
/// Errors: `too_many`, `clock_overflow`, `duplicate_client`, `trailing_bytes` and those of [`Reader`].
pub fn split_awareness(bytes: &[u8]) -> Result<Vec<AwarenessEntry<'_>>, Fault> {
    let mut reader = Reader::new(bytes);
    // Client, clock, and a state of one byte behind its length.
    let count = reader.count(4, AWARENESS_ENTRIES_MAX)?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let client = reader.var_u64()?;
        let clock = clock(&mut reader)?;
        let state = reader.str()?;
        entries.push(AwarenessEntry { client, clock, state });
    }
    reader.end()?;
    distinct(entries.iter().map(|entry| entry.client), reader.pos())?;
    Ok(entries)
}

/// Judges what a client says of itself: a JSON object within the limits, or `null`, which gives none.
///
/// Errors: `too_long`, `bad_json`, `too_deep`.
pub fn parse_state(state: &str) -> Result<Option<Map<String, Value>>, FaultCode> {
    if state == "null" {
        return Ok(None);
    }
    if state.len() > AWARENESS_STATE_BYTES_MAX {
        return Err(FaultCode::TooLong);
    }
    // serde_json refuses more than 128 levels by itself, so parsing first is safe.
    let value: Value = serde_json::from_str(state).map_err(|_| FaultCode::BadJson)?;
    if depth(&value) > AWARENESS_DEPTH_MAX {
        return Err(FaultCode::TooDeep);
    }
    match value {
        Value::Object(map) => Ok(Some(map)),
        _ => Err(FaultCode::BadJson),
    }
}

/// How many objects and arrays stand in each other.
fn depth(value: &Value) -> u32 {
    let inner = match value {
        Value::Object(map) => map.values().map(depth).max(),
        Value::Array(items) => items.iter().map(depth).max(),
        _ => return 0,
    };
    inner.unwrap_or(0).saturating_add(1)
}
