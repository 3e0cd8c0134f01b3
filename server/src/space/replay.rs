//! A replay: what happened in a space, played to one connection from any point (SPEC R). A cursor over rows: it knows
//! the next few events and one chunk of poses, never the history; nothing of the running space is touched.
//!
//! It plays by its own clock, which is the recording's at some speed. When the connection does not take what is
//! due, the clock stands still.

mod cast;
mod clock;
mod kept;
mod orders;
mod outlet;
mod reel;

pub use orders::Orders;

use super::lanes::Lanes;
use super::people::roster_frames;
use super::{Trouble, past};
use crate::limits;
use crate::store::{Event, EventKind, Kinds, SpaceRow, Store};
use crate::wire;
use bytes::{Bytes, BytesMut};
use cast::Cast;
use clock::Clock;
use kept::Kept;
use orders::Pending;
use outlet::{Outlet, Share};
use reel::Reel;
use std::collections::VecDeque;
use std::time::Duration;
use thexr_schema::ids::Seq;
use thexr_schema::presence::{Welcome, down};
use thexr_schema::replay::{Position, State, Target, Told};
use thexr_schema::track;
use tokio::time::{Instant, sleep_until};

/// What is replayed, and how that begins.
pub struct Start {
    /// Where it is stored.
    pub store: Store,
    /// The space.
    pub row: SpaceRow,
    /// Where.
    pub at: Target,
    /// Seconds of the recording per second.
    pub speed: f64,
    /// It waits for PLAY.
    pub paused: bool,
}

/// One replay.
pub struct Player {
    kept: Kept,
    outlet: Outlet,
    orders: Orders,
    /// Everything up to here was played.
    seq: Seq,
    /// Who was there then.
    cast: Cast,
    /// What comes next, without poses.
    events: VecDeque<Event>,
    /// Everything up to here was read.
    read: Seq,
    /// The poses that come next.
    reel: Reel,
    clock: Clock,
    /// When tick 0 was.
    tick0: i64,
    /// The newest order that is carried out.
    done: u64,
    /// When the client was last told where we are.
    told: Instant,
    /// When it last went to another moment.
    jumped: Instant,
}

impl Player {
    /// A replay that tells a connection through `lanes` and is told through `orders`.
    pub fn new(start: Start, lanes: Lanes, orders: Orders) -> Self {
        let now = Instant::now();
        let state = if start.paused {
            State::Paused
        } else {
            State::Playing
        };
        orders.begin(start.at);
        Self {
            kept: Kept {
                store: start.store,
                range: [start.row.created_at; 2],
                row: start.row,
                looked: now,
            },
            outlet: Outlet::new(lanes),
            orders,
            seq: Seq::ZERO,
            cast: Cast::default(),
            events: VecDeque::new(),
            read: Seq::ZERO,
            reel: Reel::default(),
            clock: Clock::new(state, start.speed),
            tick0: 0,
            done: 0,
            told: now,
            jumped: now,
        }
    }

    /// Plays until something is wrong.
    pub async fn run(mut self) -> Trouble {
        loop {
            if let Err(trouble) = self.turn().await {
                return trouble;
            }
        }
    }

    async fn turn(&mut self) -> Result<(), Trouble> {
        // First: a client that asks and does not read is not given more. The clock stands still, so that what was due
        // meanwhile is not hurried after.
        if self.outlet.heaped() {
            let at = self.clock.moment(Instant::now());
            self.outlet.room().await;
            self.clock.set(at);
        }
        if self.orders.jumps() {
            // Orders that come meanwhile replace each other.
            sleep_until(self.jumped + limits::REPLAY_JUMP_GAP).await;
        }
        if let Some(pending) = self.orders.take() {
            return self.obey(pending).await;
        }
        let orders = self.orders.clone();
        if self.clock.state() != State::Playing {
            orders.wait().await;
            return Ok(());
        }
        self.fill().await?;
        let now = Instant::now();
        match self.next_due() {
            None => drop(self.end().await?),
            Some(due) if due <= self.clock.moment(now) => self.emit(),
            Some(due) => {
                let ahead = (due - self.clock.moment(now)).max(0.0);
                let wait = Duration::from_secs_f64(ahead / self.clock.speed() / 1_000.0);
                let wake = (now + wait.min(limits::REPLAY_POSITION_EVERY))
                    .min(self.told + limits::REPLAY_POSITION_EVERY);
                tokio::select! { biased;
                    () = orders.wait() => {}
                    () = sleep_until(wake) => {}
                }
            }
        }
        if self.told.elapsed() >= limits::REPLAY_POSITION_EVERY {
            self.tell().await?;
        }
        Ok(())
    }

