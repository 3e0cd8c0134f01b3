//! The bodies in the committed OpenAPI document are those of the Rust types. The rest of it is written by hand; the
//! server's tests compare that with its routes. `THEXR_BLESS=1 cargo test -p thexr-schema --test openapi` writes
//! the bodies anew.

use serde_json::Value;
use thexr_schema::api;

/// Keys in order of the alphabet, whether or not some crate in the build keeps their order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let by_key: std::collections::BTreeMap<String, Value> = map.into_iter().collect();
            let sorted = by_key.into_iter().map(|(key, value)| (key, sorted(value)));
            Value::Object(sorted.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// SPEC H2, H3, H5.
#[test]
fn the_bodies_of_the_openapi_document_are_those_of_the_types() {
    let path = format!("{}/openapi.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the file is there");
    let mut document: Value = serde_json::from_str(&text).expect("it is JSON");
    let schemas = &mut document["components"]["schemas"];
    let types = api::json_schemas();
    if std::env::var_os("THEXR_BLESS").is_some() {
        *schemas = types;
        let text = serde_json::to_string_pretty(&sorted(document)).expect("JSON");
        std::fs::write(&path, text + "\n").expect("the file can be written");
        return;
    }
    assert_eq!(
        sorted(schemas.take()),
        sorted(types),
        "openapi.json is stale: run with THEXR_BLESS=1"
    );
}
