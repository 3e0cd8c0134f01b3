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
/// Parts of a cell along each side, in a crowd.
const PARTS: i32 = 4;

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

    /// The middle of a part of the cell ([`Cell::part`]); of the whole cell for part 0.
    pub fn centre_of(self, part: u8) -> [i32; 2] {
        let [x, z] = self.centre();
        let Some(part) = i32::from(part).checked_sub(1).filter(|part| *part >= 0) else {
            return [x, z];
        };
        let middle = |n: i32| (2 * n + 1 - PARTS) * CELL_MM / (2 * PARTS);
        [x + middle(part % PARTS), z + middle(part / PARTS)]
    }

    /// Which of the cell's 16 parts a place is in, or nearest to: 1 to 16.
    pub fn part(self, place: [i32; 2]) -> u8 {
        let [x, z] = self.centre();
        let step = |mm: i32| ((mm + CELL_MM / 2).div_euclid(CELL_MM / PARTS)).clamp(0, PARTS - 1);
        (1 + step(place[0] - x) + PARTS * step(place[1] - z)) as u8
    }

    /// The cells that are near, itself included.
    pub fn around(self) -> impl Iterator<Item = Cell> {
        let reach = -(limits::NEAR_CELLS as i16)..=limits::NEAR_CELLS as i16;
        reach.clone().flat_map(move |dx| {
            reach.clone().map(move |dz| Cell {
                x: self.x.saturating_add(dx),
                z: self.z.saturating_add(dz),
            })
        })
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
    fn a_part_is_two_metres_wide_and_its_middle_is_in_it() {
        let cell = Cell { x: -1, z: 2 };
        for part in 1..=16 {
            let centre = cell.centre_of(part);
            assert_eq!((cell.part(centre), Cell::of(centre)), (part, cell));
        }
        assert_eq!(cell.centre_of(0), [-4_000, 20_000]);
        assert_eq!(
            cell.part([900, 23_000]),
            16,
            "a metre outside is the nearest part"
        );
        assert_eq!(
            cell.around()
                .filter(|near| cell.tier(*near) == Tier::Near)
                .count(),
            9
        );
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
