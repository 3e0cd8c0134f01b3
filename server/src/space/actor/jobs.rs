//! Work the actor starts and hears back from: opening, saving, compacting. A job owns what it needs, so a panic in
//! one is an answer, not a loss.

use super::{Actor, Exit, Mail};
use crate::clock::now_ms;
use crate::space::doc::SpaceDoc;
use crate::space::load::{self, Stored};
use crate::space::saver::{After, Item, Update};
use crate::space::track::{BadChunk, Chunk};
use crate::space::{Reply, Trouble, compactor, retention};
use crate::store::{Appended, MemberRow, SpaceKey, SpaceRow, Store};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use thexr_schema::api::CompactResult;
use thexr_schema::ids::Seq;
use tokio::time::Instant;

/// The end of a job.
pub(super) enum Done {
    /// The rows are read and unpacked.
    Read(Result<(SpaceRow, Arc<Stored>, Vec<MemberRow>), Trouble>),
    /// The document is built.
    Built(Result<Box<SpaceDoc>, Trouble>),
    /// A batch is in the database, or not.
    Saved(Result<Appended, crate::store::StoreError>),
    /// A chunk of the pose track is compressed.
    Packed(Result<Bytes, BadChunk>),
    /// A compaction ended after so much work.
    Compacted(Result<compactor::Compacted, Trouble>, Duration),
}

async fn read(store: &Store, key: SpaceKey) -> Result<(SpaceRow, Arc<Stored>, Vec<MemberRow>), Trouble> {
    let (row, stored) = load::read(store, key).await?;
    Ok((row, stored, store.members(key).await?))
}

impl Actor {
    pub(super) fn open(&mut self) {
        let (store, key) = (self.context.store.clone(), self.row.key);
        self.jobs
            .spawn(async move { Done::Read(read(&store, key).await) });
    }

    /// Sends the next batch on its way when none is under way and the writer is about to take one.
    pub(super) fn start_save(&mut self, now: Instant) {
        if !self.saver.is_ready() {
            return;
        }
        self.save_at = self.context.store.next_commit();
        if self.save_at > now {
            return;
        }
        if let Some(events) = self.saver.take() {
            let (store, key) = (self.context.store.clone(), self.row.key);
            self.jobs
                .spawn(async move { Done::Saved(store.append(key, events).await) });
        }
    }

    /// Compresses a chunk of the pose track off the actor's thread; then it is saved like anything else.
    pub(super) fn pack(&mut self, chunk: Option<Chunk>) {
        let Some(chunk) = chunk else { return };
        self.packing += 1;
        self.jobs.spawn(async move {
            let packed = tokio::task::spawn_blocking(move || chunk.pack()).await;
            Done::Packed(packed.unwrap_or_else(|panic| Err(BadChunk::panicked(&panic))))
        });
    }

    pub(super) fn job_done(&mut self, done: Done, now: Instant) -> Option<Exit> {
        match done {
            Done::Read(Ok((row, stored, members))) => {
                self.row = row;
                self.seq = self.row.seq;
                self.backlog.is(self.row.log_bytes);
                self.stored = Some(stored.clone());
                self.restore_roster(members, now);
                self.answer_steps();
                // 32 bits: stock clients draw such ids, and so every codec on the way has seen one.
                let client = u64::from(rand::random::<u32>());
                let metrics = self.context.metrics.clone();
                self.jobs.spawn(async move {
                    let built =
                        tokio::task::spawn_blocking(move || load::build(client, &stored).map(Box::new)).await;
                    Done::Built(built.unwrap_or_else(|panic| {
                        metrics.engine_panics.inc();
                        Err(Trouble::Damaged(panic.to_string()))
                    }))
                });
                None
            }
            Done::Built(Ok(doc)) => self.opened(*doc, now),
            Done::Read(Err(trouble)) | Done::Built(Err(trouble)) => {
                if matches!(trouble, Trouble::Damaged(_)) {
                    self.context.metrics.db_error("damaged");
                }
                Some(Exit::Storage(trouble))
            }
            Done::Saved(Ok(appended)) => {
                self.saved(appended, now);
                None
            }
            Done::Saved(Err(error)) => {
                let trouble = Trouble::from(error);
                self.context
                    .metrics
                    .db_error(if trouble == Trouble::Full { "full" } else { "other" });
                Some(Exit::Storage(trouble))
            }
            Done::Packed(packed) => {
                self.packing -= 1;
                match packed {
                    Ok(chunk) => self.saver.push_poses(chunk),
                    Err(error) => {
                        tracing::error!(space.id = %self.row.slug, %error, "a stretch of poses is lost");
                    }
                }
                None
            }
            Done::Compacted(result, took) => {
                self.compacted(result, took);
                // A dry run was in the way of it, and the next one may be waiting already.
                self.compact_if_due(now);
                None
            }
        }
    }

    /// Tells everybody who waits for this space that it will not be; who had a commit coming was told nothing yet.
    pub(super) fn refuse(&mut self, mail: &mut Mail, trouble: &Trouble) {
        mail.control.close();
        let held = std::mem::take(&mut self.held_control);
        let unread = std::iter::from_fn(|| mail.control.try_recv().ok());
        for control in held.into_iter().chain(unread) {
            control.refuse(trouble.clone());
        }
        for read in std::mem::take(&mut self.reads) {
            read(Err(trouble.clone()));
        }
        if let Some(reply) = self.compaction.take().flatten() {
            let _ = reply.send(Err(trouble.clone()));
        }
        for after in self.saver.give_up() {
            if let After::Done(_, reply) = after {
                let _ = reply.send(Err(trouble.clone()));
            }
        }
    }

