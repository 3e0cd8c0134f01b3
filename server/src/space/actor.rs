//! The actor of a space: one task that owns the document and the features, takes events from a closed list and
//! handles each synchronously. The only place where the features meet.

mod cursors;
mod edits;
mod inbox;
mod jobs;
mod members;
mod upkeep;

#[cfg(test)]
mod tests;

use super::awareness::Awareness;
use super::awareness::bridge::Bridge;
use super::doc::{Clocks, SpaceDoc};
use super::fanout::Fanout;
use super::load::Stored;
use super::people::{FromMember, People};
use super::poses::Poses;
use super::poses::clock::TickClock;
use super::roster::Roster;
use super::saver::Saver;
use super::track::Track;
use super::{ConnId, Control, Delivery, Read, Reply, SpaceHandle, Stats, Trouble};
use crate::config::{CompactionConfig, HistoryConfig};
use crate::limits;
use crate::metrics::{Metrics, Share};
use crate::store::{SpaceRow, Store};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use thexr_schema::api::CompactResult;
use thexr_schema::close;
use thexr_schema::ids::Seq;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

/// Heap per encoded byte of entities (notes: 11 measured); what `memory_bytes` of the statistics is made of.
const HEAP_PER_ENCODED_BYTE: usize = 11;

/// How an actor ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// Shut down or deleted.
    Stopped,
    /// Nobody was there for a while.
    Idle,
    /// The engine panicked or broke on an update of this connection.
    Broken(Option<ConnId>, String),
    /// A commit failed for good or the space could not be opened.
    Storage(Trouble),
}

/// What the actor gets from outside, the same for every space.
#[derive(Clone)]
pub struct Context {
    /// The database.
    pub store: Store,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Whether the journal says what each edit changed.
    pub journal_changes: bool,
    /// How often a second where people are is written down; 0 = never.
    pub pose_track_hz: u32,
    /// How much of its past a space keeps that is told nothing else.
    pub history: HistoryConfig,
    /// When to compact on our own.
    pub compaction: CompactionConfig,
    /// How long a space without sockets stays in memory.
    pub idle: Duration,
    /// How long a lost member is kept.
    pub grace: Duration,
    /// When the server started, ms since 1970.
    pub started_ms: i64,
    /// Encoded bytes a document may grow to.
    pub doc_bytes_max: usize,
    /// One compaction at a time in the process: each holds a second copy of its document.
    pub compacting: Arc<Semaphore>,
    /// Ends everything.
    pub stop: CancellationToken,
}

/// Asks the registry to forget this actor; false when somebody got the handle in the meantime.
pub type Retire = Box<dyn Fn() -> bool + Send>;

/// One space in memory.
pub struct Actor {
    context: Context,
    /// As the database has it; the counts of the log follow our own commits.
    row: SpaceRow,
    /// The newest committed event known here.
    seq: Seq,
    /// `None` while the space is being opened.
    doc: Option<SpaceDoc>,
    /// Its stored bytes while the document is being built from them.
    stored: Option<Arc<Stored>>,
    /// The connections and what each is sent.
    fanout: Fanout,
    /// The cursors of stock editors.
    awareness: Awareness,
    /// What stock clients have been told of members.
    bridge: Bridge,
    /// `None` until the rows are read.
    roster: Option<Roster>,
    /// The presence connections.
    people: People,
    /// Where members are, and what each is told of it.
    poses: Poses,
    /// Where they were, for replays.
    track: Track,
    /// Bytes of it that were stored since the last compaction.
    pose_bytes: usize,
    /// Chunks of it that are being compressed.
    packing: usize,
    /// What the ticks of poses are counted by.
    clock: TickClock,
    /// What is applied and not yet durable.
    saver: Saver,
    /// What `row.log_bytes` is told to.
    backlog: Share,
    /// When the batch that gathers may be handed over.
    save_at: Instant,
    /// Reads, builds, saves and compactions under way.
    jobs: JoinSet<jobs::Done>,
    /// SyncStep1 that wait until everything applied is durable.
    steps: Vec<(ConnId, Clocks)>,
    /// Reads that wait for the same.
    reads: Vec<Read>,
    /// What came in before the document was there.
    held: VecDeque<Delivery>,
    /// The same for what handlers asked.
    held_control: Vec<Control>,
    /// Boards that have had an entity: when it goes, so does their ink.
    boards: BTreeSet<String>,
    /// The caller of the compaction under way (none when it was our own idea).
    compaction: Option<Option<Reply<CompactResult>>>,
    /// When the last one that was no dry run began: what the policy counts from.
    last_compaction: Instant,
    /// When somebody last left or asked for something.
    idle_since: Instant,
    /// When we began to open the space.
    opened: Instant,
    /// How the registry is asked to let go of us.
    retire: Retire,
}

