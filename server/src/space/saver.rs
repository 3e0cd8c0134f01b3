//! What is decided but not yet durable: updates and facts about members, in one order. One batch per space is on its
//! way to the database; what comes in meanwhile gathers in the next. Pure: the actor does the writing and the sending.

use super::roster::Fact;
use super::{ConnId, Durable, Reply};
use crate::limits;
use crate::store::{EventKind, NewEvent};
use bytes::Bytes;
use std::sync::Arc;
use thexr_schema::ids::Seq;
use tokio::time::Instant;

/// Something to do once everything before it is durable.
pub(super) enum After {
    /// Echo message 102.
    Ack(ConnId, Bytes),
    /// Answer an HTTP edit that makes this state, with the seq of its batch.
    Done(Seq, Reply<Durable>),
}

/// An applied update, and what the journal says of it.
#[derive(Default)]
pub(super) struct Update {
    /// The connection it came from; none for the server.
    pub from: Option<ConnId>,
    /// The member behind it, or the connection when it is nobody's we know.
    pub member: Option<Arc<str>>,
    /// Who that is.
    pub user: Option<Arc<str>>,
    /// What is stored and relayed.
    pub bytes: Bytes,
    /// What it changed.
    pub changes: Option<String>,
}

impl Update {
    /// One that the server made itself.
    pub fn ours(bytes: Bytes, changes: Option<String>) -> Self {
        Self {
            bytes,
            changes,
            ..Self::default()
        }
    }
}

/// Something that gets a number. Small, because thousands of updates wait in a row: what is rare is boxed.
pub(super) enum Item {
    /// Relayed once committed.
    Update(Update),
    /// Something that only the journal is told.
    Note(Box<NewEvent>),
    /// Somebody came or went; told once committed.
    Fact(Box<Fact>),
    /// A chunk of the pose track; told to nobody.
    Poses(Bytes),
}

impl Item {
    fn bytes(&self) -> usize {
        match self {
            Self::Update(update) => update.bytes.len(),
            Self::Poses(chunk) => chunk.len(),
            Self::Note(_) | Self::Fact(_) => 0,
        }
    }
}

/// What becomes durable together.
#[derive(Default)]
pub(super) struct Batch {
    /// In order.
    pub items: Vec<Item>,
    /// What waits for them.
    pub after: Vec<After>,
    /// Payload bytes.
    pub bytes: usize,
    /// When the first update arrived.
    pub since: Option<Instant>,
}

/// The two batches of a space.
#[derive(Default)]
pub(super) struct Saver {
    gathering: Batch,
    saving: Option<Batch>,
}

impl Saver {
    /// Adds an applied update.
    pub fn push(&mut self, update: Update, at: Instant) {
        self.gathering.bytes += update.bytes.len();
        self.gathering.since.get_or_insert(at);
        self.gathering.items.push(Item::Update(update));
    }

    /// Adds a fact about a member.
    pub fn push_fact(&mut self, fact: Fact) {
        self.gathering.items.push(Item::Fact(Box::new(fact)));
    }

    /// Adds something for the journal, behind the update it is about.
    pub fn push_note(&mut self, event: NewEvent) {
        self.gathering.items.push(Item::Note(Box::new(event)));
    }

    /// Adds a chunk of the pose track.
    pub fn push_poses(&mut self, chunk: Bytes) {
        self.gathering.bytes += chunk.len();
        self.gathering.items.push(Item::Poses(chunk));
    }

    /// Attaches `after` to the newest batch that is not durable yet; gives it back when there is none, to be done
    /// at once.
    pub fn wait(&mut self, after: After) -> Option<After> {
        let batch = if self.gathering.items.is_empty() {
            self.saving.as_mut()
        } else {
            Some(&mut self.gathering)
        };
        match batch {
            Some(batch) => {
                batch.after.push(after);
                None
            }
            None => Some(after),
        }
    }

    /// True when there is a batch to hand over and none on its way.
    pub fn is_ready(&self) -> bool {
        self.saving.is_none() && !self.gathering.items.is_empty()
    }

    /// The next events to write, when there are some and none are on their way.
    pub fn take(&mut self) -> Option<Vec<NewEvent>> {
        if !self.is_ready() {
            return None;
        }
        let mut batch = std::mem::take(&mut self.gathering);
        if batch.items.len() > limits::APPEND_EVENTS_MAX {
            // A note belongs to the update before it.
            let mut cut = limits::APPEND_EVENTS_MAX;
            while cut > 1 && matches!(batch.items[cut], Item::Note(_)) {
                cut -= 1;
            }
            let rest = batch.items.split_off(cut);
            self.gathering.bytes = rest.iter().map(Item::bytes).sum();
            batch.bytes -= self.gathering.bytes;
            // What waits may wait for any of them, so it waits for the last.
            self.gathering.after = std::mem::take(&mut batch.after);
            self.gathering.since = batch.since;
            self.gathering.items = rest;
        }
        let events = batch
            .items
            .iter_mut()
            .map(|item| match item {
                Item::Update(update) => NewEvent {
                    kind: EventKind::Edit,
                    member: update.member.take(),
                    user: update.user.take(),
                    payload: update.bytes.clone(),
                    changes: update.changes.take(),
                    roster: None,
                },
                Item::Note(event) => NewEvent::clone(event),
                Item::Fact(fact) => fact.event(),
                Item::Poses(chunk) => NewEvent {
                    kind: EventKind::Poses,
                    ..NewEvent::edit(chunk.clone())
                },
            })
            .collect();
        self.saving = Some(batch);
        Some(events)
    }

