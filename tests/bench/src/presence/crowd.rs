//! A crowd of avatars on one core: they join, move, ping and read. One task sends for all of them when it is due;
//! each reads in a task of its own.

use super::avatar::{Avatar, GROUPS, Group};
use super::driver::{Due, HZ, drive};
use super::motion::{Motion, Place};
use super::roster::Roster;
use super::stamps::Stamps;
use crate::histogram::Histogram;
use crate::load::now_us;
use crate::ws::{ANSWER_WAIT, Socket, Target};
use anyhow::{Context, Result, bail, ensure};
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use thexr_schema::presence::{Hello, SUBPROTOCOL, Up, message};
use tokio::task::{AbortHandle, JoinSet};

/// Connections that come in at the same time while a crowd gathers.
const JOINING_MAX: usize = 32;
/// A slow reader takes its share so often.
const SLOW_TURN: Duration = Duration::from_millis(100);
/// Receive buffer of slow and stalled readers: what the server writes is to stay at the server.
const SMALL_RECEIVE_BYTES: u32 = 8 << 10;

/// What a crowd does.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Send when the server's tick wants it.
    pub phase_locked: bool,
    /// Remember who is there.
    pub rosters: bool,
    /// How many there will be: decides how many records are measured.
    pub size: usize,
    /// Bytes per second that a slow reader takes.
    pub slow_bytes_per_s: usize,
}

/// What all avatars and tasks of a crowd know.
pub struct Shared {
    addr: SocketAddr,
    space: String,
    /// How everybody moves.
    pub motion: Rc<Motion>,
    /// Poses are sent when the server's tick wants them.
    pub phase_locked: bool,
    slow_bytes_per_s: usize,
    /// Rosters are kept.
    pub rosters: bool,
    /// A receiver measures one in so many handles.
    pub sample_every: usize,
    /// Everybody who joined so far.
    pub avatars: RefCell<Vec<Rc<Avatar>>>,
    /// Poses from before are not measured; infinite until the window opens.
    pub from_us: Cell<f64>,
    /// Time from a pose to its arrival, by group of the receiver.
    pub staleness: RefCell<[Histogram; GROUPS]>,
    /// How late poses were sent: the generator's own fault.
    pub late: RefCell<Histogram>,
    /// Records whose pose was not found again, and those whose was.
    pub unmatched: Cell<[u64; 2]>,
    /// Poses that the kernel did not take.
    pub blocked: Cell<u64>,
    /// The slow and the stalled are so; before that they read like everybody.
    pub slowing: Cell<bool>,
    /// Connections that ended unasked: of those who read well, and of the slow and stalled.
    pub broken: Cell<[u64; 2]>,
    /// The first fault.
    pub first_fault: RefCell<Option<String>>,
    /// When a roster last had this many members, and how many.
    pub roster_full_us: Cell<(usize, f64)>,
    /// What was sent when.
    pub stamps: RefCell<Stamps>,
    /// What is due when, by avatar.
    pub due: RefCell<BinaryHeap<Reverse<(u64, u32, Due)>>>,
}

/// The crowd; everything ends when it is dropped.
pub struct Crowd {
    /// What its tasks share.
    pub shared: Rc<Shared>,
    tasks: JoinSet<()>,
    readers: Vec<Option<AbortHandle>>,
}

