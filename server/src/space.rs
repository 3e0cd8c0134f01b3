//! One space: its actor and the handle through which everybody else speaks to it. Knows nothing of HTTP or
//! WebSocket upgrades; what it sends is ready-made frames in an [`lanes::Lanes`].

pub mod actor;
mod awareness;
pub mod bundle;
pub mod census;
pub mod compactor;
pub mod doc;
mod fanout;
pub mod lanes;
pub(crate) mod load;
pub mod past;
pub mod people;
pub mod poses;
pub mod replay;
pub mod retention;
pub mod roster;
mod saver;
pub mod track;
mod trouble;

pub use actor::{Actor, Exit};
pub use trouble::Trouble;

use bytes::Bytes;
use doc::edit::Edit;
use doc::restore::Content;
use doc::{CheckedUpdate, Clocks, SpaceDoc};
use people::FromMember;
use std::sync::Arc;
use thexr_schema::api::CompactResult;
use thexr_schema::close::Close;
use thexr_schema::ids::{Seq, SpaceId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

/// A WebSocket of this process, for as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

impl std::fmt::Display for ConnId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// A checked message from a connection, in the order the connection sent them.
#[derive(Debug)]
pub enum Inbound {
    /// The connection's clocks: wants what it lacks.
    SyncStep1(Clocks),
    /// The answer to our state vector.
    SyncStep2(CheckedUpdate),
    /// A live update.
    Update(CheckedUpdate),
    /// Message 102: wants it back once everything before it is durable.
    Ack(Bytes),
    /// An awareness update that passed the scanner.
    Awareness(Bytes),
    /// Wants everybody's awareness.
    QueryAwareness,
}

impl Inbound {
    /// What it occupies while it waits, in KiB rounded up.
    fn kib(&self) -> u32 {
        let bytes = match self {
            Self::SyncStep2(update) | Self::Update(update) => update.bytes().len(),
            Self::Awareness(bytes) => bytes.len(),
            Self::SyncStep1(clocks) => clocks.len() * 16,
            Self::Ack(_) | Self::QueryAwareness => 0,
        };
        u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).max(1)
    }
}

/// A message in the inbox, with the bytes it is charged for.
#[derive(Debug)]
pub struct Delivery {
    from: ConnId,
    message: Inbound,
    at: Instant,
    _permit: OwnedSemaphorePermit,
}

/// An answer that comes later.
pub type Reply<T> = oneshot::Sender<Result<T, Trouble>>;

/// A read of the document with the seq it shows, run by the actor once all that was applied is durable, so that
/// nobody is shown what could still be lost; or told why not. Must be quick: whole-document reads clone what they
/// need and work elsewhere.
pub type Read = Box<dyn FnOnce(Result<(&mut SpaceDoc, Seq), Trouble>) + Send>;

/// A connection of `/sync` that wants to follow the space.
#[derive(Clone)]
pub struct Join {
    /// Which.
    pub conn: ConnId,
    /// Where to write to.
    pub lanes: lanes::Lanes,
    /// Who is behind it, when that is known.
    pub identity: Option<Arc<roster::Identity>>,
}

/// When an edit may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Whatever the space holds.
    Always,
    /// What it edits is there.
    Exists,
    /// The newest event, applied ones that are not durable yet included, is one of these.
    At(Vec<Seq>),
}

/// An edit that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durable {
    /// Its event or a later one.
    pub seq: Seq,
    /// What it made of the space, without what was committed together with it: as a [`Condition`] it holds until
    /// somebody else's edit. Too low at worst, when an event came between, and then it never holds.
    pub state: Seq,
}

/// A moment to go back to.
#[derive(Debug)]
pub struct Restore {
    /// What the document held.
    pub content: Content,
    /// After which event.
    pub seq: Seq,
    /// Who asks for it, as far as that is known.
    pub user: Option<Arc<str>>,
}