    /// A job that panicked: the next one would find the same rows, so the space ends and is opened anew.
    pub(super) fn job_panicked(&mut self, error: &tokio::task::JoinError) -> Option<Exit> {
        Some(Exit::Storage(Trouble::Database(format!(
            "a job of the space panicked: {error}"
        ))))
    }

    fn opened(&mut self, mut doc: SpaceDoc, now: Instant) -> Option<Exit> {
        let took = now.duration_since(self.opened);
        self.context.metrics.loaded(took, doc.encoded_bytes());
        tracing::debug!(space.id = %self.row.slug, seq = self.seq.0, ms = took.as_millis() as u64, "opened");
        if let Some(answer) = self.stored.take().and_then(|stored| stored.answer()) {
            doc.remember(answer);
        }
        self.boards = doc.boards();
        if self.context.journal_changes {
            doc.record_changes();
        }
        self.doc = Some(doc);
        for conn in self.fanout.conns() {
            self.greet(conn);
        }
        self.answer_steps();
        for control in std::mem::take(&mut self.held_control) {
            let exit = self.control(control, now);
            if exit.is_some() {
                return exit;
            }
        }
        let held = std::mem::take(&mut self.held);
        self.deliveries(held.into(), now)
    }

    fn saved(&mut self, appended: Appended, now: Instant) {
        self.context.metrics.read_only.set(0);
        let batch = self.saver.saved();
        self.seq = appended.last;
        let (mut updates, mut facts) = (Vec::with_capacity(batch.items.len()), Vec::new());
        for (item, seq) in batch.items.into_iter().zip(appended.first.0..) {
            match item {
                Item::Update(update) => updates.push((update.from, update.bytes)),
                Item::Fact(fact) => facts.push((fact, Seq(seq))),
                Item::Poses(chunk) => self.pose_bytes += chunk.len(),
                Item::Note(_) => {}
            }
        }
        self.row.log_rows += updates.len() as i64;
        self.row.log_bytes += updates.iter().map(|(_, bytes)| bytes.len() as i64).sum::<i64>();
        self.backlog.is(self.row.log_bytes);
        if let Some(since) = batch.since {
            self.context.metrics.acked(now.duration_since(since));
        }
        let mut acks = Vec::new();
        let mut rest = Vec::new();
        for after in batch.after {
            match after {
                After::Ack(conn, payload) => acks.push((conn, payload)),
                other @ After::Done(..) => rest.push(other),
            }
        }
        self.fanout.relay(&updates, &acks);
        for (fact, seq) in facts {
            self.settle(&fact, seq, appended);
        }
        for after in rest {
            self.do_after(after, Some(appended.last));
        }
        self.answer_steps();
        self.answer_reads();
    }

    /// Clears the ink of boards whose entity has gone since the last compaction, as an edit everybody receives.
    fn sweep(&mut self, now: Instant) {
        let Some(doc) = &mut self.doc else { return };
        if let Some(bytes) = doc.sweep(&self.boards) {
            let changes = doc.take_changes();
            self.saver.push(Update::ours(bytes, changes), now);
        }
        self.boards = doc.boards();
    }

    /// Starts a compaction, or says that one is under way.
    pub(super) fn compact(&mut self, dry_run: bool, reply: Option<Reply<CompactResult>>, now: Instant) {
        if self.compaction.is_some() {
            if let Some(reply) = reply {
                let _ = reply.send(Err(Trouble::AlreadyCompacting));
            }
            return;
        }
        self.compaction = Some(reply);
        if !dry_run {
            self.sweep(now);
            self.last_compaction = now;
        }
        let (store, key, turn) = (
            self.context.store.clone(),
            self.row.key,
            self.context.compacting.clone(),
        );
        let history = self.context.history;
        self.jobs.spawn(async move {
            let _turn = turn.acquire_owned().await;
            let started = Instant::now();
            let mut result = compactor::run(&store, key, dry_run).await;
            if !dry_run && result.is_ok() {
                let pruned = async {
                    if retention::overdue(&store, key, history, now_ms()).await? {
                        result = Ok(compactor::seal(&store, key).await?);
                    }
                    retention::run(&store, key, history, now_ms()).await
                };
                if let Err(trouble) = pruned.await {
                    tracing::error!(space.key = key.0, %trouble, "pruning failed; the history stays longer than it should");
                }
            }
            Done::Compacted(result, started.elapsed())
        });
    }

    fn compacted(&mut self, result: Result<compactor::Compacted, Trouble>, took: Duration) {
        let reply = self.compaction.take().flatten();
        let metrics = &self.context.metrics;
        match &result {
            Ok(done) if done.result.dry_run => metrics.compaction("dry_run", took),
            Ok(done) => {
                if done.event.is_some() {
                    self.pose_bytes = 0;
                    // Otherwise the log would seem longer and longer.
                    self.row.snap_seq = Seq(done.result.covered_seq);
                    metrics.compaction("done", took);
                    metrics.compacted(done.raw_len);
                    tracing::info!(space.id = %self.row.slug, summary = %done.result.summary, "compacted");
                } else {
                    metrics.compaction("empty", took);
                    tracing::debug!(space.id = %self.row.slug, "nothing to compact");
                }
                self.row.log_rows = done.result.rows_after.cast_signed();
                self.row.log_bytes = done.result.log_bytes_after.cast_signed();
                self.backlog.is(self.row.log_bytes);
                self.seq = self.seq.max(done.event.unwrap_or(self.seq));
            }
            Err(Trouble::AlreadyCompacting) => metrics.compaction("lost", took),
            Err(trouble) => {
                metrics.compaction("failed", took);
                tracing::error!(space.id = %self.row.slug, %trouble, "compaction failed; the log stays as it is");
            }
        }
        if let Some(reply) = reply {
            let _ = reply.send(result.map(|done| done.result));
        }
    }
}
