//! The published forms of the vocabulary are committed; this test fails when they drift from the Rust types.
//! `THEXR_BLESS=1 cargo test -p thexr-schema --test generated` writes them anew.

use thexr_schema::component;

fn check(path: &str, now: &str) {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("THEXR_BLESS").is_some() {
        let folder = std::path::Path::new(&path).parent().expect("a file has a folder");
        std::fs::create_dir_all(folder).expect("the folder can be made");
        std::fs::write(&path, now).expect("the file can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == now, "{path} is stale: run with THEXR_BLESS=1");
}

/// SPEC D6.
#[test]
fn the_json_schema_is_the_committed_one() {
    let text = serde_json::to_string_pretty(&component::json_schema()).expect("a schema is JSON");
    check("components.schema.json", &(text + "\n"));
}

/// SPEC D6.
#[test]
fn the_typescript_is_the_committed_one() {
    check("../client-js/src/schema.gen.ts", &component::typescript());
}
