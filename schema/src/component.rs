//! Owns the vocabulary of components: which names are known, and what their values must be. Must not know how a
//! value is stored. Unknown names are allowed, known names must fit (SPEC D5–D7).

mod generate;
mod vocabulary;

pub use generate::{json_schema, typescript};
pub use vocabulary::*;

use serde_json::Value;

use crate::ids::{component_name_ok, is_reserved_key};
use crate::limits::{
    COMPONENT_DEPTH_MAX, COMPONENT_JSON_BYTES_MAX, KEYS_PER_COMPONENT_MAX, STRING_BYTES_MAX,
};

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
    #[error("component {name}: {detail}")]
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
    if value.to_string().len() > COMPONENT_JSON_BYTES_MAX {
        return Err(ComponentFault::Limit("a component larger than 256 KiB"));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// SPEC D5; corpus row 108.
    #[test]
    fn known_components_must_fit() {
        let good = [
            ("transform", json!({"pos": [0, 1.5, -2], "rot": [0, 0, 0, 1]})),
            (
                "transform",
                json!({"pos": [0, 0, 0], "rot": [0, 0, 0, 1], "scale": [1, 2, 3]}),
            ),
            (
                "shape",
                json!({"kind": "capsule", "params": {"height": 2, "anything": null}}),
            ),
            ("material", json!({"color": "#Ff8800"})),
            ("material", json!({"name": "grid"})),
            ("parent", json!("box_1")),
            ("light", json!({"kind": "spot", "intensity": 0})),
            ("text", json!({"value": "hé", "size": 0.3})),
            ("holdable", json!({})),
            (
                "holdable",
                json!({"offset": {"pos": [0, 0, 0], "rot": [0, 0, 0, 1]}}),
            ),
            (
                "whiteboard",
                json!({"width": 1024, "height": 768, "background": "#ffffff"}),
            ),
            ("spawn", json!({})),
            ("name", json!("a box")),
            ("my.app:thing", json!([null, {"a": 1}])),
            ("score", json!(null)),
        ];
        for (name, value) in good {
            assert_eq!(check_component(name, &value), Ok(()), "{name} {value}");
        }
        let bad = [
            ("transform", json!([])),
            ("transform", json!({"pos": [0, 1], "rot": [0, 0, 0, 1]})),
            ("transform", json!({"pos": [0, 0, 0], "rot": [0, 0, 0, 0]})),
            (
                "transform",
                json!({"pos": [0, 0, 0], "rot": [0, 0, 0, 1], "scale": null}),
            ),
            (
                "transform",
                json!({"pos": [0, 0, 0], "rot": [0, 0, 0, 1], "scal": [1, 1, 1]}),
            ),
            ("transform", json!([[0, 0, 0], [0, 0, 0, 1]])),
            ("transform", json!([[0, 0, 0], [0, 0, 0, 1], [1, 1, 1]])),
            ("shape", json!(["box"])),
            ("shape", json!({"kind": {"box": null}})),
            ("shape", json!({"kind": "box", "params": []})),
            ("holdable", json!([])),
            ("holdable", json!({"offset": [[0, 0, 0], [0, 0, 0, 1]]})),
            ("shape", json!({"kind": "teapot"})),
            ("material", json!({"color": "red"})),
            ("material", json!({"color": "#ff88é"})),
            ("parent", json!("a/b")),
            ("parent", json!(null)),
            ("light", json!({"kind": "point", "intensity": -1})),
            ("text", json!("plain")),
            ("whiteboard", json!({"width": -1})),
            ("spawn", json!(true)),
            ("name", json!(7)),
        ];
        for (name, value) in bad {
            assert!(
                matches!(check_component(name, &value), Err(ComponentFault::Value { .. })),
                "{name} {value}"
            );
        }
        let said = check_component("text", &json!("plain")).expect_err("not an object");
        assert_eq!(said.to_string(), "component text: not an object");
    }

    /// SPEC D4; corpus rows 98, 99, 102, 105.
    #[test]
    fn every_component_keeps_the_limits() {
        let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        let keys = |count: usize| Value::Object((0..count).map(|i| (format!("k{i}"), json!(i))).collect());
        let ok = |value: &Value| check_component("app", value).is_ok();
        assert!(ok(&nested(16)) && !ok(&nested(17)));
        assert!(ok(&keys(128)) && !ok(&keys(129)));
        assert!(ok(&json!("x".repeat(16 * 1024))) && !ok(&json!("x".repeat(16 * 1024 + 1))));
        let long = |bytes: usize| json!(vec!["x".repeat(1_000); bytes / 1_003]);
        assert!(ok(&long(256 << 10)) && !ok(&long((256 << 10) + 2_000)));
        assert!(!ok(&json!({"a": {"__proto__": 1}})));
        assert_eq!(check_component("__proto__", &json!(1)), Err(ComponentFault::Name));
        assert_eq!(check_component("", &json!(1)), Err(ComponentFault::Name));
    }

    /// SPEC D6: what is checked is what is published.
    #[test]
    fn the_published_names_are_the_known_ones() {
        let schema = json_schema();
        let names: Vec<&str> = schema["properties"]
            .as_object()
            .expect("properties")
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(names, KNOWN);
        assert!(!schema.to_string().contains("null"));
    }
}