/// The receiving ends.
struct Mail {
    control: mpsc::Receiver<Control>,
    inbox: mpsc::Receiver<Delivery>,
    people: mpsc::Receiver<(ConnId, FromMember)>,
}

/// Everything that can happen to a space.
enum Event {
    Stop,
    Control(Control),
    Job(Result<jobs::Done, tokio::task::JoinError>),
    /// When it was due.
    Tick(Instant),
    People(Vec<(ConnId, FromMember)>),
    AwarenessTick,
    SaveDue,
    Housekeeping,
    Inbox(Vec<Delivery>),
}

impl Actor {
    /// The handle of a new space and the future that is its life.
    pub fn start(
        context: Context,
        row: SpaceRow,
        retire: Retire,
    ) -> (SpaceHandle, impl Future<Output = Exit> + Send) {
        let (control_in, control) = mpsc::channel(limits::CONTROL_LEN);
        let (inbox_in, inbox) = mpsc::channel(limits::INBOX_LEN);
        let (people_in, people) = mpsc::channel(limits::PEOPLE_LEN);
        let room = Arc::new(Semaphore::new(limits::INBOX_KIB as usize));
        let handle = SpaceHandle {
            id: row.slug.clone(),
            epoch: Arc::from(row.epoch.as_str()),
            control: control_in,
            inbox: inbox_in,
            room,
            people: people_in,
        };
        let now = Instant::now();
        let actor = Self {
            seq: row.seq,
            backlog: context.metrics.backlog(),
            row,
            doc: None,
            stored: None,
            fanout: Fanout::default(),
            awareness: Awareness::default(),
            bridge: Bridge::default(),
            roster: None,
            people: People::default(),
            poses: Poses::default(),
            track: Track::new(context.pose_track_hz, now),
            pose_bytes: 0,
            packing: 0,
            clock: TickClock::new(now),
            context,
            saver: Saver::default(),
            save_at: now,
            jobs: JoinSet::new(),
            steps: Vec::new(),
            reads: Vec::new(),
            held: VecDeque::new(),
            held_control: Vec::new(),
            boards: BTreeSet::new(),
            compaction: None,
            last_compaction: now,
            idle_since: now,
            opened: now,
            retire,
        };
        (
            handle,
            actor.run(Mail {
                control,
                inbox,
                people,
            }),
        )
    }

    async fn run(mut self, mut mail: Mail) -> Exit {
        self.open();
        let exit = self.serve(&mut mail).await;
        let close = match &exit {
            Exit::Stopped | Exit::Idle => close::RESTART,
            Exit::Broken(author, why) => {
                tracing::error!(space.id = %self.row.slug, author = ?author, why, "the space ends and is loaded again");
                if let Some(author) = author {
                    self.fanout.close(*author, close::BAD_MESSAGE);
                }
                close::RESTART
            }
            Exit::Storage(Trouble::Gone) => close::NO_SPACE,
            Exit::Storage(trouble) => {
                tracing::error!(space.id = %self.row.slug, %trouble, "the space ends: its storage failed");
                close::STORAGE
            }
        };
        match &exit {
            Exit::Stopped => {
                self.suspend_everybody(Instant::now());
                self.drain().await;
            }
            // What is on its way to the database will be there: say so, but read nothing from this document.
            Exit::Broken(..) => {
                self.doc = None;
                self.steps.clear();
                self.reads.clear();
                self.saver.drop_updates();
                self.suspend_everybody(Instant::now());
                self.drain().await;
            }
            Exit::Storage(trouble) => self.refuse(&mut mail, trouble),
            Exit::Idle => {}
        }
        self.fanout.close_all(close);
        self.people.close_all(close);
        exit
    }

