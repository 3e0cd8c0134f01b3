//! Where everybody is: takes the newest pose of each member twenty times a second and sends every receiver what it
//! can see of them. Nothing here is stored and nothing waits; a crash here costs a tick (SPEC M6, M7, M11).
//!
//! One frame is built per occupied cell and shared by all who stand in it. A receiver that has not taken its last
//! frame gets the next one instead, with everybody near in it.

pub(super) mod clock;
mod frame;
mod grid;
mod scene;
mod shed;
pub mod slot;

use super::ConnId;
use super::lanes::Lanes;
use crate::limits;
use bytes::Bytes;
use frame::{Builder, Group, Scope};
use grid::Cell;
use scene::{Scene, Zone};
use shed::{Load, Shed};
use slot::PoseSlot;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use thexr_schema::presence::{Record, down, pose::DOT_BYTES};
use tokio::time::Instant;

/// Who is in this zone is seen everywhere.
const STAGE: &str = "stage";

/// A member as seen by others.
struct Avatar {
    handle: u16,
    slot: PoseSlot,
    /// What was last encoded; none before its first pose.
    record: Option<Record>,
    dot: [u8; DOT_BYTES],
    /// The tick that was in.
    encoded_at: u32,
    /// x and z of the newest pose, millimetres.
    place: [i32; 2],
    cell: Cell,
    /// The tick it came into its cell.
    cell_since: u32,
    zone: Zone,
    hero: bool,
}

/// The same member as one who looks.
struct Receiver {
    conn: ConnId,
    lanes: Option<Lanes>,
    /// Looks from this cell instead of its own.
    focus: Option<Cell>,
    budget: u16,
    scope: Scope,
    shed: Shed,
    /// It had not taken its last frame when this tick began.
    missed: bool,
}

/// What a connection brings along; outlives a crash of the feature.
#[derive(Clone)]
pub(super) struct Person {
    pub conn: ConnId,
    pub handle: u16,
    /// None for a stock client: it is seen and does not look.
    pub lanes: Option<Lanes>,
    pub slot: PoseSlot,
    /// Pose bytes per second it asked for; 0 = the default.
    pub budget: u32,
}

/// What the other side of a connection wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The zone it is in; empty = the open space.
    pub zone: Box<str>,
    /// The cell it looks from.
    pub focus: Option<(i16, i16)>,
    /// Pose bytes per second; 0 = the default.
    pub budget: u32,
}

/// What a tick did, for the books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ticked {
    /// Frames given to lanes.
    pub frames: u32,
    /// Receivers that had not taken their last one.
    pub skipped: u32,
    /// So many of them that it is our fault.
    pub flooded: bool,
}

/// Everybody with a presence connection.
#[derive(Default)]
pub(super) struct Poses {
    /// By handle, both; the same member has the same index in each.
    avatars: Vec<Avatar>,
    receivers: Vec<Receiver>,
    zones: HashMap<Arc<str>, Zone>,
    builder: Builder,
    load: Load,
}

/// Pose bytes per tick for bytes per second that were asked for.
pub(super) fn budget(per_second: u32) -> u16 {
    let asked = if per_second == 0 {
        limits::POSE_BUDGET_DEFAULT
    } else {
        per_second.clamp(limits::POSE_BUDGET_MIN, limits::POSE_BUDGET_MAX)
    };
    (asked / limits::POSE_TICKS_PER_S) as u16
}

impl Poses {
    /// True when nobody is there to send or to look.
    pub fn is_empty(&self) -> bool {
        self.receivers.is_empty()
    }

    fn index(&self, conn: ConnId) -> Option<usize> {
        self.receivers.iter().position(|receiver| receiver.conn == conn)
    }

    /// Adds a member that is here, with what it wants to see if it said so.
    pub fn join(&mut self, person: Person, view: Option<&View>, tick: u32) {
        let conn = person.conn;
        let at = self
            .avatars
            .partition_point(|avatar| avatar.handle < person.handle);
        let mut avatar = Avatar {
            handle: person.handle,
            slot: person.slot,
            record: None,
            dot: [0; DOT_BYTES],
            encoded_at: tick,
            place: [0; 2],
            cell: Cell::default(),
            cell_since: tick,
            zone: 0,
            hero: false,
        };
        if let Some((record, came)) = avatar.slot.newest() {
            avatar.encode(record, came, Instant::now(), tick);
            avatar.cell = Cell::of(avatar.place);
        }
        let receiver = Receiver {
            conn: person.conn,
            lanes: person.lanes,
            focus: None,
            budget: budget(person.budget),
            scope: Scope::All,
            shed: Shed::default(),
            missed: false,
        };
        self.avatars.insert(at, avatar);
        self.receivers.insert(at, receiver);
        if let Some(view) = view {
            self.view(conn, view);
        }
    }

