//! `thexr export`, `import`, `compact`.

use super::support::{self, Folder, code, complaint, fill, json_of, run, stdout};
use serde_json::{Value, json};

fn document(folder: &Folder, space: &str) -> Value {
    let output = run(folder, &["export", space, "--format", "json"]);
    assert_eq!(code(&output), 0);
    json_of(&output)
}

#[test]
fn what_is_exported_can_be_imported_elsewhere_and_again() {
    let (from, to) = (Folder::new(), Folder::new());
    fill(&from.data(), "lobby", 0..20);
    fill(&from.data(), "lobby", 20..25);
    fill(&to.data(), "other", 30..31);
    let file = from.path("lobby.yjs");
    let file = file.to_str().expect("text");

    let output = run(&from, &["export", "lobby", "-o", file, "--json"]);
    assert_eq!(code(&output), 0);
    let said = json_of(&output);
    assert_eq!((&said["entities"], &said["seq"]), (&json!(25), &json!(25)));

    let output = run(&to, &["import", "copy", file]);
    assert_eq!(
        (code(&output), complaint(&output).contains("--create")),
        (66, true)
    );
    let output = run(&to, &["import", "copy", file, "--create"]);
    assert_eq!(
        (code(&output), stdout(&output).contains("25 entities")),
        (0, true)
    );
    assert_eq!(document(&to, "copy"), document(&from, "lobby"));

    let output = run(&to, &["import", "copy", file, "--json"]);
    assert_eq!(json_of(&output)["changed"], false, "the second time adds nothing");
    let output = run(&to, &["import", "other", file]);
    assert_eq!(code(&output), 0);
    let entities = document(&to, "other");
    assert_eq!(
        entities["entities"].as_object().map(serde_json::Map::len),
        Some(26)
    );
    assert_eq!(code(&run(&to, &["fsck"])), 0);
}

#[test]
fn an_import_that_cannot_be_merged_changes_nothing() {
    let folder = Folder::new();
    fill(&folder.data(), "lobby", 0..3);
    let before = document(&folder, "lobby");
    let gap = support::gap();
    for (name, bytes, says) in [
        ("gap", &gap[..], "edits the server does not have"),
        ("json", b"{\"entities\":{}}", "JSON"),
        ("text", b"hello", "does not look like a Yjs v1 update"),
        ("empty", b"", "does not look like a Yjs v1 update"),
    ] {
        let file = folder.path(name);
        std::fs::write(&file, bytes).expect("writes");
        for space in ["lobby", "fresh"] {
            let output = run(
                &folder,
                &["import", space, file.to_str().expect("text"), "--create"],
            );
            let line = complaint(&output);
            assert_eq!((code(&output), line.contains(says)), (65, true), "{name}: {line}");
        }
    }
    let output = run(&folder, &["import", "lobby", "nowhere.yjs"]);
    assert_eq!(code(&output), 66);
    assert_eq!(document(&folder, "lobby"), before);
    assert_eq!(
        code(&run(&folder, &["export", "fresh"])),
        66,
        "no empty space was left behind"
    );
}

#[test]
fn compacting_keeps_the_content_and_says_what_it_did() {
    let folder = Folder::new();
    fill(&folder.data(), "lobby", 0..50);
    fill(&folder.data(), "quiet", 0..1);
    let before = document(&folder, "lobby");

    let output = run(&folder, &["compact", "lobby", "--dry-run"]);
    assert_eq!(
        (code(&output), stdout(&output).contains("Would fold 50 edits")),
        (0, true)
    );
    let output = run(&folder, &["compact", "lobby", "--json"]);
    let result = json_of(&output);
    assert_eq!(
        (&result["rows_before"], &result["rows_after"]),
        (&json!(50), &json!(0))
    );
    let output = run(&folder, &["compact", "--all"]);
    let said = stdout(&output);
    assert!(
        said.contains("lobby: Nothing to compact") && said.contains("quiet: Folded 1 edit"),
        "{said}"
    );
    assert_eq!(document(&folder, "lobby"), before);
    assert_eq!(code(&run(&folder, &["compact", "nowhere"])), 66);
    assert_eq!(code(&run(&folder, &["compact"])), 64);
    assert_eq!(code(&run(&folder, &["compact", "lobby", "--all"])), 64);

    fill(&folder.data(), "lobby", 60..70);
    run(&folder, &["compact", "--all"]);
    let output = run(&folder, &["fsck"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    assert!(
        stdout(&output).contains("lobby: 62 events, 2 snapshots, ok"),
        "{}",
        stdout(&output)
    );
}
