//! What the actor does with connections and what they say.

use super::{Actor, Exit};
use crate::limits;
use crate::space::doc::{CheckedUpdate, Clocks, Keep, Refused};
use crate::space::saver::{After, Update};
use crate::space::{ConnId, Delivery, Durable, Inbound, Join, Reply, Trouble};
use crate::wire;
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use thexr_schema::close;
use thexr_schema::frame;
use thexr_schema::ids::Seq;
use tokio::time::Instant;

/// What became of an update.
pub(super) enum Merged {
    /// It is in the document, or was already.
    Taken,
    /// The document has no room for it.
    Full,
    /// Nothing was kept; after `Broken` the document must not be used any more.
    Refused(Refused),
}

impl Actor {
    pub(super) fn join(&mut self, join: Join, reply: Reply<()>, now: Instant) {
        let conn = join.conn;
        if self.fanout.len() >= limits::CONNECTIONS_PER_SPACE_MAX {
            self.context.metrics.limit("connections_per_space");
            let _ = reply.send(Err(Trouble::Busy));
            return;
        }
        self.fanout.join(join, now);
        self.greet(conn);
        if let Some(all) = self.awareness.all() {
            self.fanout.send(conn, all);
        }
        // A caller that has gone meanwhile will not leave by itself.
        if reply.send(Ok(())).is_err() {
            self.fanout.leave(conn);
        }
    }

    /// Asks a connection for what it has and we lack.
    pub(super) fn greet(&mut self, conn: ConnId) {
        if let Some(doc) = &self.doc {
            let step = thexr_schema::frame::sync_step1(&doc.state_vector());
            self.fanout.send(conn, crate::wire::message(&step));
        }
    }

    pub(super) fn deliveries(&mut self, deliveries: Vec<Delivery>, now: Instant) -> Option<Exit> {
        for delivery in deliveries {
            let exit = self.delivery(delivery, now);
            if exit.is_some() {
                return exit;
            }
        }
        self.answer_steps();
        None
    }

    fn delivery(&mut self, delivery: Delivery, now: Instant) -> Option<Exit> {
        let from = delivery.from;
        if self.doc.is_none() && !matches!(delivery.message, Inbound::SyncStep1(_)) {
            self.held.push_back(delivery);
            return None;
        }
        match delivery.message {
            Inbound::SyncStep1(clocks) => {
                if self.fanout.may_sync(from, now) {
                    self.steps.push((from, clocks));
                } else {
                    self.context.metrics.limit("sync_step1");
                }
            }
            Inbound::SyncStep2(update) => {
                if let Some(receiver) = self.fanout.get(from) {
                    receiver.resync = false;
                }
                if !update.is_empty() {
                    let exit = self.apply(from, &update, Keep::Effect, delivery.at);
                    if exit.is_some() {
                        return exit;
                    }
                }
                self.release_acks(from);
            }
            Inbound::Update(update) => return self.apply(from, &update, Keep::Received, delivery.at),
            Inbound::Ack(payload) => self.ack(from, payload),
            Inbound::Awareness(update) => self.cursor_said(from, &update, now),
            Inbound::QueryAwareness => {
                if let Some(all) = self.awareness.all() {
                    self.fanout.send(from, all);
                }
            }
        }
        None
    }

    fn apply(&mut self, from: ConnId, update: &CheckedUpdate, keep: Keep, at: Instant) -> Option<Exit> {
        match self.merge(Some(from), update, keep, at) {
            Merged::Taken => {}
            Merged::Full => self.fanout.close(from, close::TOO_LARGE),
            Merged::Refused(Refused::Gap) => {
                if self.fanout.gap(from) {
                    self.greet(from);
                }
            }
            Merged::Refused(Refused::Reused) => self.fanout.close(from, close::CLIENT_ID_REUSED),
            Merged::Refused(Refused::Misplaced) => self.fanout.close(from, close::BAD_MESSAGE),
            Merged::Refused(Refused::Broken(why)) => return Some(Exit::Broken(Some(from), why)),
        }
        None
    }

