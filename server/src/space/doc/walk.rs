//! Reading the document: our own walk, never `to_json`, so that no stored shape can make a read run for ever or
//! deep. What does not fit the layout of design §3 is left out, not an error.

use super::{Encoding, Refused, STROKES_PREFIX, SpaceDoc};
use crate::limits;
use base64::Engine;
use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use thexr_schema::content::Content;
use thexr_schema::limits::STROKES_PER_BOARD_MAX;
use yrs::{Any, Array, ArrayRef, Map as _, MapRef, Out, ReadTxn, Transact, any};

/// Components by name.
pub type Components = Map<String, Value>;

impl SpaceDoc {
    /// The components of one entity.
    pub fn entity(&self, id: &str) -> Option<Components> {
        let txn = self.doc.transact();
        match self.entities.get(&txn, id) {
            Some(Out::YMap(map)) => Some(components(&txn, &map)),
            _ => None,
        }
    }

    /// True when the entity is there.
    pub fn has_entity(&self, id: &str) -> bool {
        matches!(self.entities.get(&self.doc.transact(), id), Some(Out::YMap(_)))
    }

    /// Up to `limit` entities after id `after`, of those that have `component` (when given), by id.
    pub fn entities(
        &self,
        after: Option<&str>,
        limit: usize,
        component: Option<&str>,
    ) -> Vec<(String, Components)> {
        let txn = self.doc.transact();
        let mut found: Vec<(&str, MapRef)> = self
            .entities
            .iter(&txn)
            .filter(|(id, _)| after.is_none_or(|after| *id > after))
            .filter_map(|(id, out)| match out {
                Out::YMap(map) => Some((id, map)),
                _ => None,
            })
            .filter(|(_, map)| component.is_none_or(|name| map.get(&txn, name).is_some()))
            .collect();
        found.sort_unstable_by_key(|(id, _)| *id);
        found.truncate(limit);
        found
            .into_iter()
            .map(|(id, map)| (id.to_owned(), components(&txn, &map)))
            .collect()
    }

    /// How many entities there are.
    pub fn entity_count(&self) -> usize {
        self.entities.len(&self.doc.transact()) as usize
    }

    /// Up to `limit` strokes of a board from index `from`; `None` when there is no such board.
    pub fn strokes(&self, board: &str, from: usize, limit: usize) -> Option<Vec<Value>> {
        let txn = self.doc.transact();
        let array = board_array(&txn, board)?;
        Some(strokes(&txn, &array).skip(from).take(limit).collect())
    }

    /// The whole document: `{"entities": {id: {component: value}}, "strokes": {entity id: […]}}`, keys sorted.
    pub fn to_json(&self) -> Value {
        let txn = self.doc.transact();
        let mut entities: BTreeMap<String, Value> = BTreeMap::new();
        for (id, out) in self.entities.iter(&txn) {
            if let Out::YMap(map) = out {
                entities.insert(id.to_owned(), Value::Object(components(&txn, &map)));
            }
        }
        let mut boards: BTreeMap<String, Value> = BTreeMap::new();
        for (name, array) in self::boards(&txn) {
            let all: Vec<Value> = strokes(&txn, &array).collect();
            if !all.is_empty() {
                boards.insert(name, Value::Array(all));
            }
        }
        let mut root = Map::new();
        root.insert("entities".into(), Value::Object(entities.into_iter().collect()));
        root.insert("strokes".into(), Value::Object(boards.into_iter().collect()));
        Value::Object(root)
    }

    /// The text of [`SpaceDoc::to_json`] for the document that this update makes. Most often it is read from the bytes, at
    /// a quarter of what it costs to build the document and walk it.
    pub fn json_of(update: &[u8]) -> Result<Vec<u8>, Refused> {
        if let Some(json) = Content::read(update).and_then(|content| content.to_json()) {
            return Ok(json);
        }
        let doc = Self::from_stored(0, Some((Encoding::V1, update)), std::iter::empty())?;
        Ok(doc.to_json().to_string().into_bytes())
    }

