//! A pose through its record and back.

use super::*;

fn random(seed: &mut u64) -> f32 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    (*seed >> 40) as f32 / (1u64 << 24) as f32 * 2.0 - 1.0
}

fn rotation(seed: &mut u64) -> [f32; 4] {
    loop {
        let q: [f32; 4] = std::array::from_fn(|_| random(seed));
        let length = q.iter().map(|v| v * v).sum::<f32>().sqrt();
        if (0.1..=1.0).contains(&length) {
            return q.map(|v| v / length);
        }
    }
}

fn degrees(a: [f32; 4], b: [f32; 4]) -> f64 {
    let dot: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(b)).sum();
    (2.0 * dot.abs().min(1.0).acos()).to_degrees()
}

/// SPEC M6: half a millimetre, a quarter of a degree (the corner of the code is 0.28).
#[test]
fn a_pose_survives_within_its_bounds() {
    let seed = &mut 7u64;
    let mut worst = (0.0f32, 0.0f32, 0.0f64);
    for _ in 0..20_000 {
        let head: [f32; 3] = [
            random(seed) * 60.0,
            random(seed) * 10.0 + 5.0,
            random(seed) * 60.0,
        ];
        let hand = |seed: &mut u64| Hand {
            joint: Joint {
                pos: std::array::from_fn(|i| head[i] + random(seed)),
                rot: rotation(seed),
            },
            grip: random(seed) > 0.0,
            trigger: random(seed) > 0.0,
        };
        let pose = Pose {
            head: Joint {
                pos: head,
                rot: rotation(seed),
            },
            left: (random(seed) > 0.0).then(|| hand(seed)),
            right: (random(seed) > 0.0).then(|| hand(seed)),
            aux: (random(seed) > 0.0).then_some(0x5A),
            teleport: random(seed) > 0.0,
        };
        let record = Record::of(&pose).expect("finite");
        let mut reader = Reader::new(record.as_bytes());
        assert_eq!(Record::read(&mut reader), Ok(record));
        assert!(reader.is_empty());
        let back = record.pose();
        assert_eq!((back.aux, back.teleport), (pose.aux, pose.teleport));
        let far = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        worst.0 = worst.0.max(far(pose.head.pos, back.head.pos));
        worst.2 = worst.2.max(degrees(pose.head.rot, back.head.rot));
        for (a, b) in [(pose.left, back.left), (pose.right, back.right)] {
            assert_eq!(a.is_some(), b.is_some());
            let (Some(a), Some(b)) = (a, b) else { continue };
            assert_eq!((a.grip, a.trigger), (b.grip, b.trigger));
            worst.1 = worst.1.max(far(a.joint.pos, b.joint.pos));
            worst.2 = worst.2.max(degrees(a.joint.rot, b.joint.rot));
        }
    }
    assert!(
        worst.0 <= 0.000_51 && worst.1 <= 0.001_26 && worst.2 <= 0.28,
        "{worst:?}"
    );
}

/// Corpus rows 91 and 92: what is no pose cannot be said.
#[test]
fn what_is_not_a_pose_has_no_record() {
    let good = Joint {
        pos: [0.0; 3],
        rot: [0.0, 0.0, 0.0, 1.0],
    };
    let pose = |head| Pose {
        head,
        left: None,
        right: None,
        aux: None,
        teleport: false,
    };
    assert!(Record::of(&pose(good)).is_some());
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert!(
            Record::of(&pose(Joint {
                pos: [0.0, bad, 0.0],
                ..good
            }))
            .is_none()
        );
        assert!(
            Record::of(&pose(Joint {
                rot: [bad, 0.0, 0.0, 1.0],
                ..good
            }))
            .is_none()
        );
    }
    assert!(
        Record::of(&pose(Joint {
            rot: [0.0; 4],
            ..good
        }))
        .is_none()
    );
    let far = Record::of(&pose(Joint {
        pos: [1e30, -1e30, 600.0],
        ..good
    }))
    .expect("clamped");
    assert_eq!(far.head_mm(), [524_287, -16_384, 524_287]);
}

#[test]
fn any_bytes_of_the_right_length_are_a_unit_pose() {
    let seed = &mut 3u64;
    for _ in 0..5_000 {
        let bytes: Vec<u8> = (0..RECORD_BYTES_MAX)
            .map(|_| (random(seed) * 128.0) as i8 as u8)
            .collect();
        let record = Record::read(&mut Reader::new(&bytes)).expect("long enough");
        let pose = record.pose();
        let length: f32 = pose.head.rot.iter().map(|v| v * v).sum();
        assert!((length - 1.0).abs() < 1e-3, "{record:?}");
        assert_eq!(record.dot(7)[..2], [7, 0]);
    }
    assert!(Record::read(&mut Reader::new(&[LEFT; 19])).is_err());
    assert!(Record::read(&mut Reader::new(&[])).is_err());
}

#[test]
fn the_dead_band_lets_tremor_through_nowhere() {
    let at = |x: f32| {
        Record::of(&Pose {
            head: Joint {
                pos: [x, 1.6, 0.0],
                rot: [0.0, 0.0, 0.0, 1.0],
            },
            left: None,
            right: None,
            aux: None,
            teleport: false,
        })
        .expect("finite")
    };
    assert!(at(0.0).is_near(&at(0.003)));
    assert!(!at(0.0).is_near(&at(0.004)));
}

#[test]
fn age_is_told_in_steps_up_to_sixty() {
    let mut record = Record::read(&mut Reader::new(&[0xFF; 29])).expect("long enough");
    for (ms, told) in [(0, 0), (3, 0), (4, 4), (59, 56), (1000, 60)] {
        record.set_age_ms(ms);
        assert_eq!(record.age_ms(), told);
        assert_eq!(record.mask() & 0x0F, 0x0F);
    }
}
