//! Who was in a space at a moment: what its journal of members adds up to, told as a live space tells it.

use super::kept::Kept;
use crate::limits;
use crate::space::roster::{Recall, Turn};
use crate::space::{Trouble, past};
use crate::store::{Event, Kinds, MemberRow};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use thexr_schema::ids::Seq;
use thexr_schema::presence::{self, Change, Entry, Id, Reason, id_of};

#[derive(Clone)]
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

/// By handle.
type Members = BTreeMap<u16, Arc<Who>>;

/// The members.
#[derive(Default)]
pub(super) struct Cast {
    members: Members,
    handles: HashMap<Id, u16>,
    /// Who was there after some events, in order: from the one before a moment it is not far to it, forwards.
    marks: Vec<(Seq, Members)>,
    /// The history that they are of begins here.
    base: Seq,
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
    pub async fn go_to(&mut self, kept: &Kept, now: Seq, seq: Seq) -> Result<(), Trouble> {
        let Kept { store, row, .. } = kept;
        if self.base != row.base_seq {
            self.marks.clear();
            self.base = row.base_seq;
        }
        let back = seq < now || now < row.base_seq;
        let mark = self.marks.iter().rfind(|(at, _)| *at <= seq);
        let mut seen = now;
        // A leave does not say who it was that left, so there is no way but forwards.
        if let Some((at, members)) = mark.filter(|(at, _)| back || *at > now) {
            seen = *at;
            self.members = members.clone();
            self.handles = members.iter().map(|(handle, who)| (who.id, *handle)).collect();
        } else if back {
            seen = row.base_seq;
            self.members.clear();
            self.handles.clear();
            if row.base_seq > Seq::ZERO {
                self.seed(store.members(row.key).await?, kept.range[0]);
            }
        }
        let mut turn = None;
        while seen < seq {
            self.mark(seen);
            let page = limits::HISTORY_PAGE_EVENTS;
            let stretch = store.history(row.key, seen, page, Kinds::MEMBERS).await?;
            if stretch.seen == seen {
                break;
            }
            seen = stretch.seen;
            for event in stretch.events.iter().take_while(|event| event.seq <= seq) {
                self.take(event);
            }
            // A long way is work like that for a document.
            if turn.is_none() && seen < seq {
                turn = Some(past::turn().await?);
            }
        }
        Ok(())
    }

    /// Remembers who is here, which is after event `at`. When that is too much, the mark goes that is missed least: its
    /// neighbours are the nearest.
    fn mark(&mut self, at: Seq) {
        let mut new = self.marks.partition_point(|(mark, _)| *mark < at);
        if self.marks.get(new).is_some_and(|(mark, _)| *mark == at) {
            return;
        }
        self.marks.insert(new, (at, self.members.clone()));
        let members =
            |marks: &[(Seq, Members)]| marks.iter().map(|(_, members)| members.len()).sum::<usize>();
        while self.marks.len() > limits::REPLAY_MARKS_MAX
            || members(&self.marks) > limits::REPLAY_MARKED_MEMBERS_MAX
        {
            let seq = |n: usize| self.marks.get(n).map_or(i64::MAX, |(seq, _)| seq.0);
            let gap = |n: &usize| seq(n + 1) - n.checked_sub(1).map_or(0, seq);
            let others = (0..self.marks.len()).filter(|n| *n != new);
            let Some(least) = others.min_by_key(gap) else {
                return;
            };
            self.marks.remove(least);
            new -= usize::from(least < new);
        }
    }

    /// Where the joins of long ago are not kept any more: who is here today and came before that was here. Who has left
    /// since is missing, because only the join said who it was.
    fn seed(&mut self, members: Vec<MemberRow>, first_at: i64) {
        for member in members.into_iter().filter(|member| member.joined_at < first_at) {
            let Some(id) = id_of(&member.member) else { continue };
            let who = Who {
                id,
                user: member.user,
                name: member.name,
                role: member.role,
                yjs: member.yjs,
                state: member.state,
                joined_at: member.joined_at.max(0).cast_unsigned(),
                away: false,
            };
            self.handles.insert(id, member.handle);
            self.members.insert(member.handle, Arc::new(who));
        }
    }

