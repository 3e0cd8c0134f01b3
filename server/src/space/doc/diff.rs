//! What is different between two documents, in the words of the document.

use super::{SpaceDoc, walk};
use crate::limits;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use yrs::{Out, Transact};

/// Differences collected so far, and how many more there are.
#[derive(Default)]
struct Found {
    listed: usize,
    more: usize,
}

impl Found {
    /// True while there is room for another one.
    fn room(&mut self) -> bool {
        let room = self.listed < limits::DIFF_ITEMS_MAX;
        self.listed += usize::from(room);
        self.more += usize::from(!room);
        room
    }
}

/// From `old` to `new`, as `GET …/diff` shows it: entities that came, went and changed, each component with its value
/// before and after, and per whiteboard the ids of strokes that came and went.
pub fn diff(old: &SpaceDoc, new: &SpaceDoc) -> Value {
    let (before, after) = (old.all_entities(), new.all_entities());
    let mut found = Found::default();
    let (mut added, mut removed, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for (id, components) in &after {
        match before.get(id) {
            None if found.room() => added.push(json!({"id": id, "components": components})),
            Some(was) if was != components && found.room() => {
                changed.push(json!({"id": id, "components": components_diff(was, components)}));
            }
            _ => {}
        }
    }
    for (id, components) in &before {
        if !after.contains_key(id) && found.room() {
            removed.push(json!({"id": id, "components": components}));
        }
    }
    let (before, after) = (old.all_strokes(), new.all_strokes());
    let mut boards = Map::new();
    for board in before.keys().chain(after.keys()) {
        let none = Vec::new();
        let (was, is) = (
            before.get(board).unwrap_or(&none),
            after.get(board).unwrap_or(&none),
        );
        if was != is && !boards.contains_key(board) && found.room() {
            boards.insert(board.clone(), strokes_diff(was, is));
        }
    }
    json!({
        "entities": {"added": added, "removed": removed, "changed": changed},
        "strokes": boards,
        "more": found.more,
    })
}

fn components_diff(was: &walk::Components, is: &walk::Components) -> Map<String, Value> {
    let names = was
        .keys()
        .chain(is.keys().filter(|name| !was.contains_key(*name)));
    names
        .filter(|name| was.get(*name) != is.get(*name))
        .map(|name| {
            let change = [("before", was.get(name)), ("after", is.get(name))];
            let there = change
                .into_iter()
                .filter_map(|(key, value)| Some((key.to_owned(), value?.clone())));
            (name.clone(), Value::Object(there.collect()))
        })
        .collect()
}

/// Strokes by their ids; one without an id counts and is not listed.
fn strokes_diff(was: &[Value], is: &[Value]) -> Value {
    let mut balance: HashMap<String, i64> = HashMap::new();
    for stroke in was {
        *balance.entry(stroke.to_string()).or_default() -= 1;
    }
    for stroke in is {
        *balance.entry(stroke.to_string()).or_default() += 1;
    }
    let id = |stroke: &Value| stroke["id"].as_str().map(str::to_owned);
    let of = |strokes: &[Value], sign: i64| {
        let mut left = balance.clone();
        let mut ids = Vec::new();
        let mut count = 0;
        for stroke in strokes {
            let balance = left.entry(stroke.to_string()).or_default();
            if *balance * sign > 0 {
                *balance -= sign;
                count += 1;
                ids.extend(id(stroke).filter(|_| count <= limits::DIFF_ITEMS_MAX));
            }
        }
        json!({"count": count, "ids": ids})
    };
    json!({"added": of(is, 1), "removed": of(was, -1)})
}

impl SpaceDoc {
    fn all_entities(&self) -> BTreeMap<String, walk::Components> {
        let txn = self.doc.transact();
        let entities = yrs::Map::iter(&self.entities, &txn);
        entities
            .filter_map(|(id, out)| match out {
                Out::YMap(map) => Some((id.to_owned(), walk::components(&txn, &map))),
                _ => None,
            })
            .collect()
    }

    fn all_strokes(&self) -> BTreeMap<String, Vec<Value>> {
        let txn = self.doc.transact();
        let boards = walk::boards(&txn);
        boards
            .into_iter()
            .map(|(board, array)| (board, walk::strokes(&txn, &array).collect()))
            .collect()
    }
}
