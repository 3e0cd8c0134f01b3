//! Who was in a space at a moment: what its journal of members adds up to, told as a live space tells it.

use crate::limits;
use crate::space::Trouble;
use crate::store::{Event, EventKind, Kinds, SpaceRow, Store};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use thexr_schema::ids::Seq;
use thexr_schema::presence::{self, Change, Entry, Id, Reason, id_of};

struct Who {
    id: Id,
    user: String,
    name: String,
    role: u8,
    yjs: u64,
    state: String,
    joined_at: u64,
    away: bool,
}

impl Who {
    fn entry(&self, handle: u16) -> Entry<'_> {
        Entry {
            handle,
            member: self.id,
            away: self.away,
            role: self.role,
            joined_at: self.joined_at,
            yjs_client: self.yjs,
            user: &self.user,
            name: &self.name,
            state: &self.state,
        }
    }
}

/// The members.
#[derive(Default)]
pub(super) struct Cast {
    members: BTreeMap<u16, Who>,
    handles: HashMap<Id, u16>,
}

impl Cast {
    /// True when somebody has this handle.
    pub fn has(&self, handle: u16) -> bool {
        self.members.contains_key(&handle)
    }

    /// As a ROSTER lists them.
    pub fn entries(&self) -> Vec<Entry<'_>> {
        self.members
            .iter()
            .map(|(handle, who)| who.entry(*handle))
            .collect()
    }

    /// From the moment after event `now` to that after `seq`.
    pub async fn go_to(&mut self, store: &Store, row: &SpaceRow, now: Seq, seq: Seq) -> Result<(), Trouble> {
        let mut seen = now;
        if seq < now {
            // Backwards is from the beginning: a leave does not say who it was that left.
            *self = Self::default();
            seen = Seq::ZERO;
        }
        while seen < seq {
            let page = limits::HISTORY_PAGE_EVENTS;
            let stretch = store.history(row.key, seen, page, Kinds::MEMBERS).await?;
            if stretch.seen == seen {
                break;
            }
            seen = stretch.seen;
            for event in stretch.events.iter().take_while(|event| event.seq <= seq) {
                self.take(event);
            }
        }
        Ok(())
    }

    /// Something happened; gives the event as it is told to others, when it is about a member.
    pub fn take(&mut self, event: &Event) -> Option<Vec<u8>> {
        let is = |kind: EventKind| event.kind == kind as i64;
        let id = id_of(event.member.as_deref()?)?;
        let note: Value = serde_json::from_slice(&event.payload).unwrap_or_default();
        let at = event.at.max(0).cast_unsigned();
        if is(EventKind::Joined) {
            let handle = u16::try_from(note["handle"].as_u64()?).ok()?;
            let text = |key: &str| note[key].as_str().unwrap_or_default().to_owned();
            let who = Who {
                id,
                user: event.user.clone().unwrap_or_default(),
                name: text("name"),
                role: note["role"]
                    .as_u64()
                    .and_then(|role| role.try_into().ok())
                    .unwrap_or(0),
                yjs: note["yjs"].as_u64().unwrap_or(0),
                state: note["state"].as_str().unwrap_or("{}").to_owned(),
                joined_at: at,
                away: false,
            };
            self.handles.insert(id, handle);
            self.members.insert(handle, who);
            return Some(self.told(
                event,
                handle,
                Change::Joined(self.members.get(&handle)?.entry(handle)),
            ));
        }
        let heard_at = note["last_heard"].as_u64().unwrap_or(0);
        let handle = *self.handles.get(&id)?;
        let who = self.members.get_mut(&handle)?;
        if is(EventKind::Suspended) {
            who.away = true;
            Some(self.told(event, handle, Change::Suspended { heard_at }))
        } else if is(EventKind::Resumed) {
            who.away = false;
            who.yjs = note["yjs"].as_u64().unwrap_or(who.yjs);
            Some(self.told(event, handle, Change::Resumed))
        } else if is(EventKind::Left) {
            self.members.remove(&handle);
            self.handles.remove(&id);
            let named = |reason: &Reason| note["reason"].as_str() == Some(reason.as_str());
            let reason = Reason::ALL.into_iter().find(named)?;
            Some(self.told(event, handle, Change::Left { reason, heard_at }))
        } else {
            None
        }
    }

    fn told(&self, event: &Event, handle: u16, change: Change<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let told = presence::Event {
            seq: event.seq.0.cast_unsigned(),
            at: event.at.max(0).cast_unsigned(),
            handle,
            change,
        };
        told.write(&mut out);
        out
    }
}
