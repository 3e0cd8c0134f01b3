//! Seeded plans: what several people do to a space, in an order that chance draws and a seed repeats.

use crate::client::Client;
use crate::rng::Rng;
use crate::value::stroke;
use serde_json::{Value, json};
use std::hash::{BuildHasher, RandomState};

/// A source of chance that says its seed when the test fails.
pub struct Plan {
    /// Chance.
    pub rng: Rng,
    name: String,
    seed: u64,
}

impl Plan {
    /// The plan of this seed.
    pub fn new(name: &str, seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            name: name.to_owned(),
            seed,
        }
    }

    /// Seeds for `count` plans: from `THEXR_SEED` on, or, without it, from a number that is different every time.
    pub fn seeds(count: u64) -> impl Iterator<Item = u64> {
        let random = RandomState::new().hash_one(0) >> 16;
        let first = crate::env_number("THEXR_SEED", random);
        (0..count).map(move |i| first + i)
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "{}: run it again with THEXR_SEED={} THEXR_PLANS=1",
                self.name, self.seed
            );
        }
    }
}

/// Something one person does.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Sets a component (and makes the entity).
    Set(String, String, Value),
    /// Removes a component.
    Remove(String, String),
    /// Deletes an entity and its strokes.
    Delete(String),
    /// Draws.
    Stroke(String, Value),
    /// Erases.
    Erase(String, usize),
}

/// Few names, so that people meet.
const ENTITIES: [&str; 6] = ["box", "lamp", "wall", "e_1", "e-2", "Z9"];
const COMPONENTS: [&str; 5] = ["transform", "name", "my:note", "flag", "data"];

impl Op {
    /// One of them.
    pub fn random(rng: &mut Rng) -> Self {
        let entity = (*rng.pick(&ENTITIES)).to_owned();
        match rng.below(20) {
            0..10 => Self::Set(entity, (*rng.pick(&COMPONENTS)).to_owned(), value(rng)),
            10..12 => Self::Remove(entity, (*rng.pick(&COMPONENTS)).to_owned()),
            12..14 => Self::Delete(entity),
            14..18 => {
                let id = format!("s{}", rng.below(1_000_000));
                let points = 1 + rng.below(40);
                Self::Stroke(entity, stroke(&id, points))
            }
            _ => Self::Erase(entity, rng.below(100)),
        }
    }

    /// Does it; gives the update, `00 00` when there was nothing to do.
    pub fn apply(&self, client: &Client) -> Vec<u8> {
        match self {
            Self::Set(entity, component, value) => client.set(entity, component, value),
            Self::Remove(entity, component) => client.remove(entity, component),
            Self::Delete(entity) => client.delete(entity),
            Self::Stroke(entity, stroke) => client.push_stroke(entity, stroke),
            Self::Erase(entity, index) => client.delete_stroke(entity, *index),
        }
    }
}

/// A component of any shape that JSON has.
fn value(rng: &mut Rng) -> Value {
    match rng.below(10) {
        0 => json!({"pos": [rng.below(100), 1.5, -2], "rot": [0, 0, 0, 1], "scale": [1, 1, 1]}),
        1 => json!(rng.below(1000)),
        2 => json!(-1.25 * rng.below(1000) as f64),
        3 => json!("ü 😀 text".repeat(rng.below(20))),
        4 => json!(null),
        5 => json!(rng.one_in(2)),
        6 => json!([1, [2, [3, {"a": {}}]], "x", null]),
        7 => json!(4_294_967_296i64 + rng.below(1000) as i64),
        8 => json!({"data": {"$bytes": [1, 2, 255]}, "": {"": []}}),
        _ => json!({"n": rng.below(10), "text": "y".repeat(rng.below(300))}),
    }
}
