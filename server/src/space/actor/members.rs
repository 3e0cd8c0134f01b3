//! What the actor does with presence connections: lets members in, keeps the roster and the journal of it, ticks.

use super::Actor;
use crate::clock::now_ms;
use crate::limits;
use crate::space::people::{Enter, FromMember, roster_frames};
use crate::space::poses::Person;
use crate::space::roster::{Entered, Fact, Identity, Roster, What, Whereabouts};
use crate::space::track::Taken;
use crate::space::{ConnId, Durable, MemberInfo, Reply, Trouble};
use crate::store::{Appended, MemberRow};
use crate::wire;
use std::panic::{AssertUnwindSafe, catch_unwind};
use thexr_schema::close;
use thexr_schema::ids::Seq;
use thexr_schema::presence::{Entry, Reason, Welcome, id_of};
use tokio::time::Instant;

impl Actor {
    /// The members of before the start.
    pub(super) fn restore_roster(&mut self, rows: Vec<MemberRow>, now: Instant) {
        let (roster, facts) = Roster::restored(
            rows,
            self.context.grace,
            now,
            now_ms(),
            self.context.started_ms,
            self.row.at,
        );
        self.roster = Some(roster);
        self.push_facts(facts);
    }

    /// False while what presence connections say would only pile up.
    pub(super) fn takes_people(&self) -> bool {
        self.roster.is_some() && self.saver.has_room()
    }

    pub(super) fn push_facts(&mut self, facts: impl IntoIterator<Item = Fact>) {
        for fact in facts {
            self.saver.push_fact(fact);
        }
    }

    /// A message of a presence connection.
    pub(super) fn people_said(&mut self, conn: ConnId, message: FromMember, now: Instant) {
        let Some(roster) = &mut self.roster else { return };
        match message {
            FromMember::Enter(enter) => self.enter(conn, *enter, now),
            FromMember::View(view) => {
                self.with_poses(|poses, _| poses.view(conn, &view));
                self.people.view(conn, view);
            }
            FromMember::Lags(late) => self.with_poses(|poses, _| poses.lags(conn, late, now)),
            FromMember::State(state) => {
                let Some(handle) = roster.of(conn).map(|member| member.handle) else {
                    return;
                };
                let Some(member) = roster.get(handle) else { return };
                member.state = state.into();
                // Before its join is told nobody could place it; `settle` catches up.
                if member.joined_at > 0 {
                    self.people.state(member, now_ms());
                }
            }
            FromMember::Say { topic, key, data } => {
                let Some(handle) = roster.of(conn).map(|member| member.handle) else {
                    return;
                };
                if !self.people.say(handle, topic, key, data) {
                    self.context.metrics.limit("said");
                }
            }
            FromMember::Bye => {
                let handle = roster.of(conn).map(|member| member.handle);
                let fact = handle.and_then(|handle| roster.leave(handle, Reason::Bye, now_ms(), now));
                self.part(conn, now);
                self.push_facts(fact);
            }
            FromMember::Gone(heard_at) => {
                let fact = roster.lost(conn, heard_at, now);
                self.part(conn, now);
                self.push_facts(fact);
            }
        }
    }

    fn enter(&mut self, conn: ConnId, enter: Enter, now: Instant) {
        let Some(roster) = &mut self.roster else { return };
        let gone = roster.make_room(now);
        let Enter {
            lanes,
            slot,
            identity,
            token,
            yjs,
            state,
            budget,
        } = enter;
        let entered = roster.enter(conn, identity, token, yjs, &state, now);
        let handle = roster.of(conn).map(|member| member.handle);
        self.push_facts(gone);
        let Some(handle) = handle else {
            self.context.metrics.limit("members_per_space");
            lanes.close(close::OVERLOADED);
            return;
        };
        let person = Person {
            conn,
            handle,
            lanes: Some(lanes),
            slot,
            budget,
        };
        let token = match &entered {
            Entered::New(_, token) => Some(*token),
            _ => token,
        };
        self.people.join(person, token.unwrap_or_default());
        match entered {
            Entered::New(fact, _) | Entered::Resumed(fact) => self.saver.push_fact(fact),
            Entered::Replaced { old, handle } => {
                self.people.close(old, close::REPLACED);
                self.part(old, now);
                let member = self.roster.as_mut().and_then(|roster| roster.get(handle));
                // Otherwise its join is on its way and will welcome it.
                if let Some(member) = member.filter(|member| member.joined_at > 0) {
                    self.people.as_it_is(member, now_ms());
                    self.welcome(conn, true, self.seq);
                }
            }
            Entered::Full => {}
        }
    }

