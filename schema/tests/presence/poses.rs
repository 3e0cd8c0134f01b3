//! The poses of the golden file.

use thexr_schema::presence::{Hand, Joint, Pose};

/// Numbers between -1 and 1 that are the same on every machine.
fn random(seed: &mut u64) -> f32 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed >> 40) as f32 / (1u32 << 23) as f32 - 1.0
}

fn joint(pos: [f32; 3], rot: [f32; 4]) -> Joint {
    Joint { pos, rot }
}

fn hand(joint: Joint, grip: bool, trigger: bool) -> Option<Hand> {
    Some(Hand { joint, grip, trigger })
}

const AHEAD: [f32; 4] = [0.0, 0.0, 0.0, 1.0];

/// Poses by name: each shape of a record, the edges, and random ones.
pub fn poses() -> Vec<(String, Pose)> {
    let alone = Pose {
        head: joint([0.0, 1.6, 0.0], AHEAD),
        left: None,
        right: None,
        aux: None,
        teleport: false,
    };
    let mut all = vec![
        ("a head".to_owned(), alone),
        (
            "a left hand that grips".to_owned(),
            Pose {
                left: hand(joint([-0.3, 1.1, -0.2], [0.1, 0.2, 0.3, 0.9]), true, false),
                ..alone
            },
        ),
        (
            "a right hand that pulls".to_owned(),
            Pose {
                right: hand(joint([0.3, 1.1, -0.2], [0.5, -0.5, 0.5, -0.5]), false, true),
                ..alone
            },
        ),
        (
            "both hands and aux".to_owned(),
            Pose {
                head: joint([12.345, 1.701, -6.789], [0.0, 0.7, 0.0, -0.7]),
                left: hand(joint([12.0, 1.2, -7.0], [1.0, 0.0, 0.0, 0.0]), true, true),
                right: hand(joint([12.6, 1.2, -7.0], [0.0, 0.0, 2.0, 0.0]), false, false),
                aux: Some(0xA5),
                teleport: false,
            },
        ),
        (
            "a jump".to_owned(),
            Pose {
                head: joint([100.0, 0.0, 100.0], AHEAD),
                teleport: true,
                ..alone
            },
        ),
        (
            "halves round away from zero".to_owned(),
            Pose {
                head: joint([0.0005, -0.0005, -0.0015], AHEAD),
                left: hand(joint([0.00125, -0.00125, 0.00375], AHEAD), false, false),
                ..alone
            },
        ),
        (
            "out of range is clamped".to_owned(),
            Pose {
                head: joint([1e30, -1e30, 600.0], AHEAD),
                right: hand(joint([0.0, 0.0, 0.0], AHEAD), false, false),
                ..alone
            },
        ),
    ];
    let seed = &mut 0x9E37_79B9_7F4A_7C15;
    for i in 0..60 {
        let head = [
            random(seed) * 500.0,
            random(seed) * 30.0 + 15.0,
            random(seed) * 500.0,
        ];
        let mut some = |i: u32| {
            let rot = std::array::from_fn(|_| random(seed) * 3.0);
            let pos = std::array::from_fn(|axis| head[axis] + random(seed) * 1.4);
            let flags = random(seed);
            (i != 0).then_some(Hand {
                joint: joint(pos, rot),
                grip: flags > 0.0,
                trigger: flags.abs() > 0.5,
            })
        };
        let (body, left, right) = (some(1), some(i & 1), some(i & 2));
        let rot = body.map_or(AHEAD, |hand| hand.joint.rot);
        let aux = (i % 5 == 0).then_some(i as u8 * 4);
        all.push((
            format!("pose {i}"),
            Pose {
                head: joint(head, rot),
                left,
                right,
                aux,
                teleport: i % 7 == 0,
            },
        ));
    }
    all
}
