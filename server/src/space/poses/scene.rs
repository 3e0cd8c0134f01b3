//! What there is to be seen in one tick, by cell: the same for all receivers, so it is found out once.

use super::Avatar;
use super::frame::changed;
use super::grid::{Cell, Tier};
use crate::limits;
use std::collections::HashMap;

/// A part of the space whose people see each other only; 0 is the open space.
pub(super) type Zone = u16;

/// The members of one cell, as indices.
pub(super) struct Occupied {
    pub zone: Zone,
    pub cell: Cell,
    pub members: Vec<u32>,
}

/// Whose turn it is to be a dot, of one cell.
#[derive(Default)]
struct Due {
    mid: Vec<u32>,
    far: Vec<u32>,
}

/// Everybody there is to see.
pub(super) struct Scene<'a> {
    pub tick: u32,
    pub avatars: &'a [Avatar],
    /// Members of the stage.
    pub heroes: Vec<u32>,
    pub occupied: Vec<Occupied>,
    by_cell: HashMap<(Zone, Cell), usize>,
    /// By level of shedding, then as `occupied`; empty for a level that no receiver has.
    due: [Vec<Due>; limits::SHED_PERIODS.len()],
}

impl<'a> Scene<'a> {
    /// Looks at everybody; `levels` says which levels of shedding there are receivers of.
    pub fn new(tick: u32, avatars: &'a [Avatar], levels: [bool; limits::SHED_PERIODS.len()]) -> Self {
        let mut scene = Self {
            tick,
            avatars,
            heroes: Vec::new(),
            occupied: Vec::new(),
            by_cell: HashMap::new(),
            due: Default::default(),
        };
        for (index, avatar) in avatars.iter().enumerate() {
            if avatar.record.is_none() {
                continue;
            }
            if avatar.hero {
                scene.heroes.push(index as u32);
                continue;
            }
            let place = (avatar.zone, avatar.cell);
            let at = *scene.by_cell.entry(place).or_insert_with(|| {
                scene.occupied.push(Occupied {
                    zone: place.0,
                    cell: place.1,
                    members: Vec::new(),
                });
                scene.occupied.len() - 1
            });
            scene.occupied[at].members.push(index as u32);
        }
        // More people than dots in a second: each far one comes less often, and nobody is left out.
        let far_every = limits::FAR_EVERY.max(avatars.len() as u32 / limits::FAR_DOTS_PER_TICK);
        for (level, _) in levels.iter().enumerate().filter(|(_, used)| **used) {
            let period = limits::SHED_PERIODS[level];
            scene.due[level] = scene
                .occupied
                .iter()
                .map(|place| Due {
                    mid: scene.whose_turn(place, limits::MID_EVERY, period),
                    far: scene.whose_turn(place, far_every, period),
                })
                .collect();
        }
        scene
    }

    /// Whose turn came since a receiver's last TICK, of those that moved since their turn before that.
    fn whose_turn(&self, place: &Occupied, every: u32, period: u32) -> Vec<u32> {
        let due = |index: &&u32| {
            let avatar = &self.avatars[**index as usize];
            u32::from(avatar.handle).wrapping_add(self.tick) % every < period
                && changed(avatar, self.tick, every.max(limits::POSE_REFRESH_TICKS))
        };
        place.members.iter().filter(due).copied().collect()
    }

    /// The dots of the cell at `at` in `occupied` that are due.
    pub fn due(&self, level: u8, at: usize, tier: Tier) -> &[u32] {
        let Some(due) = self.due[usize::from(level)].get(at) else {
            return &[];
        };
        if tier == Tier::Mid { &due.mid } else { &due.far }
    }

    /// How many are near somebody in this cell.
    pub fn near(&self, zone: Zone, cell: Cell) -> usize {
        let around = cell.around().filter_map(|cell| self.by_cell.get(&(zone, cell)));
        around.map(|at| self.occupied[*at].members.len()).sum()
    }
}