    /// The loop: only this function and `drain` wait.
    async fn serve(&mut self, mail: &mut Mail) -> Exit {
        let stop = self.context.stop.clone();
        let mut poses = interval_at(self.clock.start, limits::POSE_TICK);
        let mut tick = interval(limits::AWARENESS_TICK);
        let mut housekeeping = interval(limits::HOUSEKEEPING);
        poses.set_missed_tick_behavior(MissedTickBehavior::Skip);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut deliveries = Vec::new();
        let mut said = Vec::new();
        loop {
            // Rare events first, the busiest last: an endless stream of edits starves nothing.
            let event = tokio::select! { biased;
                () = stop.cancelled() => Event::Stop,
                // A waiting read holds back the edits of others, or it would never find everything durable.
                Some(control) = mail.control.recv(), if self.is_settled() => Event::Control(control),
                Some(done) = self.jobs.join_next() => Event::Job(done),
                due = poses.tick(), if !self.poses.is_empty() => Event::Tick(due),
                // Until the roster is read, and while too much is unsaved, they wait where they are bounded.
                _ = mail.people.recv_many(&mut said, limits::PEOPLE_LEN), if self.takes_people() => {
                    Event::People(std::mem::take(&mut said))
                }
                _ = tick.tick(), if self.awareness.is_dirty() => Event::AwarenessTick,
                () = sleep_until(self.save_at), if self.saver.is_ready() => Event::SaveDue,
                _ = housekeeping.tick() => Event::Housekeeping,
                _ = mail.inbox.recv_many(&mut deliveries, limits::INBOX_LEN), if self.takes_mail() => {
                    Event::Inbox(std::mem::take(&mut deliveries))
                }
            };
            if let Some(exit) = self.handle(event, Instant::now()) {
                return exit;
            }
            self.start_save(Instant::now());
        }
    }

    /// False while somebody waits for what is applied to become durable: nothing more is applied until then, so the
    /// wait is one commit or two and no stream of edits makes it longer.
    fn is_settled(&self) -> bool {
        match self.doc {
            // What cannot be done yet is held, and no more of it than the channel would.
            None => self.held_control.len() < limits::CONTROL_LEN,
            Some(_) => self.steps.is_empty() && self.reads.is_empty(),
        }
    }

    /// False while reading on would only pile up: too much is unsaved, or a newcomer waits for what is applied to
    /// become durable (it must not be shown what could still be lost).
    fn takes_mail(&self) -> bool {
        self.doc.is_none() || self.is_settled() && self.saver.has_room()
    }

    fn handle(&mut self, event: Event, now: Instant) -> Option<Exit> {
        match event {
            Event::Stop => Some(Exit::Stopped),
            Event::Control(control) => self.control(control, now),
            Event::Job(Ok(done)) => self.job_done(done, now),
            Event::Job(Err(error)) => self.job_panicked(&error),
            Event::Tick(due) => {
                self.tick(due, now);
                None
            }
            Event::People(said) => {
                for (conn, message) in said {
                    self.people_said(conn, message, now);
                }
                None
            }
            Event::AwarenessTick => {
                self.awareness_tick();
                None
            }
            // Saving is looked at after every event.
            Event::SaveDue => None,
            Event::Housekeeping => self.housekeeping(now),
            Event::Inbox(deliveries) => self.deliveries(deliveries, now),
        }
    }

    fn control(&mut self, control: Control, now: Instant) -> Option<Exit> {
        match control {
            Control::Join(join, reply) => self.join(join, reply, now),
            Control::Leave(conn) => {
                self.fanout.leave(conn);
                self.cursor_left(conn, now);
                self.idle_since = now;
            }
            Control::Stop(close) => {
                self.fanout.close_all(close);
                self.people.close_all(close);
                return Some(Exit::Stopped);
            }
            Control::Stats(reply) => {
                let bytes = self.doc.as_ref().map_or(0, SpaceDoc::encoded_bytes);
                let memory_bytes = bytes * HEAP_PER_ENCODED_BYTE;
                let _ = reply.send(Stats {
                    seq: self.seq,
                    members: self.roster.as_ref().map_or(0, Roster::here),
                    memory_bytes,
                });
            }
            other if self.doc.is_none() => self.held_control.push(other),
            Control::Members(reply) => drop(reply.send(self.member_infos())),
            Control::Kick(member, reply) => self.kick(&member, reply, now),
            Control::Read(read) => {
                self.idle_since = now;
                self.reads.push(read);
                self.answer_reads();
            }
            Control::Edit(edit, condition, reply) => return self.edit(&edit, &condition, reply, now),
            Control::Restore(restore, condition, reply) => {
                return self.restore(*restore, &condition, reply, now);
            }
            Control::Import(update, reply) => return self.import(&update, reply, now),
            Control::Compact(dry_run, reply) => self.compact(dry_run, Some(reply), now),
        }
        None
    }
}