/// What the rest of the server asks of a space.
pub enum Control {
    /// A connection that wants to follow the space.
    Join(Join, Reply<()>),
    /// It has gone.
    Leave(ConnId),
    /// Read something.
    Read(Read),
    /// Edit as the server, if the condition holds; answered once it is durable.
    Edit(Edit, Condition, Reply<Durable>),
    /// Make the document what it was, if the condition holds; answered once it is durable.
    Restore(Box<Restore>, Condition, Reply<Durable>),
    /// Merge an update that came by HTTP; answered with the seq once it is durable.
    Import(CheckedUpdate, Reply<Durable>),
    /// Compact now.
    Compact(bool, Reply<CompactResult>),
    /// How it is.
    Stats(oneshot::Sender<Stats>),
    /// Who is there.
    Members(oneshot::Sender<Vec<MemberInfo>>),
    /// Remove a member (32 hexadecimal digits); answered with the seq of its leave.
    Kick(String, Reply<Durable>),
    /// Stop, telling the sockets why.
    Stop(Close),
}

/// A member, as programs are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberInfo {
    /// 32 hexadecimal digits.
    pub member: String,
    /// Who it is.
    pub user: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// 0 viewer, 1 editor, 2 admin.
    pub role: u8,
    /// Lost, and within its grace.
    pub away: bool,
    /// Milliseconds since 1970.
    pub joined_at: i64,
    /// JSON.
    pub state: Arc<str>,
}

impl Control {
    /// Answers what will not be done.
    fn refuse(self, trouble: Trouble) {
        match self {
            Self::Join(_, reply) => drop(reply.send(Err(trouble))),
            Self::Read(read) => read(Err(trouble)),
            Self::Edit(_, _, reply)
            | Self::Restore(_, _, reply)
            | Self::Import(_, reply)
            | Self::Kick(_, reply) => drop(reply.send(Err(trouble))),
            Self::Compact(_, reply) => drop(reply.send(Err(trouble))),
            Self::Leave(_) | Self::Stats(_) | Self::Members(_) | Self::Stop(_) => {}
        }
    }
}

/// A space's own numbers.
#[derive(Debug, Clone, Copy)]
pub struct Stats {
    /// The newest committed event known to the actor.
    pub seq: Seq,
    /// Members that are here.
    pub members: usize,
    /// Estimated heap of the document, bytes.
    pub memory_bytes: usize,
}

/// The way to a running space; cheap to clone.
#[derive(Clone)]
pub struct SpaceHandle {
    id: SpaceId,
    epoch: Arc<str>,
    control: mpsc::Sender<Control>,
    inbox: mpsc::Sender<Delivery>,
    room: Arc<Semaphore>,
    people: mpsc::Sender<(ConnId, FromMember)>,
}

impl SpaceHandle {
    /// The space's name.
    pub fn id(&self) -> &SpaceId {
        &self.id
    }

    /// The random id of the space's history.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// True once the actor is gone.
    pub fn is_closed(&self) -> bool {
        self.control.is_closed()
    }

