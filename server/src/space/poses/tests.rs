//! Who sees whom, tick by tick.

use super::*;
use std::cell::Cell as Flag;
use thexr_schema::presence::{Down, Joint, Payloads, Pose, Tick};

thread_local! {
    /// The next tick on this thread crashes.
    pub(in crate::space) static CRASH: Flag<bool> = const { Flag::new(false) };
}

pub(super) fn crash_if_told() {
    assert!(!CRASH.replace(false), "as told");
}

pub(in crate::space) fn record_at(x: f32, z: f32) -> Record {
    let head = Joint {
        pos: [x, 1.6, z],
        rot: [0.0, 0.0, 0.0, 1.0],
    };
    Record::of(&Pose {
        head,
        left: None,
        right: None,
        aux: None,
        teleport: false,
    })
    .expect("finite")
}

/// A few people at places, and what they see.
struct Room {
    poses: Poses,
    people: Vec<Person>,
    tick: u32,
    now: Instant,
    seq: u16,
}

struct Seen {
    full: bool,
    records: Vec<u16>,
    dots: Vec<u16>,
    bytes: usize,
}

impl Room {
    fn new(places: &[(f32, f32)]) -> Self {
        let now = Instant::now();
        let mut room = Self {
            poses: Poses::default(),
            people: Vec::new(),
            tick: 1_000,
            now,
            seq: 0,
        };
        for (i, (x, z)) in places.iter().enumerate() {
            let person = Person {
                conn: ConnId(i as u64),
                handle: i as u16 + 1,
                lanes: Some(Lanes::default()),
                slot: PoseSlot::default(),
                budget: 0,
            };
            person.slot.put(0, record_at(*x, *z), now);
            room.poses.join(person.clone(), None, room.tick);
            room.people.push(person);
        }
        room
    }

    /// Everybody moves a little for one tick.
    fn step(&mut self, places: &[(f32, f32)]) {
        self.seq += 1;
        self.tick += 1;
        self.now += limits::POSE_TICK;
        let swing = f32::from(self.seq % 2) * 0.02;
        for (person, (x, z)) in self.people.iter().zip(places) {
            person.slot.put(self.seq, record_at(x + swing, *z), self.now);
        }
        self.poses.tick(self.tick, self.now, None, &Bytes::new());
    }

    fn still(&mut self) {
        self.tick += 1;
        self.now += limits::POSE_TICK;
        self.poses.tick(self.tick, self.now, None, &Bytes::new());
    }

    /// What person `at` was sent last.
    fn seen(&self, at: usize) -> Option<Seen> {
        let [_, frame] = self.people[at].lanes.as_ref()?.drain().lossy?;
        if frame.is_empty() {
            return None;
        }
        let payload = frame.slice(if frame[1] == 126 { 4 } else { 2 }..);
        let payload = Payloads::new(&payload).next()?.expect("a payload");
        let Down::Tick(tick) = Down::read(payload).expect("a message") else {
            panic!("not a TICK")
        };
        let tick: Tick<'_> = tick;
        Some(Seen {
            full: tick.full,
            records: tick.records().map(|(handle, _)| handle).collect(),
            dots: tick.dots().map(|dot| dot.handle).collect(),
            bytes: frame.len(),
        })
    }

    fn drain(&self) {
        self.people
            .iter()
            .for_each(|person| drop(person.lanes.as_ref().map(Lanes::drain)));
    }
}

fn sorted(mut handles: Vec<u16>) -> Vec<u16> {
    handles.sort_unstable();
    handles
}

/// SPEC M7.
#[test]
fn a_newcomer_sees_everybody_and_then_what_moves() {
    let places = [(0.0, 0.0), (3.0, 0.0), (25.0, 0.0), (200.0, 0.0)];
    let mut room = Room::new(&places);
    room.step(&places);
    let first = room.seen(0).expect("a frame");
    assert!(first.full);
    assert_eq!((sorted(first.records), first.dots), (vec![1, 2], vec![3, 4]));
    room.drain();
    let (mut mid, mut far, mut near) = (0, 0, 0);
    for _ in 0..40 {
        room.step(&places);
        let seen = room.seen(0).expect("a frame");
        assert!(!seen.full);
        near += seen.records.len();
        mid += seen.dots.iter().filter(|handle| **handle == 3).count();
        far += seen.dots.iter().filter(|handle| **handle == 4).count();
        room.drain();
    }
    assert_eq!(
        (near, mid, far),
        (80, 5, 2),
        "20, 2.5 and 1 times a second for two seconds"
    );
}