    async fn obey(&mut self, pending: Pending) -> Result<(), Trouble> {
        if let Some(speed) = pending.speed {
            self.clock.set_speed(speed);
        }
        if let Some(play) = pending.play {
            self.clock
                .set_state(if play { State::Playing } else { State::Paused });
        }
        if let Some(to) = pending.seek {
            self.jump(to, pending.id).await?;
            if self.clock.state() == State::Ended {
                self.clock.set_state(State::Paused);
            }
        }
        if pending.steps > 0 {
            self.step(pending.steps).await?;
        }
        if pending.steps < 0 {
            let to = self.kept.before(self.seq, pending.steps.unsigned_abs()).await?;
            self.jump(Target::Seq(to.0.cast_unsigned()), pending.id).await?;
        }
        self.done = self.done.max(pending.id);
        self.tell().await
    }

    /// Reads what comes next, unless it is known.
    async fn fill(&mut self) -> Result<(), Trouble> {
        while self.events.is_empty() {
            let page = limits::REPLAY_PAGE_EVENTS;
            let stretch = self
                .kept
                .store
                .history(self.kept.row.key, self.read, page, Kinds::LISTED)
                .await?;
            if stretch.base > self.read {
                // What came next was pruned while we stood there. Left out, it would be missing to all that builds on it.
                self.jump(Target::Seq(stretch.base.0.cast_unsigned()), self.done)
                    .await?;
                self.tell().await?;
                continue;
            }
            if stretch.seen == self.read {
                break;
            }
            self.read = stretch.seen;
            self.events = stretch.events.into();
            self.reel.look_again();
        }
        self.reel.fill(&self.kept.store, self.kept.row.key).await
    }

    /// How far poses are told ahead of their time: a client can move people towards them.
    fn lead(&self) -> f64 {
        limits::REPLAY_POSE_LEAD_MS + limits::REPLAY_POSE_SLACK_MS * self.clock.speed()
    }

    fn next_due(&self) -> Option<f64> {
        let event = self.events.front().map(|event| event.at as f64);
        let sample = self.reel.next_at().map(|at| at as f64 - self.lead());
        match (event, sample) {
            (Some(event), Some(sample)) => Some(event.min(sample)),
            (one, other) => one.or(other),
        }
    }

    /// Sends what is due first.
    fn emit(&mut self) {
        let event = self.events.front().map_or(f64::INFINITY, |event| event.at as f64);
        if self
            .reel
            .next_at()
            .is_some_and(|at| at as f64 - self.lead() < event)
        {
            self.emit_sample();
        } else if let Some(event) = self.events.pop_front() {
            self.emit_event(&event);
        }
    }

    fn emit_sample(&mut self) {
        if let Some((at, records)) = self.reel.pop() {
            self.outlet
                .say(wire::presence(&track::tick(self.tick(at), false, &records)));
        }
    }

    fn emit_event(&mut self, event: &Event) {
        self.seq = event.seq;
        if event.kind == EventKind::Edit as i64 {
            let mut out = BytesMut::with_capacity(event.payload.len() + wire::HEADER_BYTES_MAX + 8);
            wire::put_update(&mut out, &event.payload);
            self.outlet.say(out.freeze());
        } else if let Some(told) = self.cast.take(event) {
            self.outlet.say(wire::presence(&down::events(1, &told)));
        }
    }

    /// Plays so many events, whenever they were. Of where everybody is only that is told, not the way there: between two
    /// events may lie hours of it.
    async fn step(&mut self, events: i64) -> Result<(), Trouble> {
        let mut left = events;
        while left > 0 {
            self.outlet.room().await;
            self.fill().await?;
            if let Some(event) = self.events.pop_front() {
                self.clock.set(event.at as f64);
                self.emit_event(&event);
                left -= 1;
            } else if self.end().await? {
                break;
            }
        }
        let at = self.clock.moment(Instant::now()) as i64;
        let tick = self.everybody(self.seq, at).await?;
        self.outlet.say(tick);
        Ok(())
    }

    /// Nothing is left. False when something has happened since we looked.
    async fn end(&mut self) -> Result<bool, Trouble> {
        self.kept.look().await?;
        if self.kept.row.seq > self.read {
            return Ok(false);
        }
        self.seq = self.read;
        self.clock.set_state(State::Ended);
        self.clock.set(self.kept.range[1] as f64);
        self.tell().await?;
        Ok(true)
    }