    /// Puts a message into the inbox if there is room, else gives it back: the caller then awaits
    /// [`SpaceHandle::room`] while it goes on writing, and reads nothing more from its peer.
    #[expect(
        clippy::result_large_err,
        reason = "the message itself comes back, no copy in a box"
    )]
    pub fn try_deliver(&self, from: ConnId, message: Inbound) -> Result<(), Option<Inbound>> {
        let Ok(permit) = self.room.clone().try_acquire_many_owned(message.kib()) else {
            return Err(Some(message));
        };
        match self.inbox.try_send(Delivery {
            from,
            message,
            at: Instant::now(),
            _permit: permit,
        }) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(back)) => Err(Some(back.message)),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(None),
        }
    }

    /// Tells the space what a presence connection says, if there is room, else gives it back.
    pub fn try_tell(&self, from: ConnId, message: FromMember) -> Result<(), Option<FromMember>> {
        self.people
            .try_send((from, message))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full((_, message)) => Some(message),
                mpsc::error::TrySendError::Closed(_) => None,
            })
    }

    /// The same, waiting for room. Nothing happens when the space is gone.
    pub async fn tell(&self, from: ConnId, message: FromMember) {
        let _ = self.people.send((from, message)).await;
    }

    /// Waits until the space may take a presence message, or is gone. Cancel safe.
    pub async fn room_to_tell(&self) {
        let _ = self.people.reserve().await;
    }

    /// Waits until a message of this size may fit, or the space is gone. Cancel safe.
    pub async fn room(&self, message: &Inbound) {
        if self.inbox.reserve().await.is_ok() {
            let _ = self.room.acquire_many(message.kib()).await;
        }
    }

    async fn ask<T>(&self, make: impl FnOnce(Reply<T>) -> Control) -> Result<T, Trouble> {
        let (reply, answer) = oneshot::channel();
        self.control
            .send(make(reply))
            .await
            .map_err(|_| Trouble::Restarting)?;
        answer.await.map_err(|_| Trouble::Restarting)?
    }

    /// Joins a connection; its lanes then receive our state vector and every edit.
    pub async fn join(&self, join: Join) -> Result<(), Trouble> {
        self.ask(|reply| Control::Join(join, reply)).await
    }

    /// Takes a connection out. Nothing waits for it.
    pub async fn leave(&self, conn: ConnId) {
        let _ = self.control.send(Control::Leave(conn)).await;
    }

    /// Runs `f` on the document between edits and gives its result with the seq it shows.
    pub async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut SpaceDoc) -> T + Send + 'static,
    ) -> Result<(T, Seq), Trouble> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |doc| drop(reply.send(doc.map(|(doc, seq)| (f(doc), seq)))));
        self.control
            .send(Control::Read(read))
            .await
            .map_err(|_| Trouble::Restarting)?;
        answer.await.map_err(|_| Trouble::Restarting)?
    }

    /// Edits as the server; returns once durable.
    pub async fn edit(&self, edit: Edit, condition: Condition) -> Result<Durable, Trouble> {
        self.ask(|reply| Control::Edit(edit, condition, reply)).await
    }

    /// Makes the document what it was; returns once durable.
    pub async fn restore(&self, restore: Restore, condition: Condition) -> Result<Durable, Trouble> {
        self.ask(|reply| Control::Restore(Box::new(restore), condition, reply))
            .await
    }

    /// Merges an update; returns once durable.
    pub async fn import(&self, update: CheckedUpdate) -> Result<Durable, Trouble> {
        self.ask(|reply| Control::Import(update, reply)).await
    }

    /// Compacts (or, dry, only estimates) and returns the figures.
    pub async fn compact(&self, dry_run: bool) -> Result<CompactResult, Trouble> {
        self.ask(|reply| Control::Compact(dry_run, reply)).await
    }

    /// The space's own numbers.
    pub async fn stats(&self) -> Result<Stats, Trouble> {
        let (reply, answer) = oneshot::channel();
        self.control
            .send(Control::Stats(reply))
            .await
            .map_err(|_| Trouble::Restarting)?;
        answer.await.map_err(|_| Trouble::Restarting)
    }

    /// Who is there.
    pub async fn members(&self) -> Result<Vec<MemberInfo>, Trouble> {
        let (reply, answer) = oneshot::channel();
        self.control
            .send(Control::Members(reply))
            .await
            .map_err(|_| Trouble::Restarting)?;
        answer.await.map_err(|_| Trouble::Restarting)
    }

    /// Removes a member; returns once its leave is durable. `Missing` when there is none of this id.
    pub async fn kick(&self, member: String) -> Result<Durable, Trouble> {
        self.ask(|reply| Control::Kick(member, reply)).await
    }

    /// Ends the space; its sockets are closed with `close`. Returns once it has ended: whoever asks for it then is not
    /// let into one that is about to.
    pub async fn stop(&self, close: Close) {
        let _ = self.control.send(Control::Stop(close)).await;
        self.control.closed().await;
    }
}
