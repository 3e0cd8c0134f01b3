//! A moment behind edits that are large and replace each other.

use super::*;
use crate::space::doc::edit::{Edit, Edited};
use crate::store::NewEvent;
use crate::store::temporary::Temporary;
use serde_json::json;

/// Regression: what was replaced on the way came along, so a moment could be larger than any socket takes.
#[tokio::test]
async fn a_moment_is_about_as_large_as_its_document() {
    let store = Temporary::open().await;
    let row = store.create(&"lobby".parse().expect("an id"), "Lobby").await;
    let row = row.expect("creates");
    let mut doc = SpaceDoc::new(7);
    let large = 200 << 10;
    let count = 2 * limits::PAST_EDIT_BYTES_MAX / large;
    for n in 0..count {
        let edit = Edit::Put {
            entity: "box".into(),
            component: "x.text".into(),
            value: json!(vec![format!("{n:016000}"); large / 16_000]),
        };
        let Edited::Done(update) = doc.edit(&edit) else {
            panic!("{n}");
        };
        store
            .append(row.key, vec![NewEvent::edit(update)])
            .await
            .expect("is taken");
    }
    let row = store.space_of(row.key).await.expect("the space");
    let moment = update(&store, &row, row.seq).await.expect("the moment");
    assert!(
        moment.len() < limits::PAST_EDIT_BYTES_MAX + large,
        "{} bytes",
        moment.len()
    );
    let shown = json(&store, &row, row.seq).await.expect("the moment");
    assert_eq!(String::from_utf8(shown).expect("text"), doc.to_json().to_string());
}
