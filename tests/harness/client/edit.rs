//! What a client does to its replica: one transaction, one update, sent when it is online.

use super::Client;
use crate::value;
use serde_json::Value;
use thexr_schema::frame;
use yrs::types::map::MapPrelim;
use yrs::{Array, Map, MapRef, Out, Transact, TransactionMut};

impl Client {
    /// Makes an edit and sends it when online; gives the update.
    pub fn edit(&self, f: impl FnOnce(&mut TransactionMut<'_>, &MapRef)) -> Vec<u8> {
        let update = self.edit_quietly(f);
        if update != [0, 0] {
            self.send(frame::update(&update));
        }
        update
    }

    /// Makes an edit and keeps it to itself, as if the message had been lost.
    pub fn edit_quietly(&self, f: impl FnOnce(&mut TransactionMut<'_>, &MapRef)) -> Vec<u8> {
        let state = self.state();
        let entities = state.doc.get_or_insert_map(thexr::space::doc::ENTITIES);
        let mut txn = state.doc.transact_mut();
        f(&mut txn, &entities);
        txn.encode_update_v1()
    }

    /// Sets a component, making the entity when it is missing.
    pub fn set(&self, entity: &str, component: &str, value: &Value) -> Vec<u8> {
        let value = value::any(value);
        self.edit(|txn, entities| {
            let map = match entities.get(txn, entity) {
                Some(Out::YMap(map)) => map,
                _ => entities.insert(txn, entity, MapPrelim::default()),
            };
            map.insert(txn, component, value);
        })
    }

    /// Removes a component if it is there.
    pub fn remove(&self, entity: &str, component: &str) -> Vec<u8> {
        self.edit(|txn, entities| {
            if let Some(Out::YMap(map)) = entities.get(txn, entity) {
                map.remove(txn, component);
            }
        })
    }

    /// Deletes an entity and its strokes (SPEC D8).
    pub fn delete(&self, entity: &str) -> Vec<u8> {
        let board = self.board(entity);
        self.edit(|txn, entities| {
            entities.remove(txn, entity);
            let len = board.len(txn);
            board.remove_range(txn, 0, len);
        })
    }

    fn board(&self, entity: &str) -> yrs::ArrayRef {
        let name = format!("{}{entity}", thexr::space::doc::STROKES_PREFIX);
        self.state().doc.get_or_insert_array(name.as_str())
    }

    /// Appends a stroke.
    pub fn push_stroke(&self, entity: &str, stroke: &Value) -> Vec<u8> {
        let (board, stroke) = (self.board(entity), value::any(stroke));
        self.edit(|txn, _| {
            board.push_back(txn, stroke);
        })
    }

    /// Deletes the stroke at `index` (modulo how many there are).
    pub fn delete_stroke(&self, entity: &str, index: usize) -> Vec<u8> {
        let board = self.board(entity);
        self.edit(|txn, _| {
            let len = board.len(txn);
            if len > 0 {
                board.remove(txn, index as u32 % len);
            }
        })
    }
}
