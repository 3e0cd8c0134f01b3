//! Edits the server makes itself, for the HTTP API: each is one transaction and one ordinary update that every
//! client receives.

use super::{STROKES_PREFIX, SpaceDoc};
use bytes::Bytes;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use yrs::types::map::MapPrelim;
use yrs::{Any, Array, Map, Out, ReadTxn, Transact, any};

/// One change to the document.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Sets a component; makes the entity when it is missing.
    Put {
        /// The entity.
        entity: String,
        /// The component's name.
        component: String,
        /// Its whole value.
        value: Value,
    },
    /// Removes a component.
    Remove {
        /// The entity.
        entity: String,
        /// The component's name.
        component: String,
    },
    /// Deletes an entity and its strokes.
    Delete {
        /// The entity.
        entity: String,
    },
}

/// What an edit came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edited {
    /// The update to store and relay.
    Done(Bytes),
    /// The document already was like that.
    Unchanged,
    /// There is no such entity or component.
    Missing,
}

impl SpaceDoc {
    /// Makes one edit.
    pub fn edit(&mut self, edit: &Edit) -> Edited {
        let doc = self.doc.clone();
        let mut txn = doc.transact_mut();
        let entity_map = |txn: &_, id: &str| match self.entities.get(txn, id) {
            Some(Out::YMap(map)) => Some(map),
            _ => None,
        };
        match edit {
            Edit::Put {
                entity,
                component,
                value,
            } => {
                let value = any(value);
                match entity_map(&txn, entity) {
                    Some(map) => {
                        if matches!(map.get(&txn, component), Some(Out::Any(old)) if old == value) {
                            return Edited::Unchanged;
                        }
                        map.insert(&mut txn, component.as_str(), value);
                    }
                    None => {
                        let map = self
                            .entities
                            .insert(&mut txn, entity.as_str(), MapPrelim::default());
                        map.insert(&mut txn, component.as_str(), value);
                    }
                }
            }
            Edit::Remove { entity, component } => {
                let Some(map) = entity_map(&txn, entity) else {
                    return Edited::Missing;
                };
                if map.remove(&mut txn, component).is_none() {
                    return Edited::Missing;
                }
            }
            Edit::Delete { entity } => {
                if self.entities.remove(&mut txn, entity).is_none() {
                    return Edited::Missing;
                }
                if let Some(strokes) = txn.get_array(format!("{STROKES_PREFIX}{entity}").as_str()) {
                    let len = strokes.len(&txn);
                    strokes.remove_range(&mut txn, 0, len);
                }
            }
        }
        let update = Bytes::from(txn.encode_update_v1());
        drop(txn);
        self.take_clocks();
        self.changed(update.len());
        Edited::Done(update)
    }

    /// Reads the clocks again after an edit of our own.
    fn take_clocks(&mut self) {
        let own = self.doc.client_id();
        let clock = self.doc.transact().state_vector().get(&own);
        self.clocks.insert(own.get(), clock);
    }

    /// Boards whose entity is gone: their strokes can be swept.
    pub fn orphan_boards(&self) -> Vec<String> {
        let txn = self.doc.transact();
        txn.root_refs()
            .filter_map(|(name, _)| name.strip_prefix(STROKES_PREFIX))
            .filter(|id| self.entities.get(&txn, id).is_none())
            .map(str::to_owned)
            .collect()
    }
}

fn any(value: &Value) -> Any {
    match value {
        Value::Null => Any::Null,
        Value::Bool(b) => Any::Bool(*b),
        Value::Number(n) => Any::Number(match n.as_i64() {
            Some(i) if i.unsigned_abs() < 1 << 31 => any::Number::Int(i),
            _ => any::Number::Float(n.as_f64().unwrap_or(0.0)),
        }),
        Value::String(s) => Any::String(Arc::from(s.as_str())),
        Value::Array(items) => Any::Array(items.iter().map(any).collect()),
        Value::Object(map) => Any::Map(Arc::new(
            map.iter()
                .map(|(k, v)| (k.clone(), any(v)))
                .collect::<HashMap<_, _>>(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::doc::{CheckedUpdate, Encoding, Keep};
    use serde_json::json;

    fn put(entity: &str, component: &str, value: Value) -> Edit {
        Edit::Put {
            entity: entity.into(),
            component: component.into(),
            value,
        }
    }

    #[test]
    fn an_edit_is_an_update_that_another_document_understands() {
        let (mut ours, mut theirs) = (SpaceDoc::new(1), SpaceDoc::new(2));
        let edits = [
            put(
                "box",
                "transform",
                json!({"pos": [0, 1.5, -2], "rot": [0, 0, 0, 1]}),
            ),
            put("box", "shape", json!({"kind": "box"})),
            put("box", "shape", json!({"kind": "sphere", "big": 4_294_967_296i64})),
            Edit::Remove {
                entity: "box".into(),
                component: "transform".into(),
            },
            put("wall", "whiteboard", json!({})),
            Edit::Delete {
                entity: "wall".into(),
            },
        ];
        for edit in &edits {
            let Edited::Done(update) = ours.edit(edit) else {
                panic!("{edit:?} did nothing")
            };
            let checked = CheckedUpdate::parse(update).expect("passes our own scanner");
            assert!(theirs.apply(&checked, Keep::Received).expect("applies").is_some());
        }
        assert_eq!(ours.to_json(), theirs.to_json());
        assert_eq!(ours.content_hash(), theirs.content_hash());
        assert_eq!(ours.clocks(), theirs.clocks());
        assert_eq!(
            theirs.to_json(),
            json!({"entities": {"box": {"shape": {"big": 4_294_967_296i64, "kind": "sphere"}}}, "strokes": {}})
        );
    }

    #[test]
    fn what_is_not_there_cannot_be_removed_and_the_same_value_is_no_edit() {
        let mut doc = SpaceDoc::new(1);
        assert_eq!(doc.edit(&Edit::Delete { entity: "x".into() }), Edited::Missing);
        assert!(matches!(doc.edit(&put("x", "a", json!(1))), Edited::Done(_)));
        assert_eq!(doc.edit(&put("x", "a", json!(1))), Edited::Unchanged);
        assert_eq!(
            doc.edit(&Edit::Remove {
                entity: "x".into(),
                component: "b".into()
            }),
            Edited::Missing
        );
    }

    #[test]
    fn a_reloaded_document_has_the_same_content_in_both_encodings() {
        let mut doc = SpaceDoc::new(1);
        for i in 0..50 {
            doc.edit(&put(
                &format!("e{i}"),
                "text",
                json!({"value": "ü", "n": i, "f": 0.1}),
            ));
        }
        for encoding in [Encoding::V1, Encoding::V2] {
            let bytes = doc.encode(encoding);
            let again =
                SpaceDoc::from_stored(9, Some((encoding, &bytes)), std::iter::empty()).expect("loads");
            assert_eq!(again.content_hash(), doc.content_hash());
            assert_eq!(again.clocks(), doc.clocks());
        }
    }
}
