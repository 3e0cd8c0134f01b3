//! What only the document can tell about an update: where the items stand that it builds on (SPEC U12). Asked
//! before the engine sees the update, which would stop half way, or hold pointers into maps that are gone.

use super::{CheckedUpdate, ENTITIES, STROKES_PREFIX, SpaceDoc};
use std::collections::HashMap;
use thexr_schema::scan::{self, Claim, ClientRange, Must, Outside};
use yrs::block::{ClientID, ID};
use yrs::branch::BranchID;
use yrs::{Assoc, Map, MapRef, Nested, Out, ReadTxn, StateVector, StickyIndex, Transact};

/// The kind of a value in [`scan::StructRecord`].
const VALUE: u8 = 8;

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Entities,
    /// In an entity.
    Entity,
    Board,
    /// Deleted and collected, place and all.
    Gone,
}

impl SpaceDoc {
    /// True when everything the update builds on is what the update takes it for.
    pub(super) fn belongs(&self, update: &CheckedUpdate) -> bool {
        let known = |client: u64| self.clocks.get(&client).copied().unwrap_or(0);
        // What we have already is as we have it, whatever the update says about it.
        let overlaps = update
            .scan
            .clients
            .iter()
            .any(|range| range.start < known(range.client));
        if !overlaps {
            return self.are_so(&update.scan.outside);
        }
        let Ok(scan) = scan::scan_update_for(&update.bytes, &known) else {
            return false;
        };
        let straddles = |range: &ClientRange| (range.start + 1..range.end).contains(&known(range.client));
        let agree = !update.scan.clients.iter().any(straddles) || self.parts_agree(update, &known);
        agree && self.are_so(&scan.outside)
    }

    /// True when the part of a struct that we have stands where the rest says that it stands.
    fn parts_agree(&self, update: &CheckedUpdate, known: &dyn Fn(u64) -> u32) -> bool {
        let txn = self.doc.transact();
        let mut agree = true;
        let _ = scan::visit_straddlers(&update.bytes, known, |(client, clock), claim| {
            // What we have was put in place by what we had then.
            let had = match claim {
                Claim::Like(client, clock) | Claim::In(client, clock) => clock < known(client),
                Claim::Root(_) => true,
            };
            let claimed = match claim {
                Claim::Root(name) => Some(BranchID::Root(name.into())),
                Claim::Like(client, clock) => branch_of(&txn, id(client, clock)),
                Claim::In(client, clock) => {
                    let parent = id(client, clock);
                    // A map that is deleted has let go of all it held.
                    let lives = Nested::<MapRef>::new(parent).get(&txn).is_some();
                    lives.then_some(BranchID::Nested(parent))
                }
            };
            agree &= had && branch_of(&txn, id(client, clock)) == claimed;
        });
        agree
    }

    fn are_so(&self, outside: &[Outside]) -> bool {
        if outside.is_empty() {
            return true;
        }
        let txn = self.doc.transact();
        outside.iter().all(|item| {
            let place = place(&txn, id(item.client, item.clock));
            match item.must {
                Must::StandInArray => place == Place::Board,
                Must::StandApart(before) => {
                    let ours = txn.encode_diff_v1(&self.from(item.client, before));
                    !scan::are_in_a_row(&ours, item.client, before, item.clock)
                }
                _ if place == Place::Gone => true,
                Must::StandInEntities => place == Place::Entities,
                Must::BeEntity => {
                    place == Place::Entities && self.is_entity(&txn, id(item.client, item.clock))
                }
            }
        })
    }

    /// True for a map, and for what was one and is deleted.
    fn is_entity<T: ReadTxn>(&self, txn: &T, item: ID) -> bool {
        if Nested::<MapRef>::new(item).get(txn).is_some() {
            return true;
        }
        // Values among entities are what no client of ours makes; only with one there is it worth to look closer.
        if self
            .entities
            .iter(txn)
            .all(|(_, out)| matches!(out, Out::YMap(_)))
        {
            return true;
        }
        let mut value = false;
        let ours = txn.encode_diff_v1(&self.from(item.client.get(), item.clock));
        let _ = scan::visit_structs(&ours, |s| {
            value |= s.kind == VALUE && id(s.client, s.clock) == item
        });
        !value
    }

    /// The state vector of a peer that lacks only what this client wrote from `clock` on.
    fn from(&self, client: u64, clock: u32) -> StateVector {
        let mut from: HashMap<ClientID, u32, _> = HashMap::default();
        for (&client, &clock) in &self.clocks {
            from.insert(ClientID::new(client), clock);
        }
        from.insert(ClientID::new(client), clock);
        StateVector::new(from)
    }
}

fn id(client: u64, clock: u32) -> ID {
    ID::new(ClientID::new(client), clock)
}

/// The map or array an item is in; none when it is collected (or not there).
fn branch_of<T: ReadTxn>(txn: &T, item: ID) -> Option<BranchID> {
    let item = StickyIndex::from_id(item, Assoc::After);
    item.get_offset(txn).map(|offset| offset.branch.id())
}