    /// Takes a connection out of everything but the roster.
    pub(super) fn part(&mut self, conn: ConnId, now: Instant) {
        self.people.leave(conn);
        self.with_poses(|poses, _| poses.leave(conn));
        self.idle_since = now;
    }

    /// What became durable is told, and who waited for it is let in.
    pub(super) fn settle(&mut self, fact: &Fact, seq: Seq, appended: Appended) {
        let conn = {
            let member = self.roster.as_mut().and_then(|roster| roster.get(fact.handle));
            self.people.fact(fact, seq.0, appended.at);
            match (member, fact.what) {
                (Some(member), What::Joined | What::Resumed) => {
                    if fact.what == What::Joined {
                        member.joined_at = appended.at;
                    }
                    if fact.what == What::Resumed || !fact.has_state(&member.state) {
                        self.people.as_it_is(member, appended.at);
                    }
                    match member.whereabouts {
                        Whereabouts::Here(conn) => Some(conn),
                        Whereabouts::Away { .. } => None,
                    }
                }
                _ => None,
            }
        };
        if let Some(conn) = conn {
            // Not the end of the commit: what came after this fact in it is told after this ROSTER.
            self.welcome(conn, fact.what == What::Resumed, seq);
        }
    }

    /// WELCOME and the whole ROSTER; from here on the connection is in the ticks.
    fn welcome(&mut self, conn: ConnId, resumed: bool, as_of: Seq) {
        let tick = self.clock.tick(Instant::now());
        let Some(roster) = &self.roster else { return };
        let Some(member) = roster.of(conn) else { return };
        let Some((person, token)) = self.people.welcome(conn) else {
            return;
        };
        let welcome = Welcome {
            resumed,
            handle: member.handle,
            member: member.id,
            token,
            tick_ms: limits::POSE_TICK.as_millis() as u16,
            tick_now: tick,
            tick0_unix_ms: self.clock.start_unix_ms,
            origin: [0.0; 3],
            unit_shift: 0,
            grace_ms: u32::try_from(self.context.grace.as_millis()).unwrap_or(u32::MAX),
            cell_m: limits::CELL_M,
            every: [limits::MID_EVERY as u8, limits::FAR_EVERY as u8],
            budget: u32::from(crate::space::poses::budget(person.budget)) * limits::POSE_TICKS_PER_S,
            epoch: &self.row.epoch,
            user: &member.identity.user,
            name: &member.identity.name,
        };
        let mut frames = vec![wire::presence(&welcome.write())];
        let entries: Vec<Entry<'_>> = roster.told().map(|member| member.entry()).collect();
        frames.extend(roster_frames(as_of, &entries));
        // Full has closed the lane; its socket will leave.
        let _ = person.lanes.as_ref().map(|lanes| lanes.push_all(frames));
        let view = self.people.view_of(conn).cloned();
        self.with_poses(|poses, tick| poses.join(person, view.as_ref(), tick));
    }