    /// Takes a connection out.
    pub fn leave(&mut self, conn: ConnId) {
        if let Some(at) = self.index(conn) {
            self.avatars.remove(at);
            self.receivers.remove(at);
        }
    }

    /// Where a member's head is, millimetres.
    pub fn place(&self, handle: u16) -> Option<[i32; 3]> {
        let at = self
            .avatars
            .binary_search_by_key(&handle, |avatar| avatar.handle)
            .ok()?;
        self.avatars[at].record.map(|record| record.head_mm())
    }

    /// What was last sent of everybody who has a pose, in the order of handles.
    pub fn records(&self) -> impl Iterator<Item = (u16, Record)> {
        let with = |avatar: &Avatar| Some((avatar.handle, avatar.record?));
        self.avatars.iter().filter_map(with)
    }

    /// Changes what a connection sees.
    pub fn view(&mut self, conn: ConnId, view: &View) {
        let Some(at) = self.index(conn) else { return };
        let zone = self.zone(&view.zone);
        let heroes = self.avatars.iter().filter(|avatar| avatar.hero).count();
        let (avatar, receiver) = (&mut self.avatars[at], &mut self.receivers[at]);
        avatar.hero = &*view.zone == STAGE && (avatar.hero || heroes < limits::HEROES_MAX);
        avatar.zone = if &*view.zone == STAGE { 0 } else { zone };
        receiver.focus = view.focus.map(|(x, z)| Cell { x, z });
        receiver.budget = budget(view.budget);
        receiver.scope = Scope::All;
    }

    /// The number of a zone; when all are taken, the open space.
    fn zone(&mut self, name: &str) -> Zone {
        if name.is_empty() || name == STAGE {
            return 0;
        }
        if let Some(zone) = self.zones.get(name) {
            return *zone;
        }
        if self.zones.len() >= limits::ZONES_MAX {
            let used: Vec<Zone> = self.avatars.iter().map(|avatar| avatar.zone).collect();
            self.zones.retain(|_, zone| used.contains(zone));
        }
        let free = (1..=limits::ZONES_MAX as Zone).find(|zone| self.zones.values().all(|z| z != zone));
        if let Some(zone) = free {
            self.zones.insert(name.into(), zone);
        }
        free.unwrap_or(0)
    }

    /// The receiver says how late its newest TICK came.
    pub fn lags(&mut self, conn: ConnId, late: Duration, now: Instant) {
        let base = self.load.shed();
        if let Some(at) = self.index(conn) {
            let shed = &mut self.receivers[at].shed;
            // Who gets fewer has older ones, and that is no fault of the line.
            let period = limits::SHED_PERIODS[usize::from(shed.level().max(base))];
            if late > limits::RACK_AGE_MAX + limits::POSE_TICK * period {
                shed.down(now);
            }
        }
    }

