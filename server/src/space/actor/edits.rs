//! Edits that the server makes itself: those that come over HTTP, and restores.

use super::inbox::Merged;
use super::{Actor, Exit};
use crate::space::doc::edit::{Edit, Edited};
use crate::space::doc::{CheckedUpdate, Keep, Refused, SpaceDoc};
use crate::space::saver::{After, Update};
use crate::space::{Condition, Durable, Reply, Restore, Trouble};
use crate::store::{EventKind, NewEvent};
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};
use thexr_schema::ids::Seq;
use tokio::time::Instant;

impl Actor {
    pub(super) fn edit(
        &mut self,
        edit: &Edit,
        condition: &Condition,
        reply: Reply<Durable>,
        now: Instant,
    ) -> Option<Exit> {
        let holds = self.holds(condition, |doc| doc.has(edit));
        self.change(holds, edit.grows(), None, |doc| doc.edit(edit), reply, now)
    }

    pub(super) fn restore(
        &mut self,
        restore: Restore,
        condition: &Condition,
        reply: Reply<Durable>,
        now: Instant,
    ) -> Option<Exit> {
        let note = json!({"restored_seq": restore.seq});
        let note = NewEvent::note(EventKind::Restored, restore.user, &note);
        let holds = self.holds(condition, |_| true);
        self.change(
            holds,
            true,
            Some(note),
            |doc| doc.restore(&restore.content),
            reply,
            now,
        )
    }

    fn holds(&self, condition: &Condition, is_there: impl FnOnce(&SpaceDoc) -> bool) -> bool {
        match condition {
            Condition::Always => true,
            Condition::Exists => self.doc.as_ref().is_some_and(is_there),
            Condition::At(seqs) => seqs.contains(&self.state()),
        }
    }

    /// Makes an edit of the server's, if its condition holds and the document has room for one that grows it.
    fn change(
        &mut self,
        holds: bool,
        grows: bool,
        note: Option<NewEvent>,
        change: impl FnOnce(&mut SpaceDoc) -> Edited,
        reply: Reply<Durable>,
        now: Instant,
    ) -> Option<Exit> {
        let doc = self.doc.as_mut()?;
        self.idle_since = now;
        if !holds {
            let _ = reply.send(Err(Trouble::Changed));
            return None;
        }
        if grows && !doc.fits(0, self.context.doc_bytes_max) {
            self.context.metrics.limit("doc_bytes");
            let _ = reply.send(Err(Trouble::TooLarge("the document has its largest size")));
            return None;
        }
        match catch_unwind(AssertUnwindSafe(|| change(doc))) {
            Ok(Edited::Done(bytes)) => {
                let changes = doc.take_changes();
                let user = note.as_ref().and_then(|note| note.user.clone());
                let update = Update {
                    user,
                    ..Update::ours(bytes, changes)
                };
                self.saver.push(update, now);
                if let Some(note) = note {
                    self.saver.push_note(note);
                }
            }
            Ok(Edited::Unchanged) => {}
            Ok(Edited::Refused(trouble)) => {
                let _ = reply.send(Err(trouble));
                return None;
            }
            Err(_) => {
                self.context.metrics.engine_panics.inc();
                return Some(Exit::Broken(None, "the engine panicked on an edit".into()));
            }
        }
        self.done(reply);
        None
    }

    pub(super) fn import(
        &mut self,
        update: &CheckedUpdate,
        reply: Reply<Durable>,
        now: Instant,
    ) -> Option<Exit> {
        self.idle_since = now;
        match self.merge(None, update, Keep::Effect, now) {
            Merged::Taken => self.done(reply),
            Merged::Full => {
                let trouble = Trouble::TooLarge("the document would grow over its largest size");
                let _ = reply.send(Err(trouble));
            }
            Merged::Refused(refused) => {
                let _ = reply.send(Err(Trouble::Refused(refused.clone())));
                if let Refused::Broken(why) = refused {
                    return Some(Exit::Broken(None, why));
                }
            }
        }
        None
    }

    /// Answers what was asked over HTTP once everything up to it is durable.
    pub(super) fn done(&mut self, reply: Reply<Durable>) {
        let after = After::Done(self.state(), reply);
        if let Some(now) = self.saver.wait(after) {
            self.do_after(now, None);
        }
    }

    /// The newest event, counting what is not durable yet.
    fn state(&self) -> Seq {
        Seq(self.seq.0 + self.saver.len() as i64)
    }
}