fn place<T: ReadTxn>(txn: &T, item: ID) -> Place {
    match branch_of(txn, item) {
        None => Place::Gone,
        Some(BranchID::Nested(_)) => Place::Entity,
        Some(BranchID::Root(name)) if &*name == ENTITIES => Place::Entities,
        Some(BranchID::Root(name)) => {
            debug_assert!(name.starts_with(STROKES_PREFIX), "{name}");
            Place::Board
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::doc::{Encoding, Keep, Refused};
    use thexr_schema::lib0::{write_str, write_var};

    /// One section of client `client` from `clock` with these structs, and no delete set.
    fn update(client: u64, clock: u64, structs: &[Vec<u8>]) -> CheckedUpdate {
        let mut out = vec![1];
        write_var(&mut out, structs.len() as u64);
        write_var(&mut out, client);
        write_var(&mut out, clock);
        structs.iter().for_each(|bytes| out.extend(bytes));
        out.push(0);
        CheckedUpdate::parse(out.into()).expect("alone it breaks no rule")
    }

    fn rooted(kind: u8, root: &str, key: &str, content: &[u8]) -> Vec<u8> {
        let mut out = vec![kind | if key.is_empty() { 0 } else { 0x20 }, 1];
        write_str(&mut out, root);
        if !key.is_empty() {
            write_str(&mut out, key);
        }
        out.extend(content);
        out
    }

    fn within(parent: (u8, u8), key: &str, content: &[u8]) -> Vec<u8> {
        let mut out = vec![0x28, 0, parent.0, parent.1];
        write_str(&mut out, key);
        out.extend(content);
        out
    }

    fn linked(kind: u8, left: Option<(u8, u8)>, right: Option<(u8, u8)>, content: &[u8]) -> Vec<u8> {
        let flag = |side: Option<_>, bit: u8| if side.is_some() { bit } else { 0 };
        let mut out = vec![kind | flag(left, 0x80) | flag(right, 0x40)];
        for (client, clock) in [left, right].into_iter().flatten() {
            out.extend([client, clock]);
        }
        out.extend(content);
        out
    }

    const MAP: &[u8] = &[1];
    const ONE: &[u8] = &[1, 126];
    const TWO: &[u8] = &[2, 126, 126];
    const THREE: &[u8] = &[3, 126, 126, 126];

    /// Client 1: entity e (0) with component c (1), strokes on e (2, 3).
    fn doc() -> SpaceDoc {
        let mut doc = SpaceDoc::new(9);
        let all = [
            rooted(7, "entities", "e", MAP),
            within((1, 0), "c", ONE),
            rooted(8, "strokes:e", "", TWO),
        ];
        doc.apply(&update(1, 0, &all), Keep::Received).expect("fits");
        doc
    }

    /// SPEC U12; corpus row 67. What yrs would follow into freed memory, stop half way at, or show one way before a
    /// reload and another way after it.
    #[test]
    fn what_builds_on_the_wrong_thing_is_refused_before_the_engine_sees_it() {
        let entity = rooted(7, "entities", "e", MAP);
        let cases = [
            (
                "live values of one key",
                update(2, 0, &[linked(8, Some((1, 1)), None, TWO)]),
            ),
            (
                "a map over a component",
                update(2, 0, &[linked(7, Some((1, 1)), None, MAP)]),
            ),
            (
                "a map among strokes",
                update(2, 0, &[linked(7, Some((1, 3)), None, MAP)]),
            ),
            (
                "a component of a value",
                update(2, 0, &[within((1, 1), "d", ONE)]),
            ),
            (
                "a component of a stroke",
                update(2, 0, &[within((1, 2), "d", ONE)]),
            ),
            (
                "a component with a right origin",
                update(2, 0, &[linked(8, None, Some((1, 1)), ONE)]),
            ),
            (
                "between a stroke and a component",
                update(2, 0, &[linked(8, Some((1, 3)), Some((1, 1)), ONE)]),
            ),
            (
                "origins the wrong way round",
                update(2, 0, &[linked(8, Some((1, 3)), Some((1, 2)), ONE)]),
            ),
            (
                "a run that goes on before itself",
                update(1, 3, &[linked(8, None, Some((1, 2)), THREE)]),
            ),
            (
                "a run that goes on elsewhere",
                update(1, 3, &[rooted(8, "strokes:f", "", THREE)]),
            ),
            (
                "another story about a parent",
                update(
                    1,
                    0,
                    &[
                        entity.clone(),
                        entity,
                        rooted(1, "strokes:e", "", &[2]),
                        within((1, 1), "d", ONE),
                    ],
                ),
            ),
        ];
        for (name, update) in cases {
            let mut doc = doc();
            let before = (doc.content_hash(), doc.clocks());
            let refused = doc.apply(&update, Keep::Received);
            assert!(
                matches!(refused, Err(Refused::Misplaced | Refused::Reused)),
                "{name}: {refused:?}"
            );
            assert_eq!((doc.content_hash(), doc.clocks()), before, "{name}");
        }
    }

    #[test]
    fn what_builds_on_the_right_thing_is_taken_and_reloads_the_same() {
        let cases = [
            (
                "a component again",
                update(2, 0, &[linked(8, Some((1, 1)), None, ONE)]),
            ),
            (
                "an entity again",
                update(2, 0, &[linked(7, Some((1, 0)), None, MAP)]),
            ),
            ("another component", update(2, 0, &[within((1, 0), "d", ONE)])),
            (
                "strokes at the end",
                update(2, 0, &[linked(8, Some((1, 3)), None, TWO)]),
            ),
            (
                "strokes in between",
                update(2, 0, &[linked(8, Some((1, 2)), Some((1, 3)), TWO)]),
            ),
            (
                "a run of which a part is known",
                update(1, 2, &[rooted(8, "strokes:e", "", THREE)]),
            ),
        ];
        for (name, update) in cases {
            let mut doc = doc();
            assert!(
                matches!(doc.apply(&update, Keep::Received), Ok(Some(_))),
                "{name}"
            );
            let bytes = doc.encode(Encoding::V1);
            let again = SpaceDoc::from_stored(8, Some((Encoding::V1, &bytes)), std::iter::empty());
            assert_eq!(again.expect("loads").content_hash(), doc.content_hash(), "{name}");
        }
    }
}
