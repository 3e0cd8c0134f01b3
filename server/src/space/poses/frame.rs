//! The TICK that everybody in a cell is sent: who is near as records, who is further as dots, within a budget.
//!
//! Dots take turns by `handle + tick`, so each member's are evenly spaced and no receiver needs a memory of what it was
//! sent. Budget and shares: notes/presence.md §3.8.

use super::grid::{Cell, Tier};
use super::{Avatar, Zone};
use crate::{limits, wire};
use bytes::{BufMut, Bytes, BytesMut};
use thexr_schema::presence::down::{TICK_HEADER_BYTES, slot_len, tick_header};
use thexr_schema::presence::pose::DOT_BYTES;

/// What makes one receiver's TICK different from another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Group {
    pub zone: Zone,
    pub cell: Cell,
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

/// The members of one cell, as indices.
pub(super) struct Occupied {
    pub zone: Zone,
    pub cell: Cell,
    pub members: Vec<u32>,
}

/// Builds frames; keeps its lists between calls.
#[derive(Default)]
pub(super) struct Builder {
    near: Vec<(i32, u32)>,
    dots: Vec<u32>,
    overflow: Vec<u32>,
}

impl Builder {
    /// The framed TICK of a group.
    pub fn build(
        &mut self,
        group: Group,
        tick: u32,
        avatars: &[Avatar],
        occupied: &[Occupied],
        heroes: &[u32],
    ) -> Bytes {
        let period = limits::SHED_PERIODS[usize::from(group.shed)];
        self.near.clear();
        self.dots.clear();
        self.overflow.clear();
        for place in occupied.iter().filter(|o| o.zone == group.zone) {
            match group.cell.tier(place.cell) {
                Tier::Near => self.gather_near(group, tick, period, avatars, &place.members),
                Tier::Mid => {
                    self.gather_dots(group, tick, period, limits::MID_EVERY, avatars, &place.members)
                }
                Tier::Far => {
                    self.gather_dots(group, tick, period, limits::FAR_EVERY, avatars, &place.members)
                }
            }
        }
        let budget = match group.scope {
            Scope::All => usize::from(group.budget).max(limits::FULL_TICK_BYTES),
            _ => usize::from(group.budget),
        };
        let mut left = budget.saturating_sub(TICK_HEADER_BYTES);
        let mut records: Vec<u32> = Vec::with_capacity(64);
        // Heroes first, from their own share; what they leave flows down.
        let mut share = left / 4;
        for hero in heroes {
            let avatar = &avatars[*hero as usize];
            let (Some(record), true) = (
                &avatar.record,
                group.scope != Scope::Changes || changed(avatar, tick, period),
            ) else {
                continue;
            };
            let bytes = slot_len(record.mask());
            if bytes > share {
                break;
            }
            share -= bytes;
            left -= bytes;
            records.push(*hero);
        }
        let mut share = if group.shed == limits::SHED_MAX {
            0
        } else {
            left * 62 / 100
        };
        self.near.sort_unstable();
        for (_, index) in &self.near {
            let avatar = &avatars[*index as usize];
            let bytes = avatar.record.map_or(0, |record| slot_len(record.mask()));
            if bytes > share {
                share = 0;
                self.overflow.push(*index);
            } else {
                share -= bytes;
                left -= bytes;
                records.push(*index);
            }
        }
        // Who is due at his own turn goes first, then those near ones that there was no record for, by turns.
        let room = left / DOT_BYTES;
        rotate(&mut self.dots, room, tick);
        let rest = room - self.dots.len();
        let turns = self.overflow.len().div_ceil(rest.max(1)) as u32;
        if rest > 0 {
            let due = |index: &&u32| {
                u32::from(avatars[**index as usize].handle)
                    .wrapping_add(tick)
                    .is_multiple_of(turns)
            };
            let due: Vec<u32> = self.overflow.iter().filter(due).copied().take(rest).collect();
            self.dots.extend(due);
        }
        write(group, tick, avatars, &records, &self.dots)
    }

    fn gather_near(&mut self, group: Group, tick: u32, period: u32, avatars: &[Avatar], members: &[u32]) {
        let [cx, cz] = group.cell.centre();
        for index in members {
            let avatar = &avatars[*index as usize];
            if group.scope != Scope::Changes || changed(avatar, tick, period) {
                let (dx, dz) = ((avatar.place[0] - cx) >> 3, (avatar.place[1] - cz) >> 3);
                self.near.push((
                    dx.saturating_mul(dx).saturating_add(dz.saturating_mul(dz)),
                    *index,
                ));
            }
        }
    }

    fn gather_dots(
        &mut self,
        group: Group,
        tick: u32,
        period: u32,
        every: u32,
        avatars: &[Avatar],
        members: &[u32],
    ) {
        for index in members {
            let avatar = &avatars[*index as usize];
            // Its turn came since the receiver's last TICK, and it moved since its turn before that.
            let due =
                u32::from(avatar.handle).wrapping_add(tick) % every < period && changed(avatar, tick, every);
            if due || group.scope == Scope::All {
                self.dots.push(*index);
            }
        }
    }
}

/// True when the avatar was encoded anew within the last `ticks`.
fn changed(avatar: &Avatar, tick: u32, ticks: u32) -> bool {
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
fn write(group: Group, tick: u32, avatars: &[Avatar], records: &[u32], dots: &[u32]) -> Bytes {
    if records.is_empty() && dots.is_empty() && group.scope != Scope::All {
        return Bytes::new();
    }
    let size = TICK_HEADER_BYTES + records.len() * 31 + dots.len() * DOT_BYTES;
    let mut payload = BytesMut::with_capacity(size);
    payload.put_bytes(0, TICK_HEADER_BYTES);
    let mut written = 0u16;
    for index in records {
        let avatar = &avatars[*index as usize];
        if let Some(record) = &avatar.record {
            payload.put_u16_le(avatar.handle);
            payload.put_slice(record.as_bytes());
            written += 1;
        }
    }
    for index in dots {
        payload.put_slice(&avatars[*index as usize].dot);
    }
    let full = group.scope == Scope::All;
    let header = tick_header(tick, full, group.shed, written, dots.len() as u16);
    payload[..TICK_HEADER_BYTES].copy_from_slice(&header);
    wire::presence(&payload)
}