    /// SHA-256 of the canonical content: the JSON of [`SpaceDoc::to_json`] with numbers as f64 and keys sorted, so
    /// that two documents with the same content agree whatever their history (integers beyond 2³¹ change type when
    /// they are encoded and read again).
    pub fn content_hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        canonical(&self.to_json(), &mut hash);
        hash.finalize().into()
    }
}

/// Every board that has or had ink, by the id of its entity.
pub(super) fn boards<T: ReadTxn>(txn: &T) -> Vec<(String, ArrayRef)> {
    txn.root_refs()
        .filter_map(|(name, _)| name.strip_prefix(STROKES_PREFIX))
        .filter_map(|board| Some((board.to_owned(), board_array(txn, board)?)))
        .collect()
}

fn board_array<T: ReadTxn>(txn: &T, board: &str) -> Option<ArrayRef> {
    txn.get_array(format!("{STROKES_PREFIX}{board}").as_str())
}

pub(super) fn strokes<'a, T: ReadTxn>(txn: &'a T, array: &'a ArrayRef) -> impl Iterator<Item = Value> + 'a {
    array
        .iter(txn)
        .take(STROKES_PER_BOARD_MAX)
        .filter_map(|out| match out {
            Out::Any(any @ Any::Map(_)) => Some(json(&any, 0)),
            _ => None,
        })
}

pub(super) fn components<T: ReadTxn>(txn: &T, map: &MapRef) -> Components {
    let mut sorted: Vec<(&str, Value)> = map
        .iter(txn)
        .filter_map(|(name, out)| match out {
            Out::Any(any) => Some((name, json(&any, 0))),
            _ => None,
        })
        .collect();
    sorted.sort_unstable_by(|a, b| a.0.cmp(b.0));
    sorted
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// One JSON value; buffers become base64 strings, numbers that JSON lacks become null.
pub(super) fn json(value: &Any, depth: usize) -> Value {
    if depth > limits::VALUE_DEPTH_MAX {
        return Value::Null;
    }
    match value {
        Any::Null | Any::Undefined => Value::Null,
        Any::Bool(b) => Value::Bool(*b),
        Any::Number(any::Number::Int(n)) => Value::Number((*n).into()),
        Any::Number(any::Number::Float(f)) => number(*f),
        Any::String(s) => Value::String(s.to_string()),
        Any::Buffer(bytes) => Value::String(base64::engine::general_purpose::STANDARD.encode(bytes)),
        Any::Array(items) => Value::Array(items.iter().map(|item| json(item, depth + 1)).collect()),
        Any::Map(map) => {
            let sorted: BTreeMap<&String, &Any> = map.iter().collect();
            Value::Object(
                sorted
                    .into_iter()
                    .map(|(key, item)| (key.clone(), json(item, depth + 1)))
                    .collect(),
            )
        }
    }
}

/// A float as JSON: whole numbers within 2⁵³ print without a fraction, as JavaScript does.
fn number(f: f64) -> Value {
    if f.fract() == 0.0 && f.abs() <= 9_007_199_254_740_992.0 {
        return Value::Number((f as i64).into());
    }
    Number::from_f64(f).map_or(Value::Null, Value::Number)
}

fn canonical(value: &Value, hash: &mut Sha256) {
    match value {
        Value::Null => hash.update(b"n"),
        Value::Bool(b) => hash.update(if *b { b"t" } else { b"f" }),
        Value::Number(n) => {
            hash.update(b"d");
            // Adding zero folds -0.0 into 0.0, which one trip through the engine does too.
            hash.update((n.as_f64().unwrap_or(0.0) + 0.0).to_bits().to_le_bytes());
        }
        Value::String(s) => {
            hash.update(b"s");
            hash.update((s.len() as u64).to_le_bytes());
            hash.update(s.as_bytes());
        }
        Value::Array(items) => {
            hash.update(b"a");
            hash.update((items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| canonical(item, hash));
        }
        Value::Object(map) => {
            hash.update(b"o");
            hash.update((map.len() as u64).to_le_bytes());
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            for (key, item) in sorted {
                hash.update((key.len() as u64).to_le_bytes());
                hash.update(key.as_bytes());
                canonical(item, hash);
            }
        }
    }
}
