//! The TICK that everybody in a cell is sent: who is near as records, who is further as dots, within a budget.
//!
//! Dots of those in the middle distance and far away take turns by `handle + tick`, so each member's are evenly spaced
//! and no receiver needs a memory of what it was sent. In a crowd the near ones that there is no record for take
//! turns one after the other. Budget and shares: notes/presence.md §3.8.

use super::Avatar;
use super::grid::{Cell, Tier};
use super::scene::{Scene, Zone};
use crate::{limits, wire};
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::HashMap;
use thexr_schema::presence::down::{TICK_HEADER_BYTES, slot_len, tick_header};
use thexr_schema::presence::pose::DOT_BYTES;

/// WebSocket header, outer id and length of a TICK of two bytes' length: the budget is what goes over the line.
const FRAMING_BYTES: usize = 4 + 3;

/// What makes one receiver's TICK different from another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Group {
    pub zone: Zone,
    pub cell: Cell,
    /// In a crowd: which part of the cell, so that the nearest are near.
    pub part: u8,
    /// How far the rate is reduced.
    pub shed: u8,
    /// Pose bytes per tick.
    pub budget: u16,
    /// How much is told.
    pub scope: Scope,
}

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Scope {
    /// What changed since the receiver's last TICK.
    Changes,
    /// Everybody near, changed or not: the receiver missed a TICK or came into this cell.
    Near,
    /// Everybody in sight: the receiver is new here.
    All,
}

impl Group {
    /// The same crowd, whatever part of the cell it is looked at from.
    fn crowd(self) -> Self {
        Self {
            part: 0,
            scope: Scope::Changes,
            ..self
        }
    }
}

/// Whose turn it is in a crowd: handles, the last ones told.
#[derive(Default)]
struct Turn {
    /// Of which tick this is.
    tick: u32,
    /// Before it.
    from: u16,
    /// In it, as far as any part of the cell has been built: the least advanced.
    to: Option<u16>,
}

/// Builds frames; keeps its lists between calls, and where the turns of a crowd have got to.
#[derive(Default)]
pub(super) struct Builder {
    /// Distance, index, and whether it is due for a record.
    near: Vec<(i32, u32, bool)>,
    records: Vec<u32>,
    dots: Vec<u32>,
    /// By index: near, and there was no record for it. False for all between two frames.
    waiting: Vec<bool>,
    turns: HashMap<Group, Turn>,
}

impl Builder {
    /// The framed TICK of a group; empty when there is nothing to tell.
    pub fn build(&mut self, group: Group, scene: &Scene<'_>) -> Bytes {
        let period = limits::SHED_PERIODS[usize::from(group.shed)];
        let budget = match group.scope {
            Scope::All => usize::from(group.budget).max(limits::FULL_TICK_BYTES),
            _ => usize::from(group.budget) / limits::SHED_BUDGET_PARTS[usize::from(group.shed)],
        };
        self.gather(group, scene, period);
        let mut left = budget.saturating_sub(TICK_HEADER_BYTES + FRAMING_BYTES);
        // Heroes first, from their own share; what they leave flows down.
        let mut share = left / 4;
        for hero in &scene.heroes {
            let avatar = &scene.avatars[*hero as usize];
            if group.scope != Scope::Changes || changed(avatar, scene.tick, period) {
                left -= put(&mut self.records, avatar, *hero, &mut share);
            }
        }
        let mut share = if group.shed == limits::SHED_MAX {
            0
        } else {
            left * 62 / 100
        };
        let crowded = self.near.len() * slot_len(0b11) > share;
        if crowded {
            // As many as could have a record, if all were of the shortest kind, in order; the rest in any.
            let nearest = (share / slot_len(0)).min(self.near.len() - 1);
            self.near.select_nth_unstable(nearest);
            self.near[..nearest].sort_unstable();
            self.waiting.resize(scene.avatars.len(), false);
        }
        for (_, index, due) in &self.near {
            let avatar = &scene.avatars[*index as usize];
            let bytes = if *due {
                put(&mut self.records, avatar, *index, &mut share)
            } else {
                0
            };
            left -= bytes;
            if bytes == 0 && crowded {
                self.waiting[*index as usize] = changed(avatar, scene.tick, limits::POSE_REFRESH_TICKS);
            }
        }
        let room = left / DOT_BYTES;
        rotate(&mut self.dots, room, scene.tick);
        if crowded {
            self.take_turns(group, scene, room - self.dots.len());
        }
        write(group, scene, &self.records, &self.dots)
    }

