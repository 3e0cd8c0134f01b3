//! How avatars move: a real recording when it is there, else a made one; moved and time-shifted for each avatar.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use thexr_schema::presence::pose::{Hand, Joint, Pose};

/// Where a recording lies unless `THEXR_VR_DATA` says otherwise: beside the checkout.
const RECORDING: &str = "../shared/data/vr-session-90hz.jsonl.gz";
/// Milliseconds between the samples that are kept.
const STEP_MS: f64 = 10.0;
/// Length of the made motion.
const MADE_MS: f64 = 30_000.0;
/// Seconds that a made avatar stands still, gestures, or walks.
const ACT_S: f64 = 10.0;

/// Head, left and right hand, around the point the person stands on.
type Sample = [Joint; 3];

/// One person's motion, forwards and back again without end.
pub struct Motion {
    samples: Vec<Sample>,
    /// What rows call it.
    pub source: &'static str,
}

/// Where an avatar stands and how far its motion is shifted in time.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Metres.
    pub x: f32,
    /// Metres.
    pub z: f32,
    /// Milliseconds.
    pub shift_ms: f64,
}

impl Place {
    /// Number `n` of those who stand in a square of `side` metres around the origin: spread evenly and in no order
    /// (the R2 sequence), the same in every run.
    pub fn in_square(n: usize, side: f64) -> Self {
        let part = |step: f64| (0.5 + n as f64 * step).fract();
        Self {
            x: ((part(0.754_877_666_246_693) - 0.5) * side) as f32,
            z: ((part(0.569_840_290_998_053) - 0.5) * side) as f32,
            shift_ms: n as f64 * 977.0,
        }
    }

    /// Square of the distance on the floor.
    pub fn distance2(&self, other: &Self) -> f32 {
        (self.x - other.x).powi(2) + (self.z - other.z).powi(2)
    }
}

impl Motion {
    /// The recording, or the made motion when there is none.
    pub fn load() -> Self {
        let given = std::env::var_os("THEXR_VR_DATA").map(PathBuf::from);
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let path = given.unwrap_or_else(|| checkout.join(RECORDING));
        match recorded(&path) {
            Some(samples) => Self {
                samples,
                source: "recorded",
            },
            None => {
                eprintln!("  no recording at {}: generated motion", path.display());
                Self::made()
            }
        }
    }

    /// The made motion.
    pub fn made() -> Self {
        let mut noise = 9u64;
        let count = (MADE_MS / STEP_MS) as usize;
        Self {
            samples: (0..count)
                .map(|n| made(n as f64 * STEP_MS / 1e3, &mut noise))
                .collect(),
            source: "generated",
        }
    }

    /// The pose of whoever stands there, at this time.
    pub fn pose(&self, place: &Place, ms: f64) -> Pose {
        let last = self.samples.len() - 1;
        // There and back: a jump from the end to the beginning would be faster than anybody moves.
        let step = ((ms + place.shift_ms) / STEP_MS) as usize % (2 * last).max(1);
        let sample = &self.samples[if step > last { 2 * last - step } else { step }];
        let moved = sample.map(|joint| Joint {
            pos: [joint.pos[0] + place.x, joint.pos[1], joint.pos[2] + place.z],
            ..joint
        });
        let hand = |joint| {
            Some(Hand {
                joint,
                grip: false,
                trigger: false,
            })
        };
        Pose {
            head: moved[0],
            left: hand(moved[1]),
            right: hand(moved[2]),
            aux: None,
            teleport: false,
        }
    }
}

