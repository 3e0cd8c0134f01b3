//! Owns the vocabulary of components: which names are known, and what their values must be. Must not know how a
//! value is stored. Unknown names are allowed, known names must fit (SPEC D5–D7).

mod generate;
mod vocabulary;

pub use generate::{json_schema, typescript};
pub use vocabulary::*;

use serde_json::Value;

use crate::ids::{component_name_ok, is_reserved_key};
use crate::limits::{COMPONENT_DEPTH_MAX, KEYS_PER_COMPONENT_MAX, STRING_BYTES_MAX};

/// Why a component is refused. The message is one line and says where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComponentFault {
    /// The name breaks the rule of [`component_name_ok`].
    #[error("a component name is 1 to 64 of A-Z a-z 0-9 _ . : -")]
    Name,
    /// The value breaks a limit that holds for every component.
    #[error("{0}")]
    Limit(&'static str),
    /// The value does not fit the known component of this name.
    #[error("{name}: {detail}")]
    Value {
        /// The component.
        name: String,
        /// What did not fit.
        detail: String,
    },
}

/// Checks one component before it is written over HTTP.
///
/// Errors: see [`ComponentFault`].
pub fn check_component(name: &str, value: &Value) -> Result<(), ComponentFault> {
    if !component_name_ok(name) {
        return Err(ComponentFault::Name);
    }
    within_limits(value, COMPONENT_DEPTH_MAX)?;
    vocabulary::check_known(name, value).map_err(|detail| ComponentFault::Value {
        name: name.to_owned(),
        detail,
    })
}

/// The limits of every component; `depth` is how many levels are left.
fn within_limits(value: &Value, depth: u32) -> Result<(), ComponentFault> {
    let deeper = || {
        depth
            .checked_sub(1)
            .ok_or(ComponentFault::Limit("nested deeper than 16 levels"))
    };
    match value {
        Value::Object(map) => {
            let inner = deeper()?;
            if map.len() > KEYS_PER_COMPONENT_MAX {
                return Err(ComponentFault::Limit("more than 128 keys in one object"));
            }
            map.iter().try_for_each(|(key, value)| {
                if is_reserved_key(key) {
                    return Err(ComponentFault::Limit(
                        "__proto__, constructor and prototype cannot be keys",
                    ));
                }
                text(key)?;
                within_limits(value, inner)
            })
        }
        Value::Array(items) => {
            let inner = deeper()?;
            items.iter().try_for_each(|item| within_limits(item, inner))
        }
        Value::String(string) => text(string),
        // serde_json reads no NaN and no infinity: every number in a Value is finite.
        Value::Number(_) | Value::Bool(_) | Value::Null => Ok(()),
    }
}

fn text(text: &str) -> Result<(), ComponentFault> {
    if text.len() > STRING_BYTES_MAX {
        return Err(ComponentFault::Limit("a string longer than 16 KiB"));
    }
    Ok(())
}