    /// One tick of poses, with the events since the last.
    pub(super) fn tick(&mut self, due: Instant, now: Instant) {
        let (events, said) = (self.people.events(), self.people.said());
        let mut ticked = None;
        self.with_poses(|poses, tick| {
            let done = poses.tick(tick, now, events.as_ref(), &said);
            poses.took(due, now, Instant::now(), done);
            ticked = Some(done);
        });
        self.track(due);
        match (ticked, events) {
            (Some(ticked), _) => self.context.metrics.ticked(ticked.frames, ticked.skipped),
            // Who had it already knows its numbers.
            (None, Some(events)) => self.people.send_all(&events),
            (None, None) => {}
        }
    }

    /// Notes where everybody is, when it is time for that.
    fn track(&mut self, due: Instant) {
        if !self.track.is_due(due) {
            return;
        }
        // While a commit hangs poses are not what may fill the memory.
        let taken = if self.saver.has_room() && self.packing < limits::POSE_CHUNKS_PACKING_MAX {
            self.track.sample(self.poses.records(), due, now_ms())
        } else {
            Taken::Skipped
        };
        if taken == Taken::Skipped {
            self.context.metrics.limit("pose_track");
        }
        let chunk = self.track.close_if_due(due);
        self.pack(chunk);
    }

    /// Runs a step of the pose feature at the current tick; a panic there costs a tick and nothing else.
    pub(super) fn with_poses(&mut self, step: impl FnOnce(&mut crate::space::poses::Poses, u32)) {
        let tick = self.clock.tick(Instant::now());
        let poses = &mut self.poses;
        if catch_unwind(AssertUnwindSafe(|| step(poses, tick))).is_err() {
            tracing::error!(space.id = %self.row.slug, "poses crashed and start again");
            self.poses = self.people.poses(tick);
        }
    }

    /// The graces that have ended.
    pub(super) fn expire_members(&mut self, now: Instant) {
        let facts = self
            .roster
            .as_mut()
            .map(|roster| roster.expire(now))
            .unwrap_or_default();
        self.push_facts(facts);
        if self.people.len() == 0 {
            self.people.forget();
        }
    }

    /// Before the end: whoever is here is suspended, so that a restart knows when it was last heard.
    pub(super) fn suspend_everybody(&mut self, now: Instant) {
        let Some(roster) = &mut self.roster else { return };
        let facts: Vec<Fact> = roster
            .conns()
            .into_iter()
            .filter_map(|conn| roster.lost(conn, now_ms(), now))
            .collect();
        self.push_facts(facts);
    }

    /// Removes a member; answered once its leave is durable.
    pub(super) fn kick(&mut self, member: &str, reply: Reply<Durable>, now: Instant) {
        let found = id_of(member)
            .zip(self.roster.as_ref())
            .and_then(|(id, roster)| roster.named(&id))
            .map(|member| (member.handle, member.whereabouts));
        let Some((handle, whereabouts)) = found else {
            let _ = reply.send(Err(Trouble::NoMember));
            return;
        };
        // First: whoever goes is not lost as well.
        let fact = self
            .roster
            .as_mut()
            .and_then(|roster| roster.leave(handle, Reason::Kicked, now_ms(), now));
        if let Whereabouts::Here(conn) = whereabouts {
            self.people.close(conn, close::KICKED);
            self.part(conn, now);
            // A stock client is a member by its socket for the document.
            if self.fanout.has(conn) {
                self.fanout.close(conn, close::KICKED);
                self.fanout.leave(conn);
                self.cursor_left(conn, now);
            }
        }
        self.push_facts(fact);
        self.done(reply);
    }

    /// Everybody who may be spoken of.
    pub(super) fn member_infos(&self) -> Vec<MemberInfo> {
        let told = self.roster.iter().flat_map(Roster::told);
        told.map(|member| {
            let Identity { user, name, role } = member.identity.clone();
            MemberInfo {
                member: member.id_text.to_string(),
                user,
                name,
                role,
                away: !matches!(member.whereabouts, Whereabouts::Here(_)),
                joined_at: member.joined_at,
                state: member.state.clone(),
            }
        })
        .collect()
    }
}
