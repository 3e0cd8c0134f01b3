//! A member: who it is, where it is, what others are told of it.

use super::ConnId;
use std::sync::Arc;
use thexr_schema::presence::{Entry, Id, Reason};
use tokio::time::Instant;

/// A viewer is 0, an admin 2.
const EDITOR: u8 = 1;

/// Who is behind a connection; comes with the connection, never from what it sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who it is: several members may be one user.
    pub user: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// 0 viewer, 1 editor, 2 admin.
    pub role: u8,
}

impl Identity {
    /// Somebody who did not say: a new user at each connection, who may edit because everybody may without tokens.
    pub fn guest() -> Self {
        Self {
            user: format!("guest-{:08x}", rand::random::<u32>()).into(),
            name: "Guest".into(),
            role: EDITOR,
        }
    }
}

/// Where a member is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::space) enum Whereabouts {
    /// On this connection.
    Here(ConnId),
    /// Lost; gone for this reason unless it comes back before then.
    Away { until: Instant, or: Reason },
}

/// A member.
#[derive(Debug)]
pub(in crate::space) struct Member {
    pub id: Id,
    /// The same as text, as every edit of its in the journal carries it.
    pub id_text: Arc<str>,
    pub handle: u16,
    pub identity: Identity,
    /// Client id of its document; 0 = none.
    pub yjs: u64,
    pub state: Arc<str>,
    /// Milliseconds since 1970; 0 until its join is durable, and nobody is told of it before that.
    pub joined_at: i64,
    /// When it was last heard, as far as that was written down.
    pub heard_at: i64,
    pub whereabouts: Whereabouts,
    /// sha256 of the resume token.
    pub(super) token: [u8; 32],
}

impl Member {
    /// As others are told of it.
    pub fn entry(&self) -> Entry<'_> {
        Entry {
            handle: self.handle,
            member: self.id,
            away: matches!(self.whereabouts, Whereabouts::Away { .. }),
            role: self.identity.role,
            joined_at: self.joined_at.max(0).cast_unsigned(),
            yjs_client: self.yjs,
            user: &self.identity.user,
            name: &self.identity.name,
            state: &self.state,
        }
    }
}
