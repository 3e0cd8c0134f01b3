//! Who is in the space: members with their handles, what happens to them, and what of it the journal is told. Pure;
//! the actor writes the facts and sends them on once they are durable.
//!
//! A member outlives its connection: a lost one is *away* until its token brings it back or its grace ends.

mod fact;
mod member;
mod recall;

pub(super) use fact::{Fact, What};
pub use member::Identity;
pub(super) use member::{Member, Whereabouts};
pub use recall::{Newcomer, Recall, Turn};

use super::ConnId;
use crate::limits;
use crate::store::MemberRow;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;
use thexr_schema::presence::{Id, Reason, id_of, id_text};
use tokio::time::Instant;

/// Instead of the hash of a token: members that came by awareness have none and resume by their document.
const NO_TOKEN: [u8; 32] = [0; 32];

/// What became of somebody who wanted in.
pub(super) enum Entered {
    /// A new member, and what it must remember to resume.
    New(Fact, Id),
    /// It is back.
    Resumed(Fact),
    /// It is back on a new connection before the old one was missed.
    Replaced {
        /// The member.
        handle: u16,
        /// Its old connection.
        old: ConnId,
    },
    /// No room.
    Full,
}

/// The members of a space.
pub(super) struct Roster {
    members: BTreeMap<u16, Member>,
    by_conn: HashMap<ConnId, u16>,
    by_token: HashMap<[u8; 32], u16>,
    /// By the client id of their document.
    by_yjs: HashMap<u64, u16>,
    /// Handles that may not be given again yet: a pose on its way would be somebody else's.
    resting: VecDeque<(Instant, u16)>,
    last_handle: u16,
    grace: Duration,
}

impl Roster {
    /// The members of before the start: all are away, with a whole grace. Says which of them were thought to be here.
    ///
    /// `started_ms` is when the server started: who was here after that was not lost by a restart of it. `last_ms` is the
    /// time of the newest event.
    pub fn restored(
        rows: Vec<MemberRow>,
        grace: Duration,
        now: Instant,
        now_ms: i64,
        started_ms: i64,
        last_ms: i64,
    ) -> (Self, Vec<Fact>) {
        let mut roster = Self {
            members: BTreeMap::new(),
            by_conn: HashMap::new(),
            by_token: HashMap::new(),
            by_yjs: HashMap::new(),
            resting: VecDeque::new(),
            // Which handles rest is not written down: elsewhere, a pose on its way is nobody's.
            last_handle: rand::random(),
            grace,
        };
        let mut facts = Vec::new();
        for row in rows {
            let (Some(id), Ok(token)) = (id_of(&row.member), <[u8; 32]>::try_from(&row.token[..])) else {
                continue;
            };
            let ours = row.joined_at.max(row.heard_at) >= started_ms;
            // When it was last heard was not written down. A space that fell over was there until about now; of an earlier
            // process it is only known when it last wrote something.
            let heard_at = match (row.away, ours) {
                (true, _) => row.heard_at,
                (false, true) => now_ms,
                (false, false) => last_ms.max(row.joined_at).min(now_ms),
            };
            let member = Member {
                id,
                id_text: row.member.into(),
                handle: row.handle,
                identity: Identity {
                    user: row.user.into(),
                    name: row.name.into(),
                    role: row.role,
                },
                yjs: row.yjs,
                state: row.state.into(),
                joined_at: row.joined_at,
                heard_at,
                whereabouts: Whereabouts::Away {
                    until: now + grace,
                    or: if ours { Reason::Grace } else { Reason::Shutdown },
                },
                token,
            };
            if !row.away {
                facts.push(Fact::new(&member, What::Suspended));
            }
            if token != NO_TOKEN {
                roster.by_token.insert(token, row.handle);
            }
            roster.by_yjs.insert(member.yjs, row.handle);
            roster.members.insert(row.handle, member);
        }
        (roster, facts)
    }

    /// How many members there are, away or not.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// How many of them are here.
    pub fn here(&self) -> usize {
        self.by_conn.len()
    }

    /// The member on a connection.
    pub fn of(&self, conn: ConnId) -> Option<&Member> {
        self.members.get(self.by_conn.get(&conn)?)
    }

    /// The member whose document writes under this client id.
    pub fn with_document(&self, yjs: u64) -> Option<&Member> {
        self.members.get(self.by_yjs.get(&yjs).filter(|_| yjs != 0)?)
    }

    /// Every connection with a member on it.
    pub fn conns(&self) -> Vec<ConnId> {
        self.by_conn.keys().copied().collect()
    }

    /// The member of a handle.
    pub fn get(&mut self, handle: u16) -> Option<&mut Member> {
        self.members.get_mut(&handle)
    }

    /// The member of an id.
    pub fn named(&self, id: &Id) -> Option<&Member> {
        self.members.values().find(|member| member.id == *id)
    }