    /// Applies an update, counts what came of it, and hands what was new to the saver.
    pub(super) fn merge(
        &mut self,
        from: Option<ConnId>,
        update: &CheckedUpdate,
        keep: Keep,
        at: Instant,
    ) -> Merged {
        let metrics = &self.context.metrics;
        let doc = self
            .doc
            .as_mut()
            .expect("nothing is applied before the document is there");
        if update.inserts() && !doc.fits(update.bytes().len(), self.context.doc_bytes_max) {
            metrics.limit("doc_bytes");
            return Merged::Full;
        }
        let done = catch_unwind(AssertUnwindSafe(|| doc.apply(update, keep))).unwrap_or_else(|_| {
            metrics.engine_panics.inc();
            Err(Refused::Broken("the engine panicked on an update".into()))
        });
        metrics.update(match &done {
            Ok(Some(_)) => "applied",
            Ok(None) => "known",
            Err(Refused::Gap) => "gap",
            Err(Refused::Reused | Refused::Misplaced | Refused::Broken(_)) => "refused",
        });
        match done {
            Ok(Some(bytes)) => {
                let changes = doc.take_changes();
                let (member, user) = self.author(from, update);
                let update = Update {
                    from,
                    member,
                    user,
                    bytes,
                    changes,
                };
                self.saver.push(update, at);
            }
            Ok(None) => {}
            Err(refused) => return Merged::Refused(refused),
        }
        Merged::Taken
    }

    /// The member and the user behind an update, as far as that is known: a member of this connection, or one of the
    /// same user whose document this is. A connection that is nobody's we know goes by its own name.
    fn author(
        &mut self,
        from: Option<ConnId>,
        update: &CheckedUpdate,
    ) -> (Option<Arc<str>>, Option<Arc<str>>) {
        let Some(conn) = from else { return (None, None) };
        let receiver = self.fanout.get(conn);
        let identity = receiver.as_ref().and_then(|receiver| receiver.identity.clone());
        let text = receiver.map_or_else(|| conn.to_string().into(), |receiver| receiver.text.clone());
        let roster = self.roster.as_ref();
        let member = roster.and_then(|roster| roster.of(conn)).or_else(|| {
            let member = roster?.with_document(update.client()?)?;
            (member.identity.user == identity.as_ref()?.user).then_some(member)
        });
        let user = member.map_or_else(
            || identity.map(|identity| identity.user.clone()),
            |m| Some(m.identity.user.clone()),
        );
        let member = member.map_or(text, |member| member.id_text.clone());
        (Some(member), user)
    }

    /// Echoes a 102 once everything before it is durable; after a refused update not before the resync.
    fn ack(&mut self, from: ConnId, payload: Bytes) {
        if let Some(receiver) = self.fanout.get(from)
            && receiver.resync
        {
            receiver.held_acks.push(payload);
            if receiver.held_acks.len() > limits::HELD_ACKS_MAX {
                self.fanout.close(from, close::UPDATE_GAP);
            }
            return;
        }
        if let Some(now) = self.saver.wait(After::Ack(from, payload)) {
            self.do_after(now, None);
        }
    }

    fn release_acks(&mut self, from: ConnId) {
        let held = match self.fanout.get(from) {
            Some(receiver) if !receiver.resync => std::mem::take(&mut receiver.held_acks),
            _ => return,
        };
        for payload in held {
            self.ack(from, payload);
        }
    }

    /// Does what waited for a commit; `seq` is the commit's last event, none when nothing had to be committed.
    pub(super) fn do_after(&mut self, after: After, seq: Option<Seq>) {
        match after {
            After::Ack(conn, payload) => self.fanout.send(conn, wire::message(&frame::ack(&payload))),
            After::Done(state, reply) => {
                let seq = seq.unwrap_or(self.seq);
                let _ = reply.send(Ok(Durable { seq, state }));
            }
        }
    }

    /// Answers SyncStep1 as far as that shows nothing that could still be lost: when all that was applied is
    /// durable, or, for a newcomer to a space that is being opened, from the stored bytes.
    pub(super) fn answer_steps(&mut self) {
        if self.steps.is_empty() {
            return;
        }
        if let Some(doc) = &mut self.doc {
            if !self.saver.is_idle() {
                return;
            }
            for (conn, clocks) in std::mem::take(&mut self.steps) {
                let answer = doc.framed_diff(&clocks);
                self.fanout.send_sync(conn, answer);
            }
        } else if let Some(answer) = self.stored.as_ref().and_then(|stored| stored.answer()) {
            let (newcomers, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.steps)
                .into_iter()
                .partition(|(_, clocks): &(_, Clocks)| clocks.is_empty());
            self.steps = rest;
            for (conn, _) in newcomers {
                self.fanout.send_sync(conn, answer.clone());
            }
        }
    }

    /// Runs the reads that wait, once what they show can no longer be lost.
    pub(super) fn answer_reads(&mut self) {
        if let Some(doc) = self.doc.as_mut().filter(|_| self.saver.is_idle()) {
            for read in std::mem::take(&mut self.reads) {
                read(Ok((doc, self.seq)));
            }
        }
    }
}
