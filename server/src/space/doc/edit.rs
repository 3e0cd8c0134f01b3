//! Edits the server makes itself, for the HTTP API: each is one transaction and one ordinary update that every
//! client receives.

use super::{STROKES_PREFIX, SpaceDoc, walk};
use crate::space::Trouble;
use bytes::Bytes;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use thexr_schema::component::check_component;
use thexr_schema::limits::{COMPONENTS_PER_ENTITY_MAX, ENTITIES_PER_SPACE_MAX};
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
                None => Err(Trouble::NoEntity),
            },
            Edit::Remove { entity, component } => match self.entity_map(&txn, entity) {
                Some(map) if map.remove(&mut txn, component).is_some() => Ok(true),
                Some(_) => Err(Trouble::NoComponent),
                None => Err(Trouble::NoEntity),
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

    /// True when what an edit is about is there.
    pub fn has(&self, edit: &Edit) -> bool {
        match edit {
            Edit::Create { entity, .. } | Edit::Replace { entity, .. } | Edit::Delete { entity } => {
                self.has_entity(entity)
            }
            Edit::Put {
                entity, component, ..
            }
            | Edit::Merge {
                entity, component, ..
            }
            | Edit::Remove { entity, component } => self
                .entity(entity)
                .is_some_and(|components| components.contains_key(component)),
        }
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
            return Err(Trouble::NoEntity);
        }
        if let Some(strokes) = txn.get_array(format!("{STROKES_PREFIX}{entity}").as_str()) {
            let len = strokes.len(txn);
            strokes.remove_range(txn, 0, len);
        }
        Ok(true)
    }

    /// Reads the clocks again after an edit of our own.
    pub(super) fn take_clocks(&mut self) {
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
        return Err(Trouble::NoComponent);
    };
    let merged = merged(Some(&old), patch);
    if merged == old {
        return Ok(false);
    }
    let value = walk::json(&merged, 0);
    check_component(name, &value).map_err(|fault| Trouble::Invalid(fault.to_string()))?;
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
mod tests;