    /// Is at another moment, with everything that was there. It is shown also when another one is wanted by now: who drags a
    /// slider always wants another one.
    async fn jump(&mut self, to: Target, id: u64) -> Result<(), Trouble> {
        self.jumped = Instant::now();
        self.kept.look().await?;
        let (seq, at) = self.kept.resolve(to).await?;
        let (document, share) = self.document(seq).await?;
        self.cast.go_to(&self.kept, self.seq, seq).await?;
        self.seq = seq;
        self.read = seq;
        self.events.clear();
        self.clock.set(at as f64);
        self.tick0 = at - limits::REPLAY_TICK0_BEFORE_MS;
        let tick = self.everybody(seq, at).await?;
        self.say(&Told::Reset {
            id,
            seq: seq.0.cast_unsigned(),
            at: at.max(0).cast_unsigned(),
        });
        self.outlet.say_with(document, share);
        let mut frames = vec![wire::presence(&self.welcome(at).write())];
        frames.extend(roster_frames(seq, &self.cast.entries()));
        frames.push(tick);
        frames.into_iter().for_each(|frame| self.outlet.say(frame));
        self.done = self.done.max(id);
        Ok(())
    }

    /// Where everybody is at a moment, as a full TICK; what comes after it is played from there.
    async fn everybody(&mut self, seq: Seq, at: i64) -> Result<Bytes, Trouble> {
        let key = self.kept.row.key;
        let mut poses = self.reel.go_to(&self.kept.store, key, seq, at).await?;
        poses.retain(|(handle, _)| self.cast.has(*handle));
        Ok(wire::presence(&track::tick(self.tick(at), true, &poses)))
    }

    /// The document after event `seq`, ready to be sent. Where there is no room for it, we wait without it.
    async fn document(&self, seq: Seq) -> Result<(Bytes, Share), Trouble> {
        let build = async || {
            let update = past::update(&self.kept.store, &self.kept.row, seq).await?;
            Ok::<_, Trouble>(wire::document(&update))
        };
        let frame = build().await?;
        let bytes = frame.len();
        if let Some(share) = Share::now(bytes) {
            return Ok((frame, share));
        }
        drop(frame);
        let share = Share::later(bytes).await?;
        Ok((build().await?, share))
    }

    /// Nobody enters a replay, but what the poses mean is said there.
    fn welcome(&self, at: i64) -> Welcome<'_> {
        Welcome {
            resumed: false,
            handle: 0,
            member: [0; 16],
            token: [0; 16],
            tick_ms: limits::REPLAY_TICK_MS as u16,
            tick_now: self.tick(at),
            tick0_unix_ms: self.tick0 as f64,
            origin: [0.0; 3],
            unit_shift: 0,
            grace_ms: 0,
            cell_m: limits::CELL_M,
            every: [limits::MID_EVERY as u8, limits::FAR_EVERY as u8],
            budget: 0,
            epoch: &self.kept.row.epoch,
            user: "",
            name: "",
        }
    }

    fn tick(&self, at: i64) -> u32 {
        u32::try_from((at - self.tick0).max(0) / limits::REPLAY_TICK_MS).unwrap_or(u32::MAX)
    }

    async fn tell(&mut self) -> Result<(), Trouble> {
        // A client's clock does not go beyond the end that it was told of.
        let soon = 2_000.0 * limits::REPLAY_POSITION_EVERY.as_secs_f64() * self.clock.speed();
        let near = self.clock.moment(Instant::now()) + soon > self.kept.range[1] as f64;
        if near || self.seq > self.kept.row.seq || self.kept.looked.elapsed() >= limits::REPLAY_LOOK_EVERY {
            self.kept.look().await?;
        }
        self.told = Instant::now();
        let [from, to] = self.kept.range.map(|at| at.max(0).cast_unsigned());
        let position = Position {
            id: self.done,
            seq: self.seq.0.cast_unsigned(),
            at: self.clock.moment(self.told) as u64,
            state: self.clock.state(),
            speed: self.clock.speed(),
            oldest: self.kept.row.base_seq.0.cast_unsigned(),
            newest: self.kept.row.seq.0.cast_unsigned(),
            range: [from, to],
        };
        self.say(&Told::Position(position));
        Ok(())
    }

    fn say(&self, told: &Told) {
        self.outlet.say(wire::message(&told.write()));
    }
}