    /// Something happened; gives the event as it is told to others, when it is about a member.
    pub fn take(&mut self, event: &Event) -> Option<Vec<u8>> {
        let told = Recall::of(event)?;
        let id = id_of(told.member)?;
        if let Turn::Joined(newcomer) = told.turn {
            let handle = newcomer.handle?;
            let who = Who {
                id,
                user: told.user.unwrap_or_default().to_owned(),
                name: newcomer.name,
                role: newcomer.role,
                yjs: newcomer.yjs,
                state: newcomer.state.unwrap_or_else(|| "{}".into()),
                joined_at: event.at.max(0).cast_unsigned(),
                away: false,
            };
            self.handles.insert(id, handle);
            self.members.insert(handle, Arc::new(who));
            let entry = self.members.get(&handle)?.entry(handle);
            return Some(self.told(event, handle, Change::Joined(entry)));
        }
        let heard_at = told.heard_at.max(0).cast_unsigned();
        let handle = *self.handles.get(&id)?;
        let who = Arc::make_mut(self.members.get_mut(&handle)?);
        who.away = !told.is_here();
        let change = match told.turn {
            Turn::Joined(_) => return None,
            Turn::Suspended => Change::Suspended { heard_at },
            Turn::Resumed(yjs) => {
                who.yjs = yjs.unwrap_or(who.yjs);
                Change::Resumed
            }
            Turn::Left(reason) => {
                self.members.remove(&handle);
                self.handles.remove(&id);
                // Whoever is told must not keep it: what a later version means is nearest to this.
                let reason = reason.unwrap_or(Reason::Bye);
                Change::Left { reason, heard_at }
            }
        };
        Some(self.told(event, handle, change))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::EventKind;
    use bytes::Bytes;

    fn row(n: u8, joined_at: i64) -> MemberRow {
        MemberRow {
            member: format!("{n:032x}"),
            handle: u16::from(n),
            user: format!("user{n}"),
            name: format!("name{n}"),
            role: 1,
            yjs: 0,
            token: Vec::new(),
            joined_at,
            away: true,
            heard_at: 0,
            state: "{}".into(),
        }
    }

    #[test]
    fn marks_are_few_and_far_apart_and_the_newest_stays() {
        let mut cast = Cast::default();
        cast.seed(vec![row(1, 100)], 200);
        for n in 0..1_000 {
            cast.mark(Seq(n));
            assert!(cast.marks.iter().any(|(seq, _)| seq.0 == n), "{n}");
        }
        assert_eq!(cast.marks.len(), limits::REPLAY_MARKS_MAX);
        // In the middle of a gap, again and again, as steps back ask for them.
        for n in [507, 506, 505] {
            cast.mark(Seq(n));
            cast.mark(Seq(n));
            assert!(cast.marks.iter().any(|(seq, _)| seq.0 == n), "{n}");
        }
        let gaps = cast.marks.windows(2).map(|pair| pair[1].0.0 - pair[0].0.0);
        assert!(gaps.clone().all(|gap| gap > 0), "in order");
        let even = 1_000 / limits::REPLAY_MARKS_MAX as i64;
        assert!(
            gaps.max() <= Some(4 * even),
            "{:?}",
            cast.marks.iter().map(|m| m.0).collect::<Vec<_>>()
        );
        cast.members = (0..u16::MAX).map(|n| (n, cast.members[&1].clone())).collect();
        cast.mark(Seq(2_000));
        assert_eq!(cast.marks.len(), 1, "many members, few marks");
    }

    /// SPEC R2.
    #[test]
    fn who_came_before_what_is_kept_and_is_still_here_was_here() {
        let mut cast = Cast::default();
        cast.seed(vec![row(1, 100), row(2, 300)], 200);
        let entries: Vec<u16> = cast.entries().iter().map(|entry| entry.handle).collect();
        assert_eq!(entries, [1], "the second joins later, and that is kept");
        let left = |n: u8| Event {
            seq: Seq(9),
            at: 400,
            kind: EventKind::Left as i64,
            member: Some(format!("{n:032x}")),
            user: None,
            payload: Bytes::from_static(br#"{"reason":"bye","last_heard":400}"#),
            changes: None,
        };
        assert!(cast.take(&left(7)).is_none(), "nobody we know");
        assert!(cast.take(&left(1)).is_some() && !cast.has(1));
    }
}
