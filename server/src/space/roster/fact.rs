//! Something that happened to a member, from the moment it is decided until everybody has been told.

use super::Member;
use crate::store::{EventKind, MemberRow, NewEvent, RosterChange};
use bytes::Bytes;
use serde_json::json;
use std::sync::Arc;
use thexr_schema::presence::{Change, Entry, Event, Id, Reason};

/// What it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::space) enum What {
    Joined,
    Suspended,
    Resumed,
    Left(Reason),
}

/// What happened to whom. Holds the member as it was then: when this is written and told it may be different.
#[derive(Debug)]
pub(in crate::space) struct Fact {
    pub what: What,
    pub handle: u16,
    id: Id,
    id_text: Arc<str>,
    user: Arc<str>,
    name: Arc<str>,
    role: u8,
    yjs: u64,
    state: Arc<str>,
    heard_at: i64,
    joined_at: i64,
    token: [u8; 32],
}

impl Fact {
    pub(super) fn new(member: &Member, what: What) -> Self {
        Self {
            what,
            handle: member.handle,
            id: member.id,
            id_text: member.id_text.clone(),
            user: member.identity.user.clone(),
            name: member.identity.name.clone(),
            role: member.identity.role,
            yjs: member.yjs,
            state: member.state.clone(),
            heard_at: member.heard_at,
            joined_at: member.joined_at,
            token: member.token,
        }
    }

    /// True when this is the state the member had then.
    pub fn has_state(&self, state: &str) -> bool {
        *self.state == *state
    }

    /// As the journal keeps it.
    pub fn event(&self) -> NewEvent {
        let (kind, mut body) = match self.what {
            What::Joined => (
                EventKind::Joined,
                json!({"handle": self.handle, "name": &*self.name, "role": self.role, "yjs": self.yjs}),
            ),
            What::Suspended => (EventKind::Suspended, json!({"last_heard": self.heard_at})),
            What::Resumed => (EventKind::Resumed, json!({"yjs": self.yjs})),
            What::Left(reason) => (
                EventKind::Left,
                json!({"reason": reason.as_str(), "last_heard": self.heard_at}),
            ),
        };
        // For who replays it: most members say nothing of themselves.
        if matches!(self.what, What::Joined | What::Resumed) && &*self.state != "{}" {
            body["state"] = json!(&*self.state);
        }
        let roster = match self.what {
            What::Left(_) => RosterChange::Drop,
            _ => RosterChange::Put(Box::new(MemberRow {
                member: self.id_text.to_string(),
                handle: self.handle,
                user: self.user.to_string(),
                name: self.name.to_string(),
                role: self.role,
                yjs: self.yjs,
                token: self.token.to_vec(),
                joined_at: self.joined_at,
                away: self.what == What::Suspended,
                heard_at: self.heard_at,
                state: self.state.to_string(),
            })),
        };
        NewEvent {
            kind,
            member: Some(self.id_text.clone()),
            user: Some(self.user.clone()),
            payload: Bytes::from(body.to_string()),
            changes: None,
            roster: Some(roster),
        }
    }

    /// Appends it as others are told, with its number and time.
    pub fn tell(&self, seq: i64, at: i64, out: &mut Vec<u8>) {
        let heard_at = self.heard_at.max(0).cast_unsigned();
        let change = match self.what {
            What::Joined => Change::Joined(Entry {
                handle: self.handle,
                member: self.id,
                away: false,
                role: self.role,
                joined_at: at.cast_unsigned(),
                yjs_client: self.yjs,
                user: &self.user,
                name: &self.name,
                state: &self.state,
            }),
            What::Suspended => Change::Suspended { heard_at },
            What::Resumed => Change::Resumed,
            What::Left(reason) => Change::Left { reason, heard_at },
        };
        let event = Event {
            seq: seq.cast_unsigned(),
            at: at.cast_unsigned(),
            handle: self.handle,
            change,
        };
        event.write(out);
    }
}
