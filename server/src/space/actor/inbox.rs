//! What the actor does with messages from sockets and with edits made over HTTP.

use super::{Actor, Exit};
use crate::space::doc::edit::{Edit, Edited};
use crate::space::doc::{CheckedUpdate, Clocks, Keep, Refused};
use crate::space::saver::After;
use crate::space::{ConnId, Delivery, Inbound, Reply, Trouble};
use crate::wire;
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use thexr_schema::close;
use thexr_schema::frame;
use thexr_schema::ids::Seq;
use tokio::time::Instant;

/// Acks of one connection that may wait for its resync; a client asks a handful of times before it gives up.
const HELD_ACKS_MAX: usize = 64;

impl Actor {
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
        let doc = self.doc.as_mut()?;
        if update.inserts() && !doc.fits(update.bytes().len(), self.context.doc_bytes_max) {
            self.context.metrics.limit("doc_bytes");
            self.fanout.close(from, close::TOO_LARGE);
            return None;
        }
        match catch_unwind(AssertUnwindSafe(|| doc.apply(update, keep))) {
            Ok(Ok(Some(kept))) => {
                self.context.metrics.update("applied");
                self.saver.push(Some(from), kept, at);
            }
            Ok(Ok(None)) => self.context.metrics.update("known"),
            Ok(Err(Refused::Gap)) => {
                self.context.metrics.update("gap");
                if self.fanout.gap(from) {
                    self.greet(from);
                }
            }
            Ok(Err(Refused::Reused)) => {
                self.context.metrics.update("refused");
                self.fanout.close(from, close::CLIENT_ID_REUSED);
            }
            Ok(Err(Refused::Misplaced)) => {
                self.context.metrics.update("refused");
                self.fanout.close(from, close::BAD_MESSAGE);
            }
            Ok(Err(Refused::Broken(why))) => return Some(Exit::Broken(Some(from), why)),
            Err(_) => {
                self.context.metrics.engine_panics.inc();
                return Some(Exit::Broken(
                    Some(from),
                    "the engine panicked on an update".into(),
                ));
            }
        }
        None
    }

    /// Echoes a 102 once everything before it is durable; after a refused update not before the resync.
    fn ack(&mut self, from: ConnId, payload: Bytes) {
        if let Some(receiver) = self.fanout.get(from)
            && receiver.resync
        {
            receiver.held_acks.push(payload);
            if receiver.held_acks.len() > HELD_ACKS_MAX {
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
            After::Done(reply) => drop(reply.send(Ok(seq.unwrap_or(self.seq)))),
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

    pub(super) fn edit(&mut self, edit: &Edit, reply: Reply<Seq>, now: Instant) -> Option<Exit> {
        let doc = self.doc.as_mut()?;
        self.idle_since = now;
        if edit.grows() && !doc.fits(0, self.context.doc_bytes_max) {
            self.context.metrics.limit("doc_bytes");
            let _ = reply.send(Err(Trouble::TooLarge("the document has its largest size")));
            return None;
        }
        match catch_unwind(AssertUnwindSafe(|| doc.edit(edit))) {
            Ok(Edited::Done(update)) => self.saver.push(None, update, now),
            Ok(Edited::Unchanged) => {}
            Ok(Edited::Refused(trouble)) => {
                let _ = reply.send(Err(trouble));
                return None;
            }
            Err(_) => return Some(Exit::Broken(None, "the engine panicked on an edit".into())),
        }
        if let Some(now) = self.saver.wait(After::Done(reply)) {
            self.do_after(now, None);
        }
        None
    }

    pub(super) fn import(&mut self, update: &CheckedUpdate, reply: Reply<Seq>, now: Instant) -> Option<Exit> {
        let doc = self.doc.as_mut()?;
        self.idle_since = now;
        if update.inserts() && !doc.fits(update.bytes().len(), self.context.doc_bytes_max) {
            self.context.metrics.limit("doc_bytes");
            let _ = reply.send(Err(Trouble::TooLarge(
                "the document would grow over its largest size",
            )));
            return None;
        }
        match catch_unwind(AssertUnwindSafe(|| doc.apply(update, Keep::Effect))) {
            Ok(Ok(Some(kept))) => self.saver.push(None, kept, now),
            Ok(Ok(None)) => {}
            Ok(Err(Refused::Broken(why))) => {
                let _ = reply.send(Err(Trouble::Refused(Refused::Broken(why.clone()))));
                return Some(Exit::Broken(None, why));
            }
            Ok(Err(refused)) => {
                let _ = reply.send(Err(Trouble::Refused(refused)));
                return None;
            }
            Err(_) => return Some(Exit::Broken(None, "the engine panicked on an import".into())),
        }
        if let Some(now) = self.saver.wait(After::Done(reply)) {
            self.do_after(now, None);
        }
        None
    }
}
