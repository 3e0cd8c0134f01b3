//! Edits the server makes itself, for the HTTP API: each is one transaction and one ordinary update that every
//! client receives.

use super::{STROKES_PREFIX, SpaceDoc, walk};
use crate::space::Trouble;
use bytes::Bytes;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use thexr_schema::component::check_component;
use thexr_schema::limits::{COMPONENT_JSON_BYTES_MAX, COMPONENTS_PER_ENTITY_MAX, ENTITIES_PER_SPACE_MAX};
use yrs::types::map::MapPrelim;
use yrs::{Any, Array, Map, MapRef, Out, ReadTxn, Transact, TransactionMut, any};

/// Components by name, as an edit brings them.
pub type NewComponents = Vec<(String, Value)>;

/// One change to the document.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Makes an entity that is not there yet.
    Create {
        /// The entity.
        entity: String,
        /// All its components.
        components: NewComponents,
    },
    /// Gives an entity these components and no others; makes it when it is missing.
    Replace {
        /// The entity.
        entity: String,
        /// All its components.
        components: NewComponents,
    },
    /// Sets a component; makes the entity when it is missing.
    Put {
        /// The entity.
        entity: String,
        /// The component's name.
        component: String,
        /// Its whole value.
        value: Value,
    },
    /// Applies a JSON merge patch (RFC 7396) to a component that is there.
    Merge {
        /// The entity.
        entity: String,
        /// The component's name.
        component: String,
        /// What changes; null removes a key.
        patch: Value,
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

impl Edit {
    /// False for what a document that is full takes as well.
    pub fn grows(&self) -> bool {
        !matches!(self, Self::Remove { .. } | Self::Delete { .. })
    }
}

/// What an edit came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edited {
    /// The update to store and relay.
    Done(Bytes),
    /// The document already was like that.
    Unchanged,
    /// Nothing was changed, for this reason.
    Refused(Trouble),
}

/// `Ok(false)` = nothing to do. An error comes before the first change.
type Change = Result<bool, Trouble>;

impl SpaceDoc {
    /// Makes one edit.
    pub fn edit(&mut self, edit: &Edit) -> Edited {
        let doc = self.doc.clone();
        let mut txn = doc.transact_mut();
        let change = match edit {
            Edit::Create { entity, components } => match self.entity_map(&txn, entity) {
                Some(_) => Err(Trouble::Exists),
                None => self.create(&mut txn, entity, components),
            },
            Edit::Replace { entity, components } => match self.entity_map(&txn, entity) {
                Some(map) => replace(&mut txn, &map, components),
                None => self.create(&mut txn, entity, components),
            },
            Edit::Put {
                entity,
                component,
                value,
            } => match self.entity_map(&txn, entity) {
                Some(map) => put(&mut txn, &map, component, any(value)),
                None => self.create(&mut txn, entity, &[(component.clone(), value.clone())]),
            },
            Edit::Merge {
                entity,
                component,
                patch,
            } => match self.entity_map(&txn, entity) {
                Some(map) => merge(&mut txn, &map, component, patch),
                None => Err(Trouble::Missing),
            },
            Edit::Remove { entity, component } => match self.entity_map(&txn, entity) {
                Some(map) if map.remove(&mut txn, component).is_some() => Ok(true),
                _ => Err(Trouble::Missing),
            },
            Edit::Delete { entity } => self.delete(&mut txn, entity),
        };
        match change {
            Ok(true) => {}
            Ok(false) => return Edited::Unchanged,
            Err(trouble) => return Edited::Refused(trouble),
        }
        let update = Bytes::from(txn.encode_update_v1());
        drop(txn);
        self.take_clocks();
        self.changed(update.len(), edit.grows());
        Edited::Done(update)
    }

    fn entity_map(&self, txn: &TransactionMut, entity: &str) -> Option<MapRef> {
        match self.entities.get(txn, entity) {
            Some(Out::YMap(map)) => Some(map),
            _ => None,
        }
    }

    fn create(&self, txn: &mut TransactionMut, entity: &str, components: &[(String, Value)]) -> Change {
        if self.entities.len(txn) as usize >= ENTITIES_PER_SPACE_MAX {
            return Err(Trouble::TooLarge("the space has 100,000 entities"));
        }
        few_enough(components.len())?;
        let map = self.entities.insert(txn, entity, MapPrelim::default());
        for (name, value) in components {
            map.insert(txn, name.as_str(), any(value));
        }
        Ok(true)
    }

    fn delete(&self, txn: &mut TransactionMut, entity: &str) -> Change {
        if self.entities.remove(txn, entity).is_none() {
            return Err(Trouble::Missing);
        }
        if let Some(strokes) = txn.get_array(format!("{STROKES_PREFIX}{entity}").as_str()) {
            let len = strokes.len(txn);
            strokes.remove_range(txn, 0, len);
        }
        Ok(true)
    }

    /// Reads the clocks again after an edit of our own.
    fn take_clocks(&mut self) {
        let own = self.doc.client_id();
        let clock = self.doc.transact().state_vector().get(&own);
        self.clocks.insert(own.get(), clock);
    }
}

fn few_enough(components: usize) -> Result<(), Trouble> {
    if components > COMPONENTS_PER_ENTITY_MAX {
        return Err(Trouble::TooLarge("an entity has at most 64 components"));
    }
    Ok(())
}

