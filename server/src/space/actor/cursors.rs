//! What the actor does with standard awareness: stock clients are members too, and members are shown to stock clients.

use super::Actor;
use crate::clock::now_ms;
use crate::space::ConnId;
use crate::space::awareness::bridge::{Bridge, Seen};
use crate::space::awareness::{Awareness, News};
use crate::space::poses::Person;
use crate::space::poses::slot::PoseSlot;
use crate::space::roster::{Identity, Whereabouts};
use std::panic::{AssertUnwindSafe, catch_unwind};
use thexr_schema::close;
use thexr_schema::presence::Id;
use tokio::time::Instant;

impl Actor {
    /// Runs a step of the awareness feature; a panic there costs the cursors and nothing else.
    fn isolated<T>(&mut self, step: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(|| step(self))).ok();
        if done.is_none() {
            tracing::error!(space.id = %self.row.slug, "awareness crashed and starts empty");
            self.awareness = Awareness::default();
            self.bridge = Bridge::default();
        }
        done
    }

    /// An awareness update of a connection.
    pub(super) fn cursor_said(&mut self, from: ConnId, update: &[u8], now: Instant) {
        // Somebody who has just been removed may still have said something.
        if !self.fanout.has(from) {
            return;
        }
        match self.isolated(|actor| actor.awareness.receive(from, update, now)) {
            Some(Ok(news)) => news
                .into_iter()
                .for_each(|news| self.stock_member(from, news, now)),
            Some(Err(_)) => {
                self.context.metrics.update("malformed");
                self.fanout.close(from, close::BAD_MESSAGE);
            }
            None => {}
        }
    }

    /// Whoever speaks for an id is a member; what it says of itself is its state, and its pose is a pose.
    fn stock_member(&mut self, from: ConnId, news: News, now: Instant) {
        let Some(roster) = &mut self.roster else { return };
        let state = news.about.state.as_deref();
        let Some(handle) = roster.of(from).map(|member| member.handle) else {
            let known = self
                .fanout
                .get(from)
                .and_then(|receiver| receiver.identity.as_deref().cloned());
            let identity = known.unwrap_or_else(Identity::guest);
            let gone = roster.make_room(now);
            let fact = roster.enter_stock(from, identity, news.client, state.unwrap_or("{}"), now);
            self.push_facts(gone);
            self.push_facts(fact);
            return;
        };
        if let (Some(state), Some(member)) = (state, roster.get(handle))
            && *member.state != *state
            && member.yjs == news.client
        {
            member.state = state.into();
            if member.joined_at > 0 {
                self.people.state(member, now_ms());
            }
        }
        let Some(record) = news.about.pose else { return };
        if self.people.slot(from).is_none() {
            let person = Person {
                conn: from,
                handle,
                lanes: None,
                slot: PoseSlot::default(),
                budget: 0,
            };
            // Nothing is said to it here: it is in the ticks at once.
            self.people.join(person.clone(), Id::default());
            self.people.welcome(from);
            self.with_poses(|poses, tick| poses.join(person, None, tick));
        }
        if let Some(slot) = self.people.slot(from) {
            slot.put_next(record, now);
        }
    }

    /// A connection of `/sync` has gone: its cursors at once, because a refreshed tab has a new id; its member after a
    /// grace.
    pub(super) fn cursor_left(&mut self, conn: ConnId, now: Instant) {
        self.isolated(|actor| actor.awareness.leave(conn));
        let fact = self
            .roster
            .as_mut()
            .and_then(|roster| roster.lost(conn, now_ms(), now));
        if fact.is_some() {
            self.part(conn, now);
            self.push_facts(fact);
        }
    }

    /// Sends what changed.
    pub(super) fn awareness_tick(&mut self) {
        self.isolated(|actor| {
            if let Some(changed) = actor.awareness.changed() {
                let awareness = &actor.awareness;
                actor
                    .fanout
                    .put_lossy(&changed, || awareness.all().unwrap_or_else(|| changed.clone()));
            }
        });
    }

    /// Expiry, and members as stock clients see them.
    pub(super) fn look_after_cursors(&mut self, now: Instant) {
        self.isolated(|actor| {
            actor.awareness.expire(now);
            let seen = actor.seen();
            actor.bridge.step(&mut actor.awareness, &seen, now);
        });
    }

    /// The members that stock clients do not see by themselves.
    fn seen(&self) -> Vec<Seen> {
        if !self.awareness.has_listeners() {
            return Vec::new();
        }
        let here = self
            .roster
            .iter()
            .flat_map(|roster| roster.told())
            .filter_map(|member| {
                let Whereabouts::Here(conn) = member.whereabouts else {
                    return None;
                };
                (!self.fanout.has(conn)).then(|| Seen {
                    handle: member.handle,
                    name: member.identity.name.clone(),
                    place: self.poses.place(member.handle),
                })
            });
        here.collect()
    }
}