    /// Everybody who may be spoken of, by handle.
    pub fn told(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| member.joined_at > 0)
    }

    /// Lets somebody in: as the member the token remembers, or as a new one.
    pub fn enter(
        &mut self,
        conn: ConnId,
        identity: Identity,
        token: Option<Id>,
        yjs: u64,
        state: &str,
        now: Instant,
    ) -> Entered {
        let known = token.and_then(|token| self.by_token.get(&hash(&token)).copied());
        // A token is of one user: it is no way to become somebody else.
        let known = known.filter(|handle| {
            self.members
                .get(handle)
                .is_some_and(|m| m.identity.user == identity.user)
        });
        if let Some(member) = known.and_then(|handle| self.members.get_mut(&handle)) {
            let before = member.whereabouts;
            member.whereabouts = Whereabouts::Here(conn);
            self.by_yjs.remove(&member.yjs);
            self.by_yjs.insert(yjs, member.handle);
            member.yjs = yjs;
            member.state = state.into();
            // Who it is comes with the connection, and so with this one: a role may have been taken away since.
            member.identity = identity;
            self.by_conn.insert(conn, member.handle);
            return match before {
                Whereabouts::Away { .. } => Entered::Resumed(Fact::new(member, What::Resumed)),
                Whereabouts::Here(old) => {
                    self.by_conn.remove(&old);
                    let handle = member.handle;
                    Entered::Replaced { handle, old }
                }
            };
        }
        if self.members.len() >= limits::MEMBERS_PER_SPACE_MAX {
            return Entered::Full;
        }
        let token: Id = rand::random();
        let fact = self.add(conn, identity, yjs, state, hash(&token), now);
        Entered::New(fact, token)
    }

    /// When the space is full: whoever has been away the longest has left, so that who is lost keeps nobody out.
    pub fn make_room(&mut self, now: Instant) -> Option<Fact> {
        if self.members.len() < limits::MEMBERS_PER_SPACE_MAX {
            return None;
        }
        let away = |member: &Member| match member.whereabouts {
            Whereabouts::Away { until, or } => Some((until, member.handle, or)),
            Whereabouts::Here(_) => None,
        };
        let (_, handle, reason) = self
            .members
            .values()
            .filter_map(away)
            .min_by_key(|(until, ..)| *until)?;
        self.leave(handle, reason, 0, now)
    }

    /// Lets a stock client in that speaks for the client id of its document: as the member that had it, if that one is
    /// away, or as a new one. None when a member is here with it, or there is no room.
    pub fn enter_stock(
        &mut self,
        conn: ConnId,
        identity: Identity,
        yjs: u64,
        state: &str,
        now: Instant,
    ) -> Option<Fact> {
        let known = self.by_yjs.get(&yjs).copied();
        if let Some(member) = known.and_then(|handle| self.members.get_mut(&handle)) {
            if !matches!(member.whereabouts, Whereabouts::Away { .. }) || member.token != NO_TOKEN {
                return None;
            }
            member.whereabouts = Whereabouts::Here(conn);
            member.state = state.into();
            member.identity = identity;
            self.by_conn.insert(conn, member.handle);
            return Some(Fact::new(member, What::Resumed));
        }
        if self.members.len() >= limits::MEMBERS_PER_SPACE_MAX {
            return None;
        }
        Some(self.add(conn, identity, yjs, state, NO_TOKEN, now))
    }

    fn add(
        &mut self,
        conn: ConnId,
        identity: Identity,
        yjs: u64,
        state: &str,
        token: [u8; 32],
        now: Instant,
    ) -> Fact {
        let id = rand::random();
        let member = Member {
            id,
            id_text: id_text(&id).into(),
            handle: self.next_handle(now),
            identity,
            yjs,
            state: state.into(),
            joined_at: 0,
            heard_at: 0,
            whereabouts: Whereabouts::Here(conn),
            token,
        };
        let fact = Fact::new(&member, What::Joined);
        self.by_conn.insert(conn, member.handle);
        if token != NO_TOKEN {
            self.by_token.insert(token, member.handle);
        }
        self.by_yjs.insert(yjs, member.handle);
        self.members.insert(member.handle, member);
        fact
    }

    /// A free handle; there are ten times as many as members may be.
    fn next_handle(&mut self, now: Instant) -> u16 {
        while self
            .resting
            .front()
            .is_some_and(|(since, _)| now.duration_since(*since) >= limits::HANDLE_REST)
        {
            self.resting.pop_front();
        }
        loop {
            self.last_handle = self.last_handle.wrapping_add(1).max(1);
            let handle = self.last_handle;
            if !self.members.contains_key(&handle) && self.resting.iter().all(|(_, h)| *h != handle) {
                return handle;
            }
        }
    }

    /// Its connection is gone without a word.
    pub fn lost(&mut self, conn: ConnId, heard_at: i64, now: Instant) -> Option<Fact> {
        let handle = self.by_conn.remove(&conn)?;
        let member = self.members.get_mut(&handle)?;
        member.heard_at = heard_at;
        member.whereabouts = Whereabouts::Away {
            until: now + self.grace,
            or: Reason::Grace,
        };
        Some(Fact::new(member, What::Suspended))
    }

    /// A member goes for good.
    pub fn leave(&mut self, handle: u16, reason: Reason, heard_at: i64, now: Instant) -> Option<Fact> {
        let mut member = self.members.remove(&handle)?;
        if let Whereabouts::Here(conn) = member.whereabouts {
            self.by_conn.remove(&conn);
            member.heard_at = heard_at;
        }
        self.by_token.remove(&member.token);
        if self.by_yjs.get(&member.yjs) == Some(&handle) {
            self.by_yjs.remove(&member.yjs);
        }
        if self.resting.len() >= limits::HANDLES_RESTING_MAX {
            self.resting.pop_front();
        }
        self.resting.push_back((now, handle));
        Some(Fact::new(&member, What::Left(reason)))
    }

    /// Those whose grace has ended go.
    pub fn expire(&mut self, now: Instant) -> Vec<Fact> {
        let over: Vec<(u16, Reason)> = self
            .members
            .values()
            .filter_map(|member| match member.whereabouts {
                Whereabouts::Away { until, or } if until <= now => Some((member.handle, or)),
                _ => None,
            })
            .collect();
        over.into_iter()
            .filter_map(|(handle, reason)| self.leave(handle, reason, 0, now))
            .collect()
    }
}

fn hash(token: &Id) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests;