    /// The batch that has just been committed.
    pub fn saved(&mut self) -> Batch {
        self.saving.take().unwrap_or_default()
    }

    /// Forgets the updates that are not on their way yet: their authors still have them and nobody was told that they
    /// are saved. What is known of members, and where they were, stays true.
    pub fn drop_updates(&mut self) {
        let mut left = std::mem::take(&mut self.gathering).items;
        left.retain(|item| matches!(item, Item::Fact(_) | Item::Poses(_)));
        self.gathering.bytes = left.iter().map(Item::bytes).sum();
        self.gathering.items = left;
    }

    /// What waited for commits that will not be.
    pub fn give_up(&mut self) -> Vec<After> {
        let mut after = self.saved().after;
        after.append(&mut std::mem::take(&mut self.gathering).after);
        after
    }

    /// False when so much is unsaved that no more may be applied: the sockets stop reading.
    pub fn has_room(&self) -> bool {
        let saving = self.saving.as_ref();
        let bytes = self.gathering.bytes + saving.map_or(0, |batch| batch.bytes);
        let waiters = self.gathering.after.len() + saving.map_or(0, |batch| batch.after.len());
        bytes < limits::UNSAVED_BYTES_MAX
            && waiters < limits::UNSAVED_WAITERS_MAX
            && self.len() < limits::UNSAVED_EVENTS_MAX
    }

    /// Events that are applied and not durable.
    pub fn len(&self) -> usize {
        self.gathering.items.len() + self.saving.as_ref().map_or(0, |batch| batch.items.len())
    }

    /// True when everything applied is durable.
    pub fn is_idle(&self) -> bool {
        self.saving.is_none() && self.gathering.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(bytes: impl Into<Bytes>) -> Update {
        Update {
            bytes: bytes.into(),
            ..Update::default()
        }
    }

    fn ack(n: u8) -> After {
        After::Ack(ConnId(1), Bytes::from(vec![n]))
    }

    #[test]
    fn an_ack_waits_for_what_came_before_it_and_for_nothing_else() {
        let mut saver = Saver::default();
        assert!(saver.wait(ack(0)).is_some(), "nothing is pending: at once");
        saver.push(update(&b"a"[..]), Instant::now());
        assert!(saver.wait(ack(1)).is_none());
        assert_eq!(saver.take().map(|e| e.len()), Some(1));
        assert!(saver.wait(ack(2)).is_none(), "the batch on its way");
        saver.push(update(&b"b"[..]), Instant::now());
        assert!(saver.wait(ack(3)).is_none());
        assert!(saver.take().is_none(), "one batch at a time");
        assert_eq!(saver.saved().after.len(), 2);
        assert!(!saver.is_idle());
        assert_eq!(saver.take().map(|e| e.len()), Some(1));
        assert_eq!(saver.saved().after.len(), 1);
        assert!(saver.is_idle());
    }

    #[test]
    fn a_long_batch_is_cut_and_its_acks_wait_for_the_end() {
        let mut saver = Saver::default();
        for _ in 0..limits::APPEND_EVENTS_MAX + 3 {
            saver.push(update(&b"x"[..]), Instant::now());
        }
        assert!(saver.wait(ack(1)).is_none());
        assert_eq!(saver.take().map(|e| e.len()), Some(limits::APPEND_EVENTS_MAX));
        assert!(saver.saved().after.is_empty());
        assert_eq!(saver.take().map(|e| e.len()), Some(3));
        assert_eq!(saver.saved().after.len(), 1);
    }

    #[test]
    fn there_is_room_until_the_bytes_are_used_up() {
        let mut saver = Saver::default();
        saver.push(update(vec![0; limits::UNSAVED_BYTES_MAX]), Instant::now());
        assert!(!saver.has_room());
        saver.take();
        assert!(!saver.has_room(), "on its way is not saved");
        saver.saved();
        assert!(saver.has_room());
    }

    /// Regression: while a commit hung, questions for acks filled the memory.
    #[test]
    fn there_is_room_until_too_many_wait() {
        let mut saver = Saver::default();
        saver.push(update(&b"a"[..]), Instant::now());
        saver.take();
        saver.push(update(&b"b"[..]), Instant::now());
        for n in 0..limits::UNSAVED_WAITERS_MAX {
            assert!(saver.has_room(), "{n}");
            assert!(saver.wait(ack(1)).is_none());
        }
        assert!(!saver.has_room());
        saver.saved();
        saver.take();
        assert!(!saver.has_room(), "they wait for the second batch");
        saver.saved();
        assert!(saver.has_room());
    }

    /// Regression: joins and leaves have no bytes, and while a commit hung nothing bounded them.
    #[test]
    fn there_is_room_until_too_many_events_wait_whatever_their_size() {
        let mut saver = Saver::default();
        for _ in 0..limits::UNSAVED_EVENTS_MAX {
            assert!(saver.has_room());
            saver.push(Update::default(), Instant::now());
        }
        assert!(!saver.has_room());
    }
}
