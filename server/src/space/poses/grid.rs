//! Which cell of the floor somebody is in, and who is near whom. Interest is decided by the receiver's cell, so that
//! everybody in a cell is sent the same bytes.

use crate::limits;

/// A square of the floor: x and z in steps of [`limits::CELL_M`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) struct Cell {
    pub x: i16,
    pub z: i16,
}

/// How far a cell is from another, and so how much of it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tier {
    /// Full records.
    Near,
    /// Dots, a few times a second.
    Mid,
    /// Dots, once a second.
    Far,
}

const CELL_MM: i32 = limits::CELL_M as i32 * 1000;

impl Cell {
    /// The cell of a place in millimetres.
    pub fn of([x, z]: [i32; 2]) -> Self {
        let step = |mm: i32| mm.div_euclid(CELL_MM) as i16;
        Self {
            x: step(x),
            z: step(z),
        }
    }

    /// The middle, millimetres.
    pub fn centre(self) -> [i32; 2] {
        let middle = |step: i16| i32::from(step) * CELL_MM + CELL_MM / 2;
        [middle(self.x), middle(self.z)]
    }

    /// How far `other` is.
    pub fn tier(self, other: Cell) -> Tier {
        let steps = |a: i16, b: i16| (i32::from(a) - i32::from(b)).abs();
        match steps(self.x, other.x).max(steps(self.z, other.z)) {
            0..=limits::NEAR_CELLS => Tier::Near,
            ..=limits::MID_CELLS => Tier::Mid,
            _ => Tier::Far,
        }
    }

    /// True when a place is clearly outside: who stands on a border does not flicker between two cells.
    pub fn is_left_by(self, place: [i32; 2]) -> bool {
        let [x, z] = self.centre();
        let reach = CELL_MM / 2 + limits::CELL_HYSTERESIS_MM;
        (place[0] - x).abs() > reach || (place[1] - z).abs() > reach
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_border_is_crossed_a_metre_behind_it() {
        let cell = Cell::of([7_900, -100]);
        assert_eq!(cell, Cell { x: 0, z: -1 });
        assert!(!cell.is_left_by([8_900, -100]));
        assert!(cell.is_left_by([9_001, -100]));
        assert!(!cell.is_left_by([4_000, 999]));
    }

    #[test]
    fn near_is_around_mid_is_further_and_far_is_the_rest() {
        let here = Cell::default();
        for (x, z, tier) in [
            (0, 0, Tier::Near),
            (1, -1, Tier::Near),
            (2, 0, Tier::Mid),
            (-3, 3, Tier::Mid),
            (4, 0, Tier::Far),
            (i16::MIN, i16::MAX, Tier::Far),
        ] {
            assert_eq!(here.tier(Cell { x, z }), tier, "{x} {z}");
        }
    }
}