    fn gather(&mut self, group: Group, scene: &Scene<'_>, period: u32) {
        self.near.clear();
        self.records.clear();
        self.dots.clear();
        let [cx, cz] = group.cell.centre_of(group.part);
        for (at, place) in scene.occupied.iter().enumerate() {
            if place.zone != group.zone {
                continue;
            }
            let tier = group.cell.tier(place.cell);
            if tier != Tier::Near {
                let due = match group.scope {
                    Scope::All => &place.members,
                    _ => scene.due(group.shed, at, tier),
                };
                self.dots.extend_from_slice(due);
                continue;
            }
            for index in &place.members {
                let avatar = &scene.avatars[*index as usize];
                let due = group.scope != Scope::Changes || changed(avatar, scene.tick, period);
                let (dx, dz) = ((avatar.place[0] - cx) >> 3, (avatar.place[1] - cz) >> 3);
                let distance = dx.saturating_mul(dx).saturating_add(dz.saturating_mul(dz));
                self.near.push((distance, *index, due));
            }
        }
    }

    /// Dots for those of a crowd that there was no record for: the next ones after whoever was last.
    fn take_turns(&mut self, group: Group, scene: &Scene<'_>, room: usize) {
        if self.turns.len() > limits::CELLS_REMEMBERED_MAX {
            self.turns.clear();
        }
        let turn = self.turns.entry(group.crowd()).or_default();
        if turn.tick != scene.tick {
            // All parts of a cell go on from where the slowest of them got to: who walks between them misses nobody.
            *turn = Turn {
                tick: scene.tick,
                from: turn.to.unwrap_or(turn.from),
                to: None,
            };
        }
        let mut last = turn.from;
        // By index is by handle.
        let start = scene.avatars.partition_point(|avatar| avatar.handle <= turn.from);
        let all = (start..scene.avatars.len()).chain(0..start);
        for index in all.filter(|index| self.waiting[*index]).take(room) {
            self.dots.push(index as u32);
            last = scene.avatars[index].handle;
        }
        let far = |to: u16| to.wrapping_sub(turn.from);
        turn.to = Some(
            turn.to
                .map_or(last, |to| if far(last) < far(to) { last } else { to }),
        );
        self.near
            .iter()
            .for_each(|(_, index, _)| self.waiting[*index as usize] = false);
    }
}

/// Adds a record while the share lasts; gives its bytes, 0 when it did not fit.
fn put(records: &mut Vec<u32>, avatar: &Avatar, index: u32, share: &mut usize) -> usize {
    let bytes = avatar.record.map_or(0, |record| slot_len(record.mask()));
    if bytes > *share {
        *share = 0;
        return 0;
    }
    *share -= bytes;
    records.push(index);
    bytes
}

/// True when the avatar was encoded anew within the last `ticks`.
pub(super) fn changed(avatar: &Avatar, tick: u32, ticks: u32) -> bool {
    tick.wrapping_sub(avatar.encoded_at) < ticks
}

/// Cuts a list to `room`, beginning elsewhere at each tick, so that nobody is always cut.
fn rotate(list: &mut Vec<u32>, room: usize, tick: u32) {
    if list.len() > room {
        let start = (tick as usize).wrapping_mul(room.max(1)) % list.len();
        list.rotate_left(start);
        list.truncate(room);
    }
}

/// Empty when there is nothing to tell.
fn write(group: Group, scene: &Scene<'_>, records: &[u32], dots: &[u32]) -> Bytes {
    if records.is_empty() && dots.is_empty() && group.scope != Scope::All {
        return Bytes::new();
    }
    let size = TICK_HEADER_BYTES + records.len() * 31 + dots.len() * DOT_BYTES;
    let mut payload = BytesMut::with_capacity(size);
    payload.put_bytes(0, TICK_HEADER_BYTES);
    let mut written = 0u16;
    for index in records {
        let avatar = &scene.avatars[*index as usize];
        if let Some(record) = &avatar.record {
            payload.put_u16_le(avatar.handle);
            payload.put_slice(record.as_bytes());
            written += 1;
        }
    }
    for index in dots {
        payload.put_slice(&scene.avatars[*index as usize].dot);
    }
    let full = group.scope == Scope::All;
    let header = tick_header(scene.tick, full, group.shed, written, dots.len() as u16);
    payload[..TICK_HEADER_BYTES].copy_from_slice(&header);
    wire::presence(&payload)
}
