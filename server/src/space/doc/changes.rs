//! What a transaction changed, in the words of the document. The engine's callbacks only note it (one that saved or
//! sent could come back into the engine); it is taken when the transaction is over.

use super::{CheckedUpdate, STROKES_PREFIX, SpaceDoc, walk};
use crate::limits;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use thexr_schema::change::{ChangeLines, Verb};
use thexr_schema::scan;
use yrs::branch::BranchID;
use yrs::types::{DeepObservable, EntryChange, Event, Events, PathSegment};
use yrs::{Array, IdSet, Map, MapRef, Out, Transact, TransactionMut};

/// Names our callbacks to the engine.
const KEY: &str = "thexr";

/// The kind of an operation that is gone, in [`scan::StructRecord`].
const COLLECTED: u8 = 0;

/// Where the callbacks write.
pub(super) type Recorder = Arc<Mutex<Noted>>;

/// What was seen of the transaction under way.
#[derive(Default)]
pub(super) struct Noted {
    lines: ChangeLines,
    /// Keys of maps that got a value, so many inserted items that live are in maps.
    live_keys: u32,
    /// Operations that came in as gone already.
    collected: u32,
    /// Strokes on each board after the last transaction.
    strokes: BTreeMap<String, u32>,
}

impl SpaceDoc {
    /// From here on every transaction is looked at. Called once the stored pieces are in.
    pub fn record_changes(&mut self) {
        let mut noted = Noted::default();
        {
            let txn = self.doc.transact();
            for (board, strokes) in walk::boards(&txn) {
                noted.strokes.insert(board, strokes.len(&txn));
            }
        }
        let recorder = Arc::new(Mutex::new(noted));
        let deep = recorder.clone();
        self.entities.observe_deep(KEY, move |txn, events| {
            lock(&deep).entities(txn, events);
        });
        let after = recorder.clone();
        let mut txn = self.doc.transact_mut();
        txn.observe_after_transaction(KEY, move |txn| lock(&after).boards(txn));
        drop(txn);
        self.recorder = Some(recorder);
    }

    /// Gets ready for an update: declares the roots of boards that it is about to make, because the engine tells
    /// nothing of a root whose kind it does not know, and counts what in it is no stroke.
    pub(super) fn expect_changes(&self, update: &CheckedUpdate) {
        let Some(recorder) = &self.recorder else { return };
        for board in &update.scan.boards {
            self.doc
                .get_or_insert_array(format!("{STROKES_PREFIX}{board}").as_str());
        }
        let mut collected = 0u32;
        if update.scan.collected {
            let _ = scan::visit_structs(&update.bytes, |s| {
                let known = self.clocks.get(&s.client).copied().unwrap_or(0);
                let end = s.clock.saturating_add(s.len);
                if s.kind == COLLECTED {
                    collected = collected.saturating_add(end.saturating_sub(s.clock.max(known)));
                }
            });
        }
        lock(recorder).collected = collected;
    }

    /// What changed since the last call, in the journal's words; `None` when that is not recorded.
    pub fn take_changes(&self) -> Option<String> {
        Some(lock(self.recorder.as_ref()?).lines.take())
    }
}

/// A panic in a callback ends the document; what was noted until then harms nobody.
fn lock(recorder: &Recorder) -> std::sync::MutexGuard<'_, Noted> {
    recorder.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Noted {
    fn note(&mut self, note: impl FnOnce(&mut ChangeLines)) {
        if self.lines.len() < limits::CHANGES_NOTED_MAX {
            note(&mut self.lines);
        } else {
            self.lines.skip();
        }
    }

    fn entities(&mut self, txn: &TransactionMut, events: &Events) {
        for event in events.iter() {
            let Event::Map(event) = event else { continue };
            let path = event.path();
            let entity = match (path.front(), path.len()) {
                (None, _) => None,
                (Some(PathSegment::Key(entity)), 1) => Some(entity),
                // Deeper there is nothing that a document of ours may hold.
                _ => continue,
            };
            for (key, change) in event.keys(txn) {
                // Entities are maps and components are not; readers pass over whatever else has got there.
                let counts = |out: &Out| matches!(out, Out::YMap(_)) == entity.is_none();
                let (old, new) = match change {
                    EntryChange::Inserted(new) => (false, Some(counts(new))),
                    EntryChange::Updated(old, new) => (counts(old), Some(counts(new))),
                    EntryChange::Removed(old) => (counts(old), None),
                };
                self.live_keys += u32::from(new.is_some());
                if let EntryChange::Inserted(Out::YMap(map)) | EntryChange::Updated(_, Out::YMap(map)) =
                    change
                {
                    self.new_entity(txn, key, map);
                }
                let verb = match (old, new == Some(true)) {
                    (false, true) => Verb::Added,
                    (true, true) => Verb::Changed,
                    (true, false) => Verb::Removed,
                    (false, false) => continue,
                };
                self.note(|lines| match entity {
                    Some(entity) => lines.component(entity, key, verb),
                    None => lines.entity(key, verb),
                });
            }
        }
    }

    /// The engine tells nothing of the keys of a map that is new itself.
    fn new_entity(&mut self, txn: &TransactionMut, entity: &str, map: &MapRef) {
        for (component, value) in map.iter(txn) {
            self.live_keys += 1;
            if matches!(value, Out::Any(_)) {
                self.note(|lines| lines.component(entity, component, Verb::Added));
            }
        }
    }

    /// Ink, by counting: the engine's own account of an array's change walks the whole array.
    fn boards(&mut self, txn: &TransactionMut) {
        let live_keys = std::mem::take(&mut self.live_keys);
        let collected = std::mem::take(&mut self.collected);
        let mut grown: Vec<(String, u32)> = Vec::new();
        for branch in txn.changed_parent_types() {
            let BranchID::Root(name) = branch.id() else {
                continue;
            };
            let Some(board) = name.strip_prefix(STROKES_PREFIX) else {
                continue;
            };
            if grown.iter().all(|(known, _)| known != board) {
                grown.push((board.to_owned(), branch.len()));
            }
        }
        if grown.is_empty() {
            return;
        }
        // What was inserted and lives is a stroke or the value of a key.
        let (inserted, deleted) = (txn.insert_set(), txn.delete_set());
        let vain = if deleted.is_empty() {
            0
        } else {
            count(&inserted.intersect(deleted))
        };
        let drawn = count(inserted)
            .saturating_sub(vain)
            .saturating_sub(live_keys)
            .saturating_sub(collected);
        let one = grown.len() == 1;
        for (board, after) in grown {
            let before = self.strokes.get(&board).copied().unwrap_or(0);
            // On several boards at once, ink drawn and erased on the same one is told as the difference.
            let added = if one {
                drawn.min(after)
            } else {
                after.saturating_sub(before)
            };
            let erased = (before + added).saturating_sub(after);
            if added > 0 || erased > 0 {
                self.note(|lines| lines.strokes(&board, added, erased));
            }
            self.strokes.insert(board, after);
        }
    }
}

fn count(ids: &IdSet) -> u32 {
    ids.iter()
        .flat_map(|(_, ranges)| ranges.iter())
        .fold(0u32, |sum, range| sum.saturating_add(range.end - range.start))
}
