//! Between standard awareness and members: what a stock client's state says about a member, and members of `/presence`
//! as states that stock clients can show (notes/presence.md §4).
//!
//! A client that puts `{"pose": {"head": {"pos": […], "rot": […]}}}` into its state moves like everybody else; the pose
//! itself goes no further, because awareness is sent to all and stock clients send it back.

use super::Awareness;
use crate::limits;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use thexr_schema::presence::{Hand, Joint, Pose, Record};
use tokio::time::Instant;

/// Client ids of members: above the 32 bits that Yjs draws from.
const FIRST_CLIENT: u64 = 1 << 32;

/// What a stock client's state says about its member.
#[derive(Debug, Default, PartialEq)]
pub(in crate::space) struct About {
    /// JSON: its name and colour, as other members show them.
    pub state: Option<String>,
    /// Where it is.
    pub pose: Option<Record>,
}

#[derive(Deserialize)]
struct SaidJoint {
    pos: [f32; 3],
    rot: [f32; 4],
}

#[derive(Deserialize)]
struct SaidPose {
    head: SaidJoint,
    left: Option<SaidJoint>,
    right: Option<SaidJoint>,
}

impl SaidPose {
    fn record(&self) -> Option<Record> {
        let joint = |said: &SaidJoint| Joint {
            pos: said.pos,
            rot: said.rot,
        };
        let hand = |said: &Option<SaidJoint>| {
            said.as_ref().map(|said| Hand {
                joint: joint(said),
                grip: false,
                trigger: false,
            })
        };
        Record::of(&Pose {
            head: joint(&self.head),
            left: hand(&self.left),
            right: hand(&self.right),
            aux: None,
            teleport: false,
        })
    }
}

/// Reads a state: what is passed on instead of it (none: as it is), and what it says about a member.
pub(super) fn read(mut state: Map<String, Value>) -> (Option<Box<str>>, About) {
    let field = |name: &str| {
        let value = state
            .get("user")
            .and_then(|user| user.get(name))
            .and_then(Value::as_str)?;
        Some(value.chars().take(limits::NAME_CHARS_MAX).collect::<String>())
    };
    let (name, color) = (field("name"), field("color"));
    let about = (name.is_some() || color.is_some()).then(|| {
        let mut about = Map::new();
        about.extend(name.map(|name| ("name".to_owned(), Value::from(name))));
        about.extend(color.map(|color| ("color".to_owned(), Value::from(color))));
        Value::Object(about).to_string()
    });
    let pose = state.remove("pose");
    let stripped = pose.is_some().then(|| Value::Object(state).to_string().into());
    let pose = pose.and_then(|pose| serde_json::from_value::<SaidPose>(pose).ok()?.record());
    (stripped, About { state: about, pose })
}

/// A member as stock clients are to see it.
pub(in crate::space) struct Seen {
    pub handle: u16,
    pub name: Arc<str>,
    /// Head, millimetres: x, y, z.
    pub place: Option<[i32; 3]>,
}

struct Told {
    place: Option<[i32; 3]>,
    at: Instant,
}

/// What stock clients have been told of members.
#[derive(Default)]
pub(in crate::space) struct Bridge {
    told: HashMap<u16, Told>,
}

impl Bridge {
    /// Tells what is due, the longest untold first, within the bytes of one step.
    pub fn step(&mut self, awareness: &mut Awareness, members: &[Seen], now: Instant) {
        let listening = awareness.has_listeners();
        self.told.retain(|handle, _| {
            let stays = listening && members.iter().any(|seen| seen.handle == *handle);
            if !stays {
                awareness.tell(client(*handle), "null", now);
            }
            stays
        });
        if !listening {
            return;
        }
        let mut due: Vec<(Option<Instant>, &Seen)> = members
            .iter()
            .take(limits::BRIDGED_MEMBERS_MAX)
            .filter_map(|seen| {
                let told = self.told.get(&seen.handle);
                let due = told.is_none_or(|told| {
                    let age = now.duration_since(told.at);
                    age >= limits::BRIDGE_RENEW
                        || age >= limits::BRIDGE_EVERY && moved(told.place, seen.place)
                });
                due.then_some((told.map(|told| told.at), seen))
            })
            .collect();
        due.sort_by_key(|(at, _)| *at);
        let mut bytes = 0;
        for (_, seen) in due {
            let state = shown(seen);
            bytes += state.len() + 12;
            if bytes > limits::BRIDGE_BYTES_PER_STEP {
                break;
            }
            awareness.tell(client(seen.handle), &state, now);
            let place = seen.place;
            self.told.insert(seen.handle, Told { place, at: now });
        }
    }
}

