//! What is taken of a crowd, when a chunk ends, and that nothing grows without a bound.

use super::*;
use crate::space::poses::tests::record_at;
use thexr_schema::track::Header;

/// When, who is where, and what becomes of it.
type Step<'a> = (u64, &'a [(u16, f32)], Taken);

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn people(places: &[(u16, f32)]) -> std::vec::IntoIter<(u16, Record)> {
    let records: Vec<_> = places
        .iter()
        .map(|(handle, x)| (*handle, record_at(*x, 0.0)))
        .collect();
    records.into_iter()
}

/// Handles per sample of a chunk.
fn handles(chunk: &Chunk) -> Vec<(u64, Vec<u16>)> {
    let samples = chunk.samples().expect("samples").into_iter();
    samples
        .map(|sample| {
            (
                sample.after_ms,
                sample.records.iter().map(|(handle, _)| *handle).collect(),
            )
        })
        .collect()
}

/// SPEC T1, T3.
#[test]
fn a_sample_has_who_moved_and_the_first_of_a_chunk_everybody() {
    let now = Instant::now();
    let mut track = Track::new(1, now);
    let steps: &[Step<'_>] = &[
        (0, &[], Taken::Nothing),
        (1, &[(1, 0.0), (2, 5.0)], Taken::Some),
        (2, &[(1, 0.0), (2, 5.0)], Taken::Nothing),
        (3, &[(1, 0.002), (2, 5.0)], Taken::Nothing), // within the dead band
        (4, &[(1, 0.004), (2, 5.0)], Taken::Some),    // slowly out of it
        (5, &[(2, 5.0)], Taken::Nothing),             // who leaves does not move, and who comes is new
        (6, &[(1, 0.004), (2, 5.0), (3, 1.0)], Taken::Some),
    ];
    for (s, here, taken) in steps {
        let at = now + SECOND * *s as u32;
        assert!(track.is_due(at), "{s}");
        assert_eq!(track.sample(people(here), at, 1_000 * *s as i64), *taken, "{s}");
        assert!(!track.is_due(at + 900 * MS), "{s}");
    }
    let chunk = track.close().expect("a chunk");
    let header = chunk.header;
    assert_eq!(
        (header.first_at, header.span_ms, header.samples),
        (1_000, 5_000, 3)
    );
    assert_eq!(
        handles(&chunk),
        [(0, vec![1, 2]), (3_000, vec![1]), (5_000, vec![1, 3])]
    );
    assert!(track.is_empty() && track.close().is_none());
    let at = now + 7 * SECOND;
    assert_eq!(
        track.sample(people(&[(1, 0.004), (2, 6.0)]), at, 7_000),
        Taken::Some
    );
    let chunk = track.close().expect("a chunk");
    assert_eq!(handles(&chunk), [(0, vec![1, 2])], "each chunk stands alone");
}

/// SPEC T1.
#[test]
fn the_handle_of_somebody_who_left_is_somebody_else_later() {
    let now = Instant::now();
    let mut track = Track::new(1, now);
    assert_eq!(track.sample(people(&[(1, 0.0), (2, 0.0)]), now, 0), Taken::Some);
    assert_eq!(track.sample(people(&[(2, 1.0)]), now + SECOND, 0), Taken::Some);
    let back = track.sample(people(&[(1, 0.0), (2, 1.0)]), now + 2 * SECOND, 0);
    assert_eq!(back, Taken::Some);
    let chunk = track.close().expect("a chunk");
    assert_eq!(handles(&chunk), [(0, vec![1, 2]), (0, vec![2]), (0, vec![1])]);
}

/// SPEC T1.
#[test]
fn samples_come_at_the_rate_that_was_set() {
    for (hz, expected) in [(0, 0), (1, 1), (3, 3), (20, 20)] {
        let now = Instant::now();
        let mut track = Track::new(hz, now);
        let mut taken = 0;
        for tick in 0..20u16 {
            let due = now + limits::POSE_TICK * u32::from(tick);
            if track.is_due(due) {
                let here = people(&[(1, f32::from(tick))]);
                taken += u32::from(track.sample(here, due, 0) == Taken::Some);
            }
        }
        assert_eq!(taken, expected, "{hz} Hz");
    }
}

/// SPEC T3.
#[test]
fn a_chunk_ends_after_a_while_or_at_a_size() {
    let now = Instant::now();
    let mut track = Track::new(20, now);
    assert!(track.close_if_due(now).is_none());
    track.sample(people(&[(1, 0.0)]), now, 0);
    assert!(track.close_if_due(now + limits::POSE_CHUNK_SPAN - MS).is_none());
    assert!(track.close_if_due(now + limits::POSE_CHUNK_SPAN).is_some());
    let crowd: Vec<(u16, f32)> = (0..5_000).map(|n| (n, f32::from(n) / 100.0)).collect();
    let mut samples = 0;
    while track.close_if_due(now).is_none() {
        samples += 1;
        assert!(samples < 10, "256 KiB are reached");
        let moved: Vec<_> = crowd.iter().map(|(n, x)| (*n, x + samples as f32)).collect();
        track.sample(people(&moved), now + limits::POSE_TICK * samples, 0);
    }
    assert!(samples > 2);
}

/// SPEC T4.
#[test]
fn a_crowd_that_moves_all_the_time_is_sampled_less_often_and_never_beyond_the_bound() {
    let now = Instant::now();
    let mut track = Track::new(20, now);
    let (mut bytes, mut skipped, mut n) = (0, 0, 0);
    for tick in 0..20 * 30u32 {
        let due = now + limits::POSE_TICK * tick;
        n += 1;
        let here: Vec<_> = (0..2_000).map(|handle| (handle, (tick % 100) as f32)).collect();
        match track.sample(people(&here), due, 0) {
            Taken::Skipped => skipped += 1,
            Taken::Some | Taken::Nothing => {}
        }
        let chunk = track.close_if_due(due);
        bytes += chunk.map_or(0, |chunk| chunk.header.raw_len);
    }
    let most = u64::from(limits::POSE_TRACK_BYTES_PER_HOUR) / 40;
    assert!(skipped > n / 8, "{skipped} of {n}");
    assert!(bytes <= most, "{bytes} in half a minute, and a minute's burst");
    assert!(bytes > most / 2, "{bytes}");
}

/// SPEC T2.
#[test]
fn a_stored_chunk_is_read_again_and_a_damaged_one_is_refused() {
    let now = Instant::now();
    let mut track = Track::new(1, now);
    track.sample(people(&[(1, 0.0), (9, 3.5)]), now, 1_700_000_000_000);
    let chunk = track.close().expect("a chunk");
    let stored = chunk.pack().expect("packs");
    assert_eq!(Chunk::unpack(&stored), Ok(chunk));
    for end in 0..stored.len() {
        assert!(Chunk::unpack(&stored[..end]).is_err(), "{end}");
    }
    let lies = Header {
        raw_len: u64::from(u32::MAX),
        ..Header::default()
    };
    let mut bytes = Vec::new();
    lies.write(&mut bytes);
    assert!(Chunk::unpack(&bytes).is_err());
}
