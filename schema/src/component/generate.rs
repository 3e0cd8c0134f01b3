//! Owns the two published forms of the vocabulary, JSON Schema and TypeScript; must not know files.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::vocabulary::Thexr;

/// The JSON Schema of all known components (draft 2020-12); one property per component name.
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(Thexr).to_value();
    without_null(&mut schema);
    sorted(schema)
}

/// Keys in order of the alphabet, whether or not some crate in the build turned on serde_json's `preserve_order`.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let by_key: std::collections::BTreeMap<String, Value> = map.into_iter().collect();
            Value::Object(
                by_key
                    .into_iter()
                    .map(|(key, value)| (key, sorted(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// The same as TypeScript: an interface `Thexr` with every component, and one type per structure. Made from the
/// JSON Schema, so that the two cannot disagree; laid out as prettier would.
pub fn typescript() -> String {
    let schema = json_schema();
    let mut out = String::from(
        "// Made from schema/src/component/vocabulary.rs; do not edit.\n\
         // To make it anew: THEXR_BLESS=1 cargo test -p thexr-schema --test generated\n",
    );
    let definitions = schema
        .get("$defs")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    for (name, definition) in &definitions {
        declare(&mut out, name, definition, true);
    }
    declare(&mut out, "Thexr", &schema, false);
    out.push_str("\n/** The name of a known component. */\nexport type ComponentName = keyof Thexr\n");
    out.push_str("\n/** The names of all known components. */\nexport const COMPONENT_NAMES = [\n");
    for name in properties(&schema).keys() {
        let _ = writeln!(out, "  '{name}',");
    }
    out.push_str("] as const satisfies readonly ComponentName[]\n");
    out
}

/// serde reads an absent field and a null alike, and schemars says so. On the wire an absent component is absent:
/// the published schema has no nulls.
fn without_null(schema: &mut Value) {
    if let Some(object) = schema.as_object_mut() {
        if let Some(kinds) = object.get_mut("type").and_then(Value::as_array_mut) {
            kinds.retain(|kind| kind != "null");
            if let [kind] = kinds.as_slice() {
                let kind = kind.clone();
                object.insert("type".to_owned(), kind);
            }
        }
        if let Some(mut choices) = object.get("anyOf").and_then(Value::as_array).cloned() {
            choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
            if let [Value::Object(only)] = choices.as_slice() {
                object.remove("anyOf");
                object.extend(only.clone());
            }
        }
        if object.get("default").is_some_and(Value::is_null) {
            object.remove("default");
        }
        object.values_mut().for_each(without_null);
    } else if let Some(items) = schema.as_array_mut() {
        items.iter_mut().for_each(without_null);
    }
}

fn properties(schema: &Value) -> Map<String, Value> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

/// One exported declaration. `optional`: fields that are not required get a question mark; in `Thexr` itself every
/// name has its type, because `Partial<Thexr>` is what an entity has.
fn declare(out: &mut String, name: &str, schema: &Value, optional: bool) {
    out.push('\n');
    comment(out, "", schema);
    if schema.get("properties").is_none() {
        let _ = writeln!(out, "export type {name} = {}", type_of(schema));
        return;
    }
    let required = schema
        .get("required")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let _ = writeln!(out, "export interface {name} {{");
    for (field, value) in properties(schema) {
        comment(out, "  ", &value);
        let mark = if optional && !required.iter().any(|r| *r == field) {
            "?"
        } else {
            ""
        };
        let _ = writeln!(out, "  {field}{mark}: {}", type_of(&value));
    }
    out.push_str("}\n");
}

fn comment(out: &mut String, indent: &str, schema: &Value) {
    if let Some(text) = schema.get("description").and_then(Value::as_str) {
        let _ = writeln!(out, "{indent}/** {} */", text.replace('\n', " "));
    }
}

/// The TypeScript type of a schema; `unknown` for what the vocabulary does not use.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return name.rsplit('/').next().unwrap_or("unknown").to_owned();
    }
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        return choices.iter().map(type_of).collect::<Vec<_>>().join(" | ");
    }
    if let Some(constant) = schema.get("const").and_then(Value::as_str) {
        return format!("'{constant}'");
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        let names = choices
            .iter()
            .filter_map(Value::as_str)
            .map(|choice| format!("'{choice}'"));
        return names.collect::<Vec<_>>().join(" | ");
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => "string".to_owned(),
        Some("number" | "integer") => "number".to_owned(),
        Some("boolean") => "boolean".to_owned(),
        Some("object") => "Record<string, unknown>".to_owned(),
        Some("array") => array_of(schema),
        _ => "unknown".to_owned(),
    }
}

/// A list, or a tuple where the schema fixes the length.
fn array_of(schema: &Value) -> String {
    let item = schema.get("items").map_or("unknown".to_owned(), type_of);
    let min = schema.get("minItems").and_then(Value::as_u64);
    match schema.get("maxItems").and_then(Value::as_u64) {
        Some(len) if Some(len) == min && len <= 16 => {
            let items = (0..len).map(|_| item.as_str()).collect::<Vec<_>>();
            format!("[{}]", items.join(", "))
        }
        _ => format!("{item}[]"),
    }
}