fn client(handle: u16) -> u64 {
    FIRST_CLIENT + u64::from(handle)
}

fn moved(from: Option<[i32; 3]>, to: Option<[i32; 3]>) -> bool {
    match (from, to) {
        (Some(from), Some(to)) => from
            .iter()
            .zip(to)
            .any(|(a, b)| (a - b).abs() > limits::BRIDGE_DEAD_BAND_MM),
        (from, to) => from.is_some() != to.is_some(),
    }
}

fn shown(seen: &Seen) -> String {
    let metres = |mm: i32| (f64::from(mm) / 100.0).round() / 10.0;
    let place = seen.place.map(|place| place.map(metres));
    let mut thexr = json!({"h": seen.handle});
    if let Some(place) = place {
        thexr["p"] = json!(place);
    }
    json!({"user": {"name": &*seen.name}, "thexr": thexr}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::ConnId;
    use thexr_schema::lib0;

    fn listening() -> Awareness {
        let mut awareness = Awareness::default();
        let mut update = vec![1];
        lib0::write_var(&mut update, 7);
        lib0::write_var(&mut update, 1);
        lib0::write_str(&mut update, "{}");
        awareness
            .receive(ConnId(1), &update, Instant::now())
            .expect("well formed");
        awareness.changed();
        awareness
    }

    fn at(handle: u16, x: i32) -> Seen {
        Seen {
            handle,
            name: "Ana".into(),
            place: Some([x, 1_600, 0]),
        }
    }

    #[test]
    fn members_are_shown_once_a_second_when_they_move_and_again_before_they_expire() {
        let (mut bridge, mut awareness, start) = (Bridge::default(), listening(), Instant::now());
        let mut told = |now: Instant, members: &[Seen]| {
            bridge.step(&mut awareness, members, now);
            awareness.changed().is_some()
        };
        assert!(told(start, &[at(1, 0)]));
        assert!(
            !told(start + limits::BRIDGE_EVERY, &[at(1, 400)]),
            "within the dead band"
        );
        assert!(
            !told(start + limits::BRIDGE_EVERY / 2, &[at(1, 4_000)]),
            "too soon"
        );
        assert!(told(start + limits::BRIDGE_EVERY, &[at(1, 4_000)]));
        let later = start + limits::BRIDGE_EVERY + limits::BRIDGE_RENEW;
        assert!(told(later, &[at(1, 4_000)]));
        assert!(told(later, &[]), "it has gone");
        assert!(!told(later, &[]));
    }

    #[test]
    fn nobody_is_told_when_nobody_listens_and_a_crowd_takes_turns() {
        let (mut bridge, now) = (Bridge::default(), Instant::now());
        let mut awareness = Awareness::default();
        bridge.step(&mut awareness, &[at(1, 0)], now);
        assert!(awareness.changed().is_none());
        let mut awareness = listening();
        let crowd: Vec<Seen> = (1..=200).map(|handle| at(handle, 0)).collect();
        let mut steps = 0;
        while bridge.told.len() < 200 {
            bridge.step(&mut awareness, &crowd, now);
            let frame = awareness.changed().expect("somebody");
            assert!(
                frame.len() <= limits::BRIDGE_BYTES_PER_STEP + 16,
                "{}",
                frame.len()
            );
            steps += 1;
            assert!(steps < 50);
        }
    }

    #[test]
    fn a_pose_in_a_state_goes_to_the_poses_and_no_further() {
        let state = r#"{"user":{"name":"Ana","color":"red"},"pose":{"head":{"pos":[1,1.6,0],"rot":[0,0,0,1]}},"cursor":3}"#;
        let map = thexr_schema::scan::parse_state(state)
            .expect("JSON")
            .expect("an object");
        let (passed, about) = read(map);
        assert_eq!(
            passed.as_deref(),
            Some(r#"{"user":{"name":"Ana","color":"red"},"cursor":3}"#)
        );
        assert_eq!(about.state.as_deref(), Some(r#"{"name":"Ana","color":"red"}"#));
        assert_eq!(about.pose.map(|record| record.head_mm()), Some([1_000, 1_600, 0]));
        for bad in [
            r#"{"pose":1}"#,
            r#"{"pose":{"head":{"pos":[1,2],"rot":[0,0,0,1]}}}"#,
        ] {
            let map = thexr_schema::scan::parse_state(bad)
                .expect("JSON")
                .expect("an object");
            assert_eq!(read(map), (Some("{}".into()), About::default()), "{bad}");
        }
    }
}
