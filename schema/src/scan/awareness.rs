//! Owns the judgement on awareness updates (y-protocols); must not know who may speak for which client.

use super::{clock, distinct};
use crate::fault::{Fault, FaultCode};
use crate::lib0::Reader;
use crate::limits::{AWARENESS_DEPTH_MAX, AWARENESS_ENTRIES_MAX, AWARENESS_STATE_BYTES_MAX};

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
/// Errors: `too_many`, `too_long`, `too_deep`, `bad_json`, `clock_overflow`, `duplicate_client`,
/// `trailing_bytes` and those of [`Reader`].
pub fn scan_awareness(bytes: &[u8]) -> Result<Vec<AwarenessEntry<'_>>, Fault> {
    let mut reader = Reader::new(bytes);
    // Client, clock, and a state of one byte behind its length.
    let count = reader.count(4, AWARENESS_ENTRIES_MAX)?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let client = reader.var_u64()?;
        let clock = clock(&mut reader)?;
        let at = reader.pos();
        let state = reader.str()?;
        check_state(state).map_err(|code| Fault::new(code, at))?;
        entries.push(AwarenessEntry { client, clock, state });
    }
    reader.end()?;
    distinct(entries.iter().map(|entry| entry.client), reader.pos())?;
    Ok(entries)
}

/// Judges what a client says of itself: a JSON object, or `null`, within the limits.
///
/// Errors: `too_long`, `bad_json`, `too_deep`.
pub fn check_state(state: &str) -> Result<(), FaultCode> {
    if state == "null" {
        return Ok(());
    }
    if state.len() > AWARENESS_STATE_BYTES_MAX {
        return Err(FaultCode::TooLong);
    }
    // serde_json refuses more than 128 levels by itself, so parsing first is safe.
    let value: serde_json::Value = serde_json::from_str(state).map_err(|_| FaultCode::BadJson)?;
    if !value.is_object() {
        return Err(FaultCode::BadJson);
    }
    if depth(&value) > AWARENESS_DEPTH_MAX {
        return Err(FaultCode::TooDeep);
    }
    Ok(())
}

/// How many objects and arrays stand in each other.
fn depth(value: &serde_json::Value) -> u32 {
    let inner = match value {
        serde_json::Value::Object(map) => map.values().map(depth).max(),
        serde_json::Value::Array(items) => items.iter().map(depth).max(),
        _ => return 0,
    };
    inner.unwrap_or(0).saturating_add(1)
}