/// Reads lines `{"t": ms, "head": [x, y, z, qx, qy, qz, qw], "left": […], "right": […]}` behind gzip.
fn recorded(path: &Path) -> Option<Vec<Sample>> {
    // gzip is on every machine that builds this; one file at the start is no reason for a crate.
    let mut child = Command::new("gzip")
        .arg("-dc")
        .arg(path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut text = String::new();
    child.stdout.take()?.read_to_string(&mut text).ok()?;
    if !child.wait().ok()?.success() {
        return None;
    }
    let lines: Vec<(f64, Sample)> = text.lines().map(line).collect::<Option<_>>()?;
    // The person's own middle becomes the point it stands on.
    let middle =
        |axis: usize| lines.iter().map(|(_, s)| f64::from(s[0].pos[axis])).sum::<f64>() / lines.len() as f64;
    let (x, z) = (middle(0) as f32, middle(2) as f32);
    let end = lines.last()?.0;
    let mut samples = Vec::new();
    let mut at = 0;
    while samples.len() as f64 * STEP_MS <= end {
        while lines[at].0 < samples.len() as f64 * STEP_MS {
            at += 1;
        }
        samples.push(lines[at].1.map(|joint| Joint {
            pos: [joint.pos[0] - x, joint.pos[1], joint.pos[2] - z],
            ..joint
        }));
    }
    (samples.len() > 1).then_some(samples)
}

fn line(text: &str) -> Option<(f64, Sample)> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let joint = |key: &str| {
        let numbers = value[key].as_array()?;
        let numbers: Vec<f32> = numbers
            .iter()
            .map(|n| Some(n.as_f64()? as f32))
            .collect::<Option<_>>()?;
        Some(Joint {
            pos: *numbers.first_chunk()?,
            rot: *numbers.get(3..)?.first_chunk()?,
        })
    };
    Some((
        value["t"].as_f64()?,
        [joint("head")?, joint("left")?, joint("right")?],
    ))
}

/// Standing, gesturing and walking in turn, always with the tremor of a tracker.
fn made(s: f64, noise: &mut u64) -> Sample {
    let act = (s / ACT_S) as u32 % 3;
    let (gesture, walk) = (f64::from(act == 1), f64::from(act == 2));
    // Half a turn of a circle and back, at a stroller's speed.
    let along = walk * ((s % ACT_S) * std::f64::consts::TAU / ACT_S).sin() * 1.2;
    let mut tremor = |metres: f64| {
        *noise ^= *noise << 13;
        *noise ^= *noise >> 7;
        *noise ^= *noise << 17;
        ((*noise >> 40) as f64 / (1u64 << 23) as f64 - 1.0) * metres
    };
    let mut joint = |x: f64, y: f64, z: f64, swing: f64, yaw: f64| {
        let half = (yaw + tremor(0.001)) / 2.0;
        let beat = (s * 5.0).sin() * gesture * swing;
        Joint {
            pos: [
                (along + x + tremor(0.001)) as f32,
                (y + beat + walk * 0.02 * (s * 11.0).sin() + tremor(0.001)) as f32,
                (z + beat * 0.5 + tremor(0.001)) as f32,
            ],
            rot: [0.0, half.sin() as f32, 0.0, half.cos() as f32],
        }
    };
    let look = (s * 0.8).sin() * 0.6;
    [
        joint(0.0, 1.65, 0.0, 0.01, look),
        joint(-0.25, 1.0, -0.25, 0.15, look * 0.5),
        joint(0.25, 1.0, -0.25, -0.2, look * 0.5),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use thexr_schema::presence::Record;

    /// A server drops what moves faster than 20 m/s (SPEC M11): neither motion may.
    #[test]
    fn nobody_moves_faster_than_people_do_and_every_pose_has_three_points() {
        for motion in [Motion::made(), Motion::load()] {
            let place = Place::in_square(3, 100.0);
            let mut before: Option<Pose> = None;
            let mut moved = 0;
            for n in 0..2_000 {
                let pose = motion.pose(&place, f64::from(n) * 50.0);
                let record = Record::of(&pose).expect("finite");
                assert_eq!(record.as_bytes().len(), 28);
                if let Some(before) = before {
                    let far = pose.head.pos.iter().zip(before.head.pos);
                    let far = far.map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
                    assert!(far < 0.5, "{far} m in 50 ms at {n} of {}", motion.source);
                    moved += u32::from(!Record::of(&before).expect("finite").is_near(&record));
                }
                before = Some(pose);
            }
            assert!(moved > 400, "{} moves in {moved} of 2,000", motion.source);
        }
    }

    #[test]
    fn places_fill_the_square() {
        let places: Vec<Place> = (0..1_000).map(|n| Place::in_square(n, 80.0)).collect();
        for quarter in 0..4 {
            let inside = places
                .iter()
                .filter(|p| (p.x > 0.0) == (quarter & 1 == 0) && (p.z > 0.0) == (quarter & 2 == 0));
            assert!((230..270).contains(&inside.count()));
        }
        assert!(places.iter().all(|p| p.x.abs() <= 40.0 && p.z.abs() <= 40.0));
    }
}
