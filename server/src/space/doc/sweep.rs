//! Whiteboards whose entity was deleted while somebody drew on them: the ink is unreachable and only weighs.

use super::{STROKES_PREFIX, SpaceDoc};
use bytes::Bytes;
use std::collections::BTreeSet;
use yrs::{Array, Map, ReadTxn, Transact};

impl SpaceDoc {
    /// The boards that have an entity now.
    pub fn boards(&self) -> BTreeSet<String> {
        let txn = self.doc.transact();
        txn.root_refs()
            .filter_map(|(name, _)| name.strip_prefix(STROKES_PREFIX))
            .filter(|board| self.entities.get(&txn, board).is_some())
            .map(str::to_owned)
            .collect()
    }

    /// Clears the ink of those `boards` (which had an entity once) that have none any more. A board that never had an
    /// entity is left alone: other people's programs may draw without making one. The update, if there was any.
    pub fn sweep(&mut self, boards: &BTreeSet<String>) -> Option<Bytes> {
        let doc = self.doc.clone();
        let mut txn = doc.transact_mut();
        let before = self.version;
        for board in boards {
            if self.entities.get(&txn, board).is_some() {
                continue;
            }
            let Some(strokes) = txn.get_array(format!("{STROKES_PREFIX}{board}").as_str()) else {
                continue;
            };
            let len = strokes.len(&txn);
            if len > 0 {
                strokes.remove_range(&mut txn, 0, len);
                self.version += 1;
            }
        }
        if self.version == before {
            return None;
        }
        let update = Bytes::from(txn.encode_update_v1());
        drop(txn);
        self.changed(update.len(), false);
        Some(update)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::doc::edit::{Edit, Edited};
    use serde_json::json;
    use yrs::Any;

    fn draw(doc: &SpaceDoc, board: &str) {
        let strokes = doc
            .doc
            .get_or_insert_array(format!("{STROKES_PREFIX}{board}").as_str());
        strokes.push_back(
            &mut doc.doc.transact_mut(),
            Any::from_json("{\"id\":\"s\"}").expect("json"),
        );
    }

    /// SPEC D5.
    #[test]
    fn only_boards_that_lost_their_entity_are_swept() {
        let mut doc = SpaceDoc::new(1);
        for entity in ["kept", "lost"] {
            let put = Edit::Put {
                entity: entity.into(),
                component: "whiteboard".into(),
                value: json!({}),
            };
            assert!(matches!(doc.edit(&put), Edited::Done(_)));
        }
        for board in ["kept", "lost", "never"] {
            draw(&doc, board);
        }
        let boards = doc.boards();
        assert_eq!(boards.iter().collect::<Vec<_>>(), ["kept", "lost"]);
        assert!(doc.sweep(&boards).is_none());
        assert!(matches!(
            doc.edit(&Edit::Delete {
                entity: "lost".into()
            }),
            Edited::Done(_)
        ));
        // Drawn at the same moment by somebody who had not heard of it.
        draw(&doc, "lost");
        assert!(doc.sweep(&boards).is_some());
        let left: Vec<usize> = ["kept", "lost", "never"]
            .iter()
            .map(|b| doc.strokes(b, 0, 9).map_or(0, |s| s.len()))
            .collect();
        assert_eq!(left, [1, 0, 1]);
    }
}