/// SPEC M11.
#[test]
fn who_does_not_move_is_repeated_once_a_second() {
    let mut room = Room::new(&[(0.0, 0.0), (3.0, 0.0)]);
    room.still();
    room.drain();
    let mut records = Vec::new();
    for _ in 0..40 {
        room.still();
        if let Some(seen) = room.seen(0) {
            records.extend(seen.records);
        }
        room.drain();
    }
    records.sort_unstable();
    assert_eq!(records, [1, 1, 2, 2]);
}

#[test]
fn a_crowd_fits_the_budget_and_everybody_in_it_is_seen_twice_a_second() {
    let places: Vec<(f32, f32)> = (0..1_000)
        .map(|i| ((i % 32) as f32 * 0.75, (i / 32) as f32 * 0.75))
        .collect();
    let mut room = Room::new(&places);
    room.step(&places);
    room.drain();
    let (mut times, mut bytes, ticks) = (vec![0u32; 1_001], 0, 40);
    for _ in 0..ticks {
        room.step(&places);
        let seen = room.seen(500).expect("a frame");
        assert!(seen.bytes <= 2_400, "{} bytes", seen.bytes);
        // In records of one point (14 bytes) there is room for a hundred.
        assert!(seen.records.len() >= 48, "{}", seen.records.len());
        bytes += seen.bytes;
        for handle in seen.records.iter().chain(&seen.dots) {
            times[usize::from(*handle)] += 1;
        }
        room.drain();
    }
    assert!(bytes / ticks <= 2_400);
    let least = times[1..].iter().min().expect("people");
    assert!(*least >= 4, "somebody was seen {least} times in two seconds");
}

/// Regression: each part of a cell had turns of its own, and who walked from one to the next missed somebody's.
#[test]
fn who_walks_through_a_crowd_sees_everybody_twice_a_second_as_well() {
    let mut places: Vec<(f32, f32)> = (0..1_000)
        .map(|i| ((i % 32) as f32 * 0.75, (i / 32) as f32 * 0.75))
        .collect();
    // Up and down a cell's width, as fast as anybody may.
    let walk = |tick: i32| 8.5 + 0.9 * (tick % 14 - 7).abs() as f32;
    places[500] = (walk(0), 12.0);
    let mut room = Room::new(&places);
    room.step(&places);
    room.drain();
    let (mut last, ticks) = (vec![0; 1_001], 100);
    let mut longest = 0;
    for tick in 1..=ticks {
        places[500] = (walk(tick), 12.0);
        room.step(&places);
        let seen = room.seen(500).expect("a frame");
        for handle in seen.records.iter().chain(&seen.dots) {
            longest = longest.max(tick - last[usize::from(*handle)]);
            last[usize::from(*handle)] = tick;
        }
        room.drain();
    }
    longest = last[1..].iter().map(|at| ticks - at).fold(longest, i32::max);
    assert!(longest <= 10, "somebody was not seen for {longest} ticks");
}

#[test]
fn who_has_not_taken_a_frame_gets_everybody_near_in_the_next() {
    let places = [(0.0, 0.0), (3.0, 0.0)];
    let mut room = Room::new(&places);
    room.step(&places);
    room.drain();
    room.step(&places);
    // Not drained: and then nobody moves, so that only the miss brings them.
    room.still();
    let seen = room.seen(0).expect("a frame");
    assert_eq!(sorted(seen.records), [1, 2]);
}

#[test]
fn zones_do_not_see_each_other_and_the_stage_is_seen_everywhere() {
    let places = [(0.0, 0.0), (1.0, 0.0), (300.0, 0.0)];
    let mut room = Room::new(&places);
    let view = |zone: &str| View {
        zone: zone.into(),
        focus: None,
        budget: 0,
    };
    room.poses.view(ConnId(1), &view("cellar"));
    room.poses.view(ConnId(2), &view(STAGE));
    room.step(&places);
    room.drain();
    room.step(&places);
    assert_eq!(room.seen(0).expect("a frame").records, [3, 1], "the stage first");
    assert_eq!(room.seen(1).expect("a frame").records, [3, 2]);
}

#[test]
fn somebody_without_a_pose_looks_from_where_he_says() {
    let mut room = Room::new(&[(0.0, 0.0), (100.0, 100.0)]);
    let places = [(0.0, 0.0), (100.0, 100.0)];
    room.poses.view(
        ConnId(0),
        &View {
            zone: "".into(),
            focus: Some((12, 12)),
            budget: 0,
        },
    );
    room.step(&places);
    room.drain();
    room.step(&places);
    assert_eq!(room.seen(0).expect("a frame").records, [2]);
}