fn put(txn: &mut TransactionMut, map: &MapRef, name: &str, value: Any) -> Change {
    match map.get(txn, name) {
        Some(Out::Any(old)) if old == value => return Ok(false),
        Some(_) => {}
        None => few_enough(map.len(txn) as usize + 1)?,
    }
    map.insert(txn, name, value);
    Ok(true)
}

fn replace(txn: &mut TransactionMut, map: &MapRef, components: &[(String, Value)]) -> Change {
    few_enough(components.len())?;
    let gone: Vec<String> = map
        .keys(txn)
        .filter(|name| !components.iter().any(|(kept, _)| kept == name))
        .map(str::to_owned)
        .collect();
    let mut changed = !gone.is_empty();
    for name in gone {
        map.remove(txn, &name);
    }
    for (name, value) in components {
        changed |= put(txn, map, name, any(value))?;
    }
    Ok(changed)
}

fn merge(txn: &mut TransactionMut, map: &MapRef, name: &str, patch: &Value) -> Change {
    let Some(Out::Any(old)) = map.get(txn, name) else {
        return Err(Trouble::Missing);
    };
    let merged = merged(Some(&old), patch);
    if merged == old {
        return Ok(false);
    }
    let value = walk::json(&merged, 0);
    check_component(name, &value).map_err(|fault| Trouble::Invalid(fault.to_string()))?;
    if value.to_string().len() > COMPONENT_JSON_BYTES_MAX {
        return Err(Trouble::Invalid("a component larger than 256 KiB".into()));
    }
    map.insert(txn, name, merged);
    Ok(true)
}

/// RFC 7396 on the stored value itself, so that what JSON cannot say (bytes) stays what it is.
fn merged(old: Option<&Any>, patch: &Value) -> Any {
    let Value::Object(patch) = patch else {
        return any(patch);
    };
    let mut keys = match old {
        Some(Any::Map(map)) => HashMap::clone(map),
        _ => HashMap::new(),
    };
    for (key, change) in patch {
        if change.is_null() {
            keys.remove(key);
        } else {
            let value = merged(keys.get(key), change);
            keys.insert(key.clone(), value);
        }
    }
    Any::Map(Arc::new(keys))
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
        assert_eq!(
            doc.edit(&Edit::Delete { entity: "x".into() }),
            Edited::Refused(Trouble::Missing)
        );
        assert!(matches!(doc.edit(&put("x", "a", json!(1))), Edited::Done(_)));
        assert_eq!(doc.edit(&put("x", "a", json!(1))), Edited::Unchanged);
        assert_eq!(
            doc.edit(&Edit::Remove {
                entity: "x".into(),
                component: "b".into()
            }),
            Edited::Refused(Trouble::Missing)
        );
    }

    #[test]
    fn an_entity_is_made_once_and_replaced_as_a_whole() {
        let mut doc = SpaceDoc::new(1);
        let all = |components: Value| match components {
            Value::Object(map) => map.into_iter().collect::<NewComponents>(),
            _ => Vec::new(),
        };
        let create = Edit::Create {
            entity: "x".into(),
            components: all(json!({"a": 1, "b": {"c": 2}})),
        };
        assert!(matches!(doc.edit(&create), Edited::Done(_)));
        assert_eq!(doc.edit(&create), Edited::Refused(Trouble::Exists));
        let replace = Edit::Replace {
            entity: "x".into(),
            components: all(json!({"b": {"c": 2}, "d": null})),
        };
        assert!(matches!(doc.edit(&replace), Edited::Done(_)));
        assert_eq!(doc.edit(&replace), Edited::Unchanged);
        assert_eq!(
            doc.to_json()["entities"],
            json!({"x": {"b": {"c": 2}, "d": null}})
        );
        let crowd = (0..65).map(|i| (format!("c{i}"), json!(i))).collect();
        let crowd = Edit::Replace {
            entity: "x".into(),
            components: crowd,
        };
        assert!(matches!(doc.edit(&crowd), Edited::Refused(Trouble::TooLarge(_))));
    }

    #[test]
    fn a_merge_patch_follows_rfc_7396_and_the_rules_of_the_component() {
        let mut doc = SpaceDoc::new(1);
        doc.edit(&put(
            "x",
            "app",
            json!({"a": "b", "c": {"d": "e", "f": "g"}, "h": [1]}),
        ));
        doc.edit(&put("x", "material", json!({"color": "#ff0000"})));
        let mut merge = |component: &str, patch: Value| {
            doc.edit(&Edit::Merge {
                entity: "x".into(),
                component: component.into(),
                patch,
            })
        };
        let patch = json!({"a": "z", "c": {"f": null}, "h": [2, 3], "n": {"o": null, "p": 1}});
        assert!(matches!(merge("app", patch.clone()), Edited::Done(_)));
        assert_eq!(merge("app", patch), Edited::Unchanged);
        assert!(matches!(
            merge("material", json!({"color": "red"})),
            Edited::Refused(Trouble::Invalid(_))
        ));
        assert!(matches!(
            merge("material", json!({"name": "grid"})),
            Edited::Done(_)
        ));
        assert_eq!(merge("none", json!({})), Edited::Refused(Trouble::Missing));
        assert_eq!(
            doc.to_json()["entities"]["x"],
            json!({
                "app": {"a": "z", "c": {"d": "e"}, "h": [2, 3], "n": {"p": 1}},
                "material": {"color": "#ff0000", "name": "grid"}
            })
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
