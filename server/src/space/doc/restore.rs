//! Making the present like a moment of the past, as one ordinary edit: history goes on, it is never rewritten.

use super::edit::Edited;
use super::{STROKES_PREFIX, SpaceDoc, walk};
use crate::limits;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use yrs::types::map::MapPrelim;
use yrs::{Any, Array, ArrayRef, Map, Out, Transact, TransactionMut};

/// What a document holds, free of the document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    /// Entities and their components.
    pub entities: BTreeMap<String, BTreeMap<String, Any>>,
    /// Strokes in order, by board.
    pub boards: BTreeMap<String, Vec<Any>>,
}

impl SpaceDoc {
    /// Everything in it that readers see.
    pub fn content(&self) -> Content {
        let txn = self.doc.transact();
        let components = |map: &yrs::MapRef| {
            map.iter(&txn)
                .filter_map(|(name, out)| match out {
                    Out::Any(any) => Some((name.to_owned(), any)),
                    _ => None,
                })
                .collect()
        };
        let entities = self.entities.iter(&txn).filter_map(|(id, out)| match out {
            Out::YMap(map) => Some((id.to_owned(), components(&map))),
            _ => None,
        });
        Content {
            entities: entities.collect(),
            boards: walk::boards(&txn)
                .into_iter()
                .map(|(board, array)| (board, values(&txn, &array)))
                .collect(),
        }
    }

    /// Makes it hold `content` and nothing else, with one update that touches only what differs. What others do at the
    /// same time merges as with any edit.
    pub fn restore(&mut self, content: &Content) -> Edited {
        let doc = self.doc.clone();
        let mut txn = doc.transact_mut();
        let mut changed = self.restore_entities(&mut txn, content);
        let none = Vec::new();
        let live: BTreeMap<String, ArrayRef> = walk::boards(&txn).into_iter().collect();
        for (board, array) in &live {
            let wanted = content.boards.get(board).unwrap_or(&none);
            changed |= restore_board(&mut txn, array, wanted);
        }
        for (board, wanted) in &content.boards {
            if !live.contains_key(board) && !wanted.is_empty() {
                let root = format!("{STROKES_PREFIX}{board}");
                let array = yrs::WriteTxn::get_or_insert_array(&mut txn, root.as_str());
                changed |= restore_board(&mut txn, &array, wanted);
            }
        }
        if !changed {
            return Edited::Unchanged;
        }
        let update = Bytes::from(txn.encode_update_v1());
        drop(txn);
        self.take_clocks();
        self.changed(update.len(), true);
        Edited::Done(update)
    }

    fn restore_entities(&self, txn: &mut TransactionMut, content: &Content) -> bool {
        let keys = self.entities.keys(txn).map(str::to_owned);
        let gone: Vec<String> = keys.filter(|id| !content.entities.contains_key(id)).collect();
        let mut changed = !gone.is_empty();
        for id in gone {
            self.entities.remove(txn, &id);
        }
        for (id, components) in &content.entities {
            let map = match self.entities.get(txn, id) {
                Some(Out::YMap(map)) => map,
                _ => {
                    changed = true;
                    self.entities.insert(txn, id.as_str(), MapPrelim::default())
                }
            };
            let keys = map.keys(txn).map(str::to_owned);
            let gone: BTreeSet<String> = keys.filter(|name| !components.contains_key(name)).collect();
            changed |= !gone.is_empty();
            for name in gone {
                map.remove(txn, &name);
            }
            for (name, value) in components {
                if !matches!(map.get(txn, name), Some(Out::Any(old)) if old == *value) {
                    map.insert(txn, name.as_str(), value.clone());
                    changed = true;
                }
            }
        }
        changed
    }
}

/// What readers see of a board.
fn values<T: yrs::ReadTxn>(txn: &T, array: &ArrayRef) -> Vec<Any> {
    array
        .iter(txn)
        .filter_map(|out| match out {
            Out::Any(any @ Any::Map(_)) => Some(any),
            _ => None,
        })
        .collect()
}

/// Takes out what was not there and puts in what was, at its place: what is on both sides stays the item it is, so
/// that somebody's undo of it still works.
fn restore_board(txn: &mut TransactionMut, array: &ArrayRef, wanted: &[Any]) -> bool {
    let live: Vec<Option<String>> = array
        .iter(txn)
        .map(|out| match out {
            Out::Any(any @ Any::Map(_)) => Some(name(&any)),
            _ => None,
        })
        .collect();
    let wanted_names: Vec<String> = wanted.iter().map(name).collect();
    let mut due: HashMap<&str, usize> = HashMap::new();
    for name in &wanted_names {
        *due.entry(name).or_default() += 1;
    }
    let mut stays: Vec<bool> = Vec::with_capacity(live.len());
    for name in &live {
        let left = name
            .as_deref()
            .and_then(|name| due.get_mut(name))
            .filter(|left| **left > 0);
        stays.push(left.is_some());
        if let Some(left) = left {
            *left -= 1;
        }
    }
    let rest: Vec<&String> = live
        .iter()
        .zip(&stays)
        .filter(|(_, stays)| **stays)
        .filter_map(|(name, _)| name.as_ref())
        .collect();
    // Arrays never change the order of what is in them, so what stays is in order; unless an earlier restore met
    // somebody else's edit, and then all of it is put anew.
    let mut rest = rest.into_iter().peekable();
    let mut there: Vec<bool> = wanted_names
        .iter()
        .map(|name| rest.next_if(|next| *next == name).is_some())
        .collect();
    let in_order = rest.peek().is_none();
    // Each run costs a walk through the board: with many, all of it is put anew, which is two.
    if !in_order || cuts(&stays) + cuts(&there) > limits::RESTORE_RUNS_MAX {
        stays.fill(false);
        there.fill(false);
    }
    let mut changed = false;
    let mut end = live.len();
    for run in stays.chunk_by(|a, b| a == b).rev() {
        let start = end - run.len();
        if !run[0] {
            array.remove_range(txn, index(start), index(run.len()));
            changed = true;
        }
        end = start;
    }
    let mut start = 0;
    for run in there.chunk_by(|a, b| a == b) {
        let end = start + run.len();
        if !run[0] {
            array.insert_range(txn, index(start), wanted[start..end].to_vec());
            changed = true;
        }
        start = end;
    }
    changed
}

fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// How often what stays and what does not take turns.
fn cuts(stays: &[bool]) -> usize {
    stays.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// The same for two strokes that are the same to every reader.
fn name(stroke: &Any) -> String {
    walk::json(stroke, 0).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::doc::edit::Edit;
    use crate::space::doc::{CheckedUpdate, Encoding, Keep};
    use serde_json::{Value, json};

    fn put(doc: &mut SpaceDoc, entity: &str, component: &str, value: Value) {
        doc.edit(&Edit::Put {
            entity: entity.into(),
            component: component.into(),
            value,
        });
    }

    fn draw(doc: &SpaceDoc, at: u32, id: &str) {
        let board = doc.doc.get_or_insert_array("strokes:board");
        let stroke = Any::from_json(&json!({"id": id, "points": [1, 2]}).to_string()).expect("json");
        board.insert(&mut doc.doc.transact_mut(), at, stroke);
    }

    fn copy(doc: &SpaceDoc, client: u64) -> SpaceDoc {
        let all = doc.encode(Encoding::V1);
        SpaceDoc::from_stored(client, Some((Encoding::V1, &all)), std::iter::empty()).expect("loads")
    }

    #[test]
    fn the_present_becomes_the_past_and_others_understand_how() {
        let mut doc = SpaceDoc::new(1);
        put(&mut doc, "lamp", "light", json!({"kind": "point"}));
        put(&mut doc, "lamp", "name", json!("a"));
        put(&mut doc, "door", "name", json!("b"));
        for (at, id) in ["s0", "s1", "s2", "s2"].iter().enumerate() {
            draw(&doc, at as u32, id);
        }
        let then = doc.content();
        let hash = doc.content_hash();
        put(&mut doc, "lamp", "light", json!(null));
        put(&mut doc, "lamp", "new", json!(1));
        put(&mut doc, "tree", "name", json!("c"));
        doc.edit(&Edit::Delete {
            entity: "door".into(),
        });
        let board = doc.doc.get_or_insert_array("strokes:board");
        board.remove_range(&mut doc.doc.transact_mut(), 1, 2);
        draw(&doc, 0, "s9");
        let mut other = copy(&doc, 2);
        let Edited::Done(update) = doc.restore(&then) else {
            panic!("nothing was done")
        };
        assert_eq!(doc.content_hash(), hash);
        assert_eq!(doc.content(), then);
        let update = CheckedUpdate::parse(update).expect("passes our own scanner");
        other.apply(&update, Keep::Received).expect("applies");
        assert_eq!(other.content_hash(), hash);
        assert_eq!(doc.restore(&then), Edited::Unchanged);
    }

    #[test]
    fn what_is_on_both_sides_is_not_touched() {
        let mut doc = SpaceDoc::new(1);
        for at in 0..100 {
            draw(&doc, at, &format!("s{at}"));
        }
        let then = doc.content();
        draw(&doc, 50, "new");
        let Edited::Done(update) = doc.restore(&then) else {
            panic!("nothing was done")
        };
        assert!(
            update.len() < 20,
            "one deletion, not a hundred strokes: {} bytes",
            update.len()
        );
    }

    /// Regression: each stroke cost a walk and a gigabyte was not enough for sixteen thousand; then each stroke that
    /// came back between two others did.
    #[test]
    fn a_large_board_is_restored_in_a_few_steps() {
        let mut doc = SpaceDoc::new(1);
        let stroke = |n: usize| Any::from_json(&json!({"id": format!("s{n}")}).to_string()).expect("json");
        let board = doc.doc.get_or_insert_array("strokes:board");
        board.insert_range(&mut doc.doc.transact_mut(), 0, (0..20_000).map(stroke));
        let full = doc.content();
        let mut odd = full.clone();
        let strokes = odd.boards.get_mut("board").expect("the board");
        *strokes = strokes.iter().step_by(2).cloned().collect();
        for (wanted, puts) in [(&odd, 1), (&full, 1), (&Content::default(), 0), (&full, 1)] {
            let Edited::Done(update) = doc.restore(wanted) else {
                panic!("nothing was done")
            };
            let steps = thexr_schema::scan::scan_update(&update).expect("our own").structs;
            assert_eq!(steps, puts, "all of it anew, in one piece");
            assert_eq!(
                doc.content().boards.get("board").filter(|b| !b.is_empty()),
                wanted.boards.get("board")
            );
        }
    }

    #[test]
    fn an_order_that_cannot_be_kept_is_made_anew() {
        let mut doc = SpaceDoc::new(1);
        for (at, id) in ["a", "b", "c"].iter().enumerate() {
            draw(&doc, at as u32, id);
        }
        let mut then = doc.content();
        then.boards.get_mut("board").expect("the board").reverse();
        assert!(matches!(doc.restore(&then), Edited::Done(_)));
        assert_eq!(doc.content(), then);
    }
}
