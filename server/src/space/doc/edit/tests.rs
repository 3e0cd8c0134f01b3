//! Edits as the HTTP interface makes them, and what another document makes of the update.

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
        Edited::Refused(Trouble::NoEntity)
    );
    assert!(matches!(doc.edit(&put("x", "a", json!(1))), Edited::Done(_)));
    assert_eq!(doc.edit(&put("x", "a", json!(1))), Edited::Unchanged);
    assert_eq!(
        doc.edit(&Edit::Remove {
            entity: "x".into(),
            component: "b".into()
        }),
        Edited::Refused(Trouble::NoComponent)
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
    assert_eq!(merge("none", json!({})), Edited::Refused(Trouble::NoComponent));
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
        let again = SpaceDoc::from_stored(9, Some((encoding, &bytes)), std::iter::empty()).expect("loads");
        assert_eq!(again.content_hash(), doc.content_hash());
        assert_eq!(again.clocks(), doc.clocks());
    }
}
