//! What is mutated: states of real documents, and the updates that followed.

use crate::client::Client;
use crate::fixtures;
use crate::plan::Op;
use crate::rng::Rng;
use bytes::Bytes;
use thexr::space::doc::{CheckedUpdate, Clocks, Encoding, Keep, SpaceDoc};
use yrs::updates::decoder::Decode;
use yrs::{ReadTxn, Transact, Update};

/// A state and what may come next.
#[derive(Debug, Clone)]
pub struct Base {
    /// The document, v1.
    pub state: Vec<u8>,
    /// Its clocks.
    pub clocks: Clocks,
    /// Updates that honest clients sent next, in order.
    pub honest: Vec<Vec<u8>>,
}

/// Honest updates that follow a state.
const FOLLOWERS: usize = 3;
/// Above this a state costs more time than it is worth.
const STATE_BYTES_MAX: usize = 3_000;

/// All of them, the same every time.
pub fn bases() -> Vec<Base> {
    let golden: Vec<Vec<u8>> = fixtures::cases("updates")
        .into_iter()
        .filter(|case| case.ok && case.bytes.len() < STATE_BYTES_MAX)
        .map(|case| case.bytes)
        .collect();
    let mut all = history(&golden);
    // Each golden update on its own, too: most are of another document than the one before.
    all.extend(
        golden
            .iter()
            .flat_map(|update| history(std::slice::from_ref(update))),
    );
    for seed in 0..12 {
        all.extend(history(&session(seed)));
    }
    all
}

/// Every state on the way through a history.
fn history(updates: &[Vec<u8>]) -> Vec<Base> {
    let mut doc = SpaceDoc::new(1);
    let mut bases = Vec::new();
    for (i, update) in updates.iter().enumerate() {
        let state = doc.encode(Encoding::V1);
        if state.len() < STATE_BYTES_MAX {
            let honest = updates[i..].iter().take(FOLLOWERS).cloned().collect();
            bases.push(Base {
                state,
                clocks: doc.clocks(),
                honest,
            });
        }
        let checked = CheckedUpdate::parse(Bytes::copy_from_slice(update)).expect("honest");
        let _ = doc.apply(&checked, Keep::Received);
    }
    bases
}

/// Updates of three people who edit, partly at the same time.
fn session(seed: u64) -> Vec<Vec<u8>> {
    let mut rng = Rng::new(seed);
    let people: Vec<Client> = (0..3)
        .map(|i| Client::with_id("session", 10 + i * 1_000_000))
        .collect();
    let mut updates = Vec::new();
    for _ in 0..12 {
        let who = rng.below(people.len());
        for _ in 0..1 + rng.below(3) {
            let update = Op::random(&mut rng).apply(&people[who]);
            if update != [0, 0] && update.len() < 600 {
                updates.push(update);
            }
        }
        if rng.one_in(2) {
            exchange(&people);
        }
    }
    updates
}

fn exchange(people: &[Client]) {
    for from in people {
        for to in people.iter().filter(|to| !std::ptr::eq(*to, from)) {
            let known = to.state().doc.transact().state_vector();
            let diff = from.state().doc.transact().encode_diff_v1(&known);
            let update = Update::decode_v1(&diff).expect("our own");
            to.state()
                .doc
                .transact_mut()
                .apply_update(update)
                .expect("applies");
        }
    }
}
