//! Reads a TICK with little effort: a generator that plays a thousand receivers sees a million records a second.

use thexr_schema::presence::down::{FULL, TICK_HEADER_BYTES};
use thexr_schema::presence::pose::{DOT_BYTES, record_len};

/// What a TICK says before its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub tick: u32,
    /// Everybody in sight.
    pub full: bool,
    /// How far the receiver is reduced.
    pub shed: u8,
    /// Number of records.
    pub records: u16,
    /// Number of dots.
    pub dots: u16,
}

/// Reads a payload of kind TICK: calls `each` with handle and bytes of every record, then with the handle alone of
/// every dot. None when it is not whole.
pub fn tick(payload: &[u8], mut each: impl FnMut(u16, Option<&[u8]>)) -> Option<Head> {
    let head = head(payload)?;
    let mut rest = payload.get(TICK_HEADER_BYTES..)?;
    for _ in 0..head.records {
        let [low, high, mask] = *rest.first_chunk()?;
        let end = 2 + record_len(mask);
        each(u16::from_le_bytes([low, high]), Some(rest.get(2..end)?));
        rest = &rest[end..];
    }
    if rest.len() != usize::from(head.dots) * DOT_BYTES {
        return None;
    }
    for bytes in rest.chunks_exact(DOT_BYTES) {
        each(u16::from_le_bytes([bytes[0], bytes[1]]), None);
    }
    Some(head)
}

/// What it says before its records.
pub fn head(payload: &[u8]) -> Option<Head> {
    let flags = *payload.get(5)?;
    Some(Head {
        tick: u32::from_le_bytes(*payload.get(1..)?.first_chunk()?),
        full: flags & FULL != 0,
        shed: flags >> 1 & 3,
        records: u16::from_le_bytes(*payload.get(6..)?.first_chunk()?),
        dots: u16::from_le_bytes(*payload.get(8..)?.first_chunk()?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::motion::{Motion, Place};
    use super::*;
    use thexr_schema::presence::{Down, Record, down};

    /// The quick reading and the schema's agree.
    #[test]
    fn records_and_dots_are_those_of_the_schema() {
        let motion = Motion::made();
        let record = |n: usize| {
            let mut pose = motion.pose(&Place::in_square(n, 100.0), 0.0);
            if n.is_multiple_of(3) {
                pose.left = None;
            }
            Record::of(&pose).expect("finite")
        };
        let mut payload = vec![down::kind::TICK];
        payload.extend(77u32.to_le_bytes());
        payload.push(FULL | 2 << 1);
        payload.extend(7u16.to_le_bytes());
        payload.extend(3u16.to_le_bytes());
        for n in 0..7 {
            payload.extend((n as u16).to_le_bytes());
            payload.extend(record(n).as_bytes());
        }
        for n in 7..10 {
            payload.extend(record(n).dot(n as u16));
        }
        let (mut records, mut dots) = (Vec::new(), Vec::new());
        let head = tick(&payload, |handle, record| match record {
            Some(bytes) => records.push((handle, bytes.to_vec())),
            None => dots.push(handle),
        });
        let Ok(Down::Tick(read)) = Down::read(&payload) else {
            panic!("the schema does not read it");
        };
        let head = head.expect("whole");
        assert_eq!(
            (head.tick, head.full, head.shed),
            (read.tick, read.full, read.shed)
        );
        let expected: Vec<_> = read.records().map(|(h, r)| (h, r.as_bytes().to_vec())).collect();
        assert_eq!(records, expected);
        assert_eq!(dots, read.dots().map(|dot| dot.handle).collect::<Vec<_>>());
        for cut in 0..payload.len() {
            assert_eq!(tick(&payload[..cut], |_, _| ()), None, "cut at {cut}");
        }
    }
}
