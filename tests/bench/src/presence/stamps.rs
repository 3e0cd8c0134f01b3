//! When which pose was sent: the receiver of a record asks when it left. Nothing is added to a record for this, so
//! sizes are those of real traffic: a record is found again by its content, which the server passes on unchanged
//! but for the age in its mask.

/// Poses remembered per avatar: three seconds at 20 Hz.
const RING: usize = 64;
/// The mask's age bits, which the server sets.
const AGE_BITS: u8 = 0xF0;

#[derive(Clone, Copy)]
struct Stamp {
    print: u64,
    sent_us: f64,
}

#[derive(Clone)]
struct Ring {
    stamps: [Stamp; RING],
    count: u32,
    far: bool,
}

/// What each handle sent lately.
#[derive(Default)]
pub struct Stamps {
    rings: Vec<Option<Box<Ring>>>,
}

/// A pose that was found again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Which of its avatar's poses it is.
    pub number: u32,
    /// When it was sent.
    pub sent_us: f64,
    /// It comes from behind a bad network.
    pub far: bool,
}

impl Stamps {
    /// Remembers that a handle sent this record, from behind a bad network or not.
    pub fn sent(&mut self, handle: u16, record: &[u8], sent_us: f64, far: bool) {
        let at = usize::from(handle);
        if self.rings.len() <= at {
            self.rings.resize(at + 1, None);
        }
        let ring = self.rings[at].get_or_insert_with(|| {
            let never = Stamp {
                print: 0,
                sent_us: f64::NAN,
            };
            Box::new(Ring {
                stamps: [never; RING],
                count: 0,
                far,
            })
        });
        ring.stamps[ring.count as usize % RING] = Stamp {
            print: print(record),
            sent_us,
        };
        ring.count += 1;
    }

    /// When this record was sent: the newest with its content. None when it is older than what is remembered.
    pub fn find(&self, handle: u16, record: &[u8]) -> Option<Found> {
        let ring = self.rings.get(usize::from(handle))?.as_ref()?;
        let wanted = print(record);
        let oldest = ring.count.saturating_sub(RING as u32);
        (oldest..ring.count).rev().find_map(|number| {
            let stamp = &ring.stamps[number as usize % RING];
            (stamp.print == wanted).then_some(Found {
                number,
                sent_us: stamp.sent_us,
                far: ring.far,
            })
        })
    }
}

/// The content of a record without its age, as one number.
fn print(record: &[u8]) -> u64 {
    let Some((mask, rest)) = record.split_first() else {
        return 0;
    };
    let mut print = u64::from(mask & !AGE_BITS);
    for part in rest.chunks(8) {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        print = (print.rotate_left(23) ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    print
}

#[cfg(test)]
mod tests {
    use super::super::motion::{Motion, Place};
    use super::*;
    use thexr_schema::presence::Record;

    #[test]
    fn a_record_is_found_whatever_its_age_and_no_two_of_a_motion_are_alike() {
        let motion = Motion::load();
        let place = Place::in_square(7, 40.0);
        let mut stamps = Stamps::default();
        let record = |n: u32| Record::of(&motion.pose(&place, f64::from(n) * 50.0)).expect("finite");
        let mut alike = 0;
        for n in 0..500 {
            alike += u32::from(stamps.find(9, record(n).as_bytes()).is_some());
            stamps.sent(9, record(n).as_bytes(), f64::from(n), false);
            let mut aged = record(n);
            aged.set_age_ms(44);
            let found = stamps.find(9, aged.as_bytes());
            assert_eq!(
                found,
                Some(Found {
                    number: n,
                    sent_us: f64::from(n),
                    far: false
                })
            );
        }
        // Where the motion turns round it passes the same poses again; nowhere else.
        assert!(
            alike < RING as u32,
            "{alike} of 500 poses look like one just before"
        );
        assert_eq!(stamps.find(9, record(500 - 70).as_bytes()), None);
        assert_eq!(stamps.find(8, record(499).as_bytes()), None);
        assert_eq!(stamps.find(60_000, &[]), None);
    }
}