impl Crowd {
    /// Nobody yet.
    pub fn new(addr: SocketAddr, space: &str, motion: Rc<Motion>, habits: Habits) -> Self {
        let shared = Rc::new(Shared {
            addr,
            space: space.to_owned(),
            motion,
            phase_locked: habits.phase_locked,
            slow_bytes_per_s: habits.slow_bytes_per_s,
            rosters: habits.rosters,
            sample_every: (habits.size / 8).clamp(1, 16),
            avatars: RefCell::default(),
            from_us: Cell::new(f64::INFINITY),
            staleness: RefCell::default(),
            late: RefCell::default(),
            unmatched: Cell::default(),
            blocked: Cell::default(),
            slowing: Cell::default(),
            broken: Cell::default(),
            first_fault: RefCell::default(),
            roster_full_us: Cell::new((habits.size, f64::NAN)),
            stamps: RefCell::default(),
            due: RefCell::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn_local(drive(shared.clone()));
        Self {
            shared,
            tasks,
            readers: Vec::new(),
        }
    }

    /// Lets `places` come in, several at once, from this address (the server's, or a proxy's).
    pub async fn gather(&mut self, places: &[Place], group: Group, addr: SocketAddr) -> Result<()> {
        for some in places.chunks(JOINING_MAX) {
            let mut coming = Vec::new();
            for place in some {
                coming.push(self.start(*place, group, addr));
            }
            for avatar in coming {
                welcomed(&avatar, &self.shared).await?;
            }
        }
        Ok(())
    }

    /// Begins to let one come in.
    pub fn start(&mut self, place: Place, group: Group, addr: SocketAddr) -> Rc<Avatar> {
        let index = self.readers.len();
        let avatar = Rc::new(Avatar::new(index, place, group, now_us()));
        self.shared.avatars.borrow_mut().push(avatar.clone());
        let reader = self
            .tasks
            .spawn_local(live(avatar.clone(), self.shared.clone(), addr));
        self.readers.push(Some(reader));
        avatar
    }

    /// Cuts an avatar's connection as a closed tab does: without BYE.
    pub fn cut(&mut self, index: usize) {
        if let Some(reader) = self.readers[index].take() {
            reader.abort();
        }
        self.shared.avatars.borrow()[index].stream.take();
    }

    /// Lets an avatar that was cut come back with its token.
    pub fn back(&mut self, index: usize) -> Rc<Avatar> {
        let avatar = self.shared.avatars.borrow()[index].clone();
        avatar.reset(now_us());
        let (shared, addr) = (self.shared.clone(), self.shared.addr);
        self.readers[index] = Some(self.tasks.spawn_local(live(avatar.clone(), shared, addr)));
        avatar
    }
}

/// Waits until an avatar is in.
pub async fn welcomed(avatar: &Avatar, shared: &Shared) -> Result<()> {
    let waiting = async {
        while avatar.arrival.get().welcome_us.is_nan() {
            avatar.bell.notified().await;
            if avatar.ended.get() {
                let fault = shared.first_fault.borrow();
                bail!("avatar {}: {}", avatar.index, fault.as_deref().unwrap_or("ended"));
            }
        }
        Ok(())
    };
    tokio::time::timeout(ANSWER_WAIT, waiting)
        .await
        .with_context(|| format!("avatar {}: no WELCOME", avatar.index))?
}

/// An avatar's connection from beginning to end.
async fn live(avatar: Rc<Avatar>, shared: Rc<Shared>, addr: SocketAddr) {
    let Err(error) = read(&avatar, &shared, addr).await;
    avatar.stream.take();
    let slow = matches!(avatar.group, Group::Slow | Group::Stalled) && shared.slowing.get();
    let mut broken = shared.broken.get();
    broken[usize::from(slow)] += 1;
    shared.broken.set(broken);
    if !slow {
        shared.fault(&format!("avatar {}: {error:#}", avatar.index));
    }
    avatar.ended.set(true);
    avatar.bell.notify_one();
}

async fn read(avatar: &Avatar, shared: &Shared, addr: SocketAddr) -> Result<std::convert::Infallible> {
    let path = format!(
        "/presence/{}?user=user-{}&name=Avatar%20{}",
        shared.space, avatar.index, avatar.index
    );
    let small = matches!(avatar.group, Group::Slow | Group::Stalled);
    let target = Target {
        path: &path,
        protocol: Some(SUBPROTOCOL),
        keep: usize::MAX,
        receive_bytes: small.then_some(SMALL_RECEIVE_BYTES),
    };
    let mut socket = Socket::open(addr, &target).await?;
    let hello = Up::Hello(Hello {
        want_hz: HZ,
        token: avatar.token.get(),
        state: "{}",
        ..Hello::default()
    });
    socket.send(&message(&hello.write())).await?;
    avatar.stream.replace(Some(socket.stream.clone()));
    let mut scheduled = false;
    loop {
        let most = match avatar.group {
            Group::Healthy | Group::Far => usize::MAX,
            _ if !shared.slowing.get() => usize::MAX,
            Group::Slow => {
                tokio::time::sleep(SLOW_TURN).await;
                shared.slow_bytes_per_s / 10
            }
            Group::Stalled => {
                tokio::time::sleep(SLOW_TURN).await;
                continue;
            }
        };
        let mut now = f64::NAN;
        let taken = socket
            .read_at_most(most, |frame| {
                if now.is_nan() {
                    now = now_us();
                }
                avatar.take_in(&frame, shared, now);
            })
            .await?;
        avatar.received(taken);
        if !scheduled && !avatar.arrival.get().welcome_us.is_nan() {
            scheduled = true;
            shared.schedule(avatar);
        }
    }
}

impl Shared {
    /// A record of a sampled handle came: counts it the first time its receiver sees it.
    pub fn found(&self, group: Group, handle: u16, record: &[u8], measured: &mut u32, now: f64) {
        let from = self.from_us.get();
        if now < from {
            return;
        }
        let found = self.stamps.borrow().find(handle, record);
        let mut unmatched = self.unmatched.get();
        unmatched[usize::from(found.is_some())] += 1;
        self.unmatched.set(unmatched);
        let Some(found) = found else { return };
        if found.number >= *measured {
            *measured = found.number + 1;
            // The way from behind a bad network is not the healthy receiver's.
            if found.sent_us >= from && (group == Group::Far || !found.far) {
                self.staleness.borrow_mut()[group as usize].add(now - found.sent_us);
            }
        }
    }

    /// Notes when the last roster became complete.
    pub fn roster_changed(&self, roster: &Roster, now: f64) {
        let (size, _) = self.roster_full_us.get();
        if roster.count().0 == size {
            self.roster_full_us.set((size, now));
        }
    }

    /// Keeps the first thing that was wrong.
    pub fn fault(&self, what: &str) {
        self.first_fault.borrow_mut().get_or_insert_with(|| {
            eprintln!("  fault: {what}");
            what.to_owned()
        });
    }

    /// An error when something was wrong that no case expects.
    pub fn sound(&self) -> Result<()> {
        let fault = self.first_fault.borrow();
        ensure!(fault.is_none(), "{}", fault.as_deref().unwrap_or_default());
        Ok(())
    }
}