    /// One tick: `events` (reliable) and `said` go along, so that a receiver gets one write.
    pub fn tick(&mut self, tick: u32, now: Instant, events: Option<&Bytes>, said: &Bytes) -> Ticked {
        #[cfg(test)]
        tests::crash_if_told();
        self.take_in(tick, now);
        let mut late = 0;
        for receiver in &mut self.receivers {
            receiver.missed = receiver.lanes.as_ref().is_some_and(Lanes::lossy_waits);
            late += usize::from(receiver.missed);
        }
        // Many at once are our fault, not theirs.
        let flooded = late >= limits::FLOODED_RECEIVERS_MIN && 4 * late > self.receivers.len();
        let base = self.load.shed();
        let mut levels = [false; limits::SHED_PERIODS.len()];
        for receiver in &mut self.receivers {
            let Some(lanes) = &receiver.lanes else { continue };
            if receiver.missed {
                receiver.scope = receiver.scope.max(Scope::Near);
            }
            if let Some(rate) = receiver.shed.step(receiver.missed && !flooded, now) {
                // Full has closed the lane; its socket will leave.
                let _ = lanes.push(crate::wire::presence(&rate));
            }
            levels[usize::from(receiver.shed.level().max(base))] = true;
        }
        let scene = Scene::new(tick, &self.avatars, levels);
        let mut frames: HashMap<Group, Bytes> = HashMap::new();
        let mut crowded: HashMap<(Zone, Cell), bool> = HashMap::new();
        let mut done = Ticked::default();
        let alone = self.receivers.len() == 1;
        for (avatar, receiver) in self.avatars.iter().zip(&mut self.receivers) {
            let Some(lanes) = &receiver.lanes else { continue };
            let shed = receiver.shed.level().max(base);
            let period = limits::SHED_PERIODS[usize::from(shed)];
            let turn = tick.wrapping_add(u32::from(avatar.handle)).is_multiple_of(period);
            let mut frame = Bytes::new();
            if (turn || receiver.scope == Scope::All) && !alone {
                let cell = receiver.focus.unwrap_or(avatar.cell);
                let crowd = *crowded
                    .entry((avatar.zone, cell))
                    .or_insert_with(|| scene.near(avatar.zone, cell) > limits::CROWD_MIN);
                let group = Group {
                    zone: avatar.zone,
                    cell,
                    part: if crowd && receiver.focus.is_none() {
                        cell.part(avatar.place)
                    } else {
                        0
                    },
                    shed,
                    budget: receiver.budget,
                    scope: receiver.scope,
                };
                let builder = &mut self.builder;
                frame = frames
                    .entry(group)
                    .or_insert_with(|| builder.build(group, &scene))
                    .clone();
                receiver.scope = Scope::Changes;
                done.skipped += u32::from(receiver.missed);
            }
            done.frames += u32::from(!frame.is_empty());
            lanes.put_tick(events.cloned(), [said.clone(), frame]);
        }
        done.flooded = flooded;
        done
    }

    /// Notes when a tick was due, began and ended: when ticks take too long everybody gets fewer.
    pub fn took(&mut self, due: Instant, began: Instant, ended: Instant, ticked: Ticked) {
        self.load.ticked(due, began, ended, ticked.flooded);
    }

    /// Takes the newest poses.
    fn take_in(&mut self, tick: u32, now: Instant) {
        for (avatar, receiver) in self.avatars.iter_mut().zip(&mut self.receivers) {
            // Once a second everybody is repeated, each in a tick of his own.
            let turn = tick
                .wrapping_add(u32::from(avatar.handle))
                .is_multiple_of(limits::POSE_REFRESH_TICKS);
            match avatar.slot.take() {
                Some((record, came)) => {
                    let first = avatar.record.is_none();
                    if turn || avatar.record.is_none_or(|last| !last.is_near(&record)) {
                        avatar.encode(record, came, now, tick);
                    }
                    let rested = tick.wrapping_sub(avatar.cell_since) >= limits::CELL_REST_TICKS;
                    if first || (rested && avatar.cell.is_left_by(avatar.place)) {
                        avatar.cell = Cell::of(avatar.place);
                        avatar.cell_since = tick;
                        receiver.scope = receiver.scope.max(Scope::Near);
                    }
                }
                None if turn => {
                    if let Some(record) = &mut avatar.record {
                        record.set_age_ms(u32::MAX);
                        avatar.encoded_at = tick;
                    }
                }
                None => {}
            }
        }
    }
}

impl Avatar {
    fn encode(&mut self, mut record: Record, came: Instant, now: Instant, tick: u32) {
        let age = now.saturating_duration_since(came).as_millis();
        record.set_age_ms(u32::try_from(age).unwrap_or(u32::MAX));
        let [x, _, z] = record.head_mm();
        self.place = [x, z];
        self.dot = record.dot(self.handle);
        self.record = Some(record);
        self.encoded_at = tick;
    }
}

/// What a receiver at this level of shedding is told.
fn rate(level: u8) -> Vec<u8> {
    let hz = limits::POSE_TICKS_PER_S / limits::SHED_PERIODS[usize::from(level)];
    down::rate(level, hz as u8)
}

#[cfg(test)]
pub(super) mod tests;
