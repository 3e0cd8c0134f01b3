//! Owns how the structs of one update hang together: what they need from outside, whether they can be integrated
//! at all, and where items stand that inherit their place. Must not know bytes.

use super::walk::{Id, Kind, Place, Struct};
mod placing;

use super::{ClientRange, Must, Outside};
use crate::fault::{Fault, FaultCode};
use placing::{Placing, merge_highest};

/// Where an item stands, once known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// A collected run, or not placed yet.
    Nowhere,
    Entity,
    Component,
    Stroke,
    /// Inherited from this item, which is not in this update.
    Outside(Id),
}

/// A struct, as little of it as is needed.
#[derive(Debug, Clone, Copy)]
struct Node {
    clock: u32,
    len: u32,
    /// Offset in the input, for faults. Inputs are far below 4 GiB.
    at: u32,
    /// Its first reference in `Graph::refs`.
    first_ref: u32,
    /// Where the row of its client's items begins that follow each other in clocks and in the list alike, and so
    /// may be joined into one struct; below the section's first clock when it begins outside.
    row: u32,
    kind: Kind,
    stands: Stands,
    /// Which references follow, in this order.
    has_origin: bool,
    has_right_origin: bool,
    has_parent: bool,
}

/// What placing found.
pub(super) struct Placed {
    /// See [`super::UpdateScan::deps`].
    pub(super) deps: Vec<(u64, u32)>,
    /// See [`super::UpdateScan::outside`].
    pub(super) outside: Vec<Outside>,
}

/// All structs of an update, in the order of the bytes.
pub(super) struct Graph {
    nodes: Vec<Node>,
    refs: Vec<Id>,
    /// The first node of each section.
    firsts: Vec<usize>,
    /// The client of the newest node; a change of client is a change of section.
    client: Option<u64>,
}

impl Graph {
    pub(super) fn new(bytes: usize) -> Graph {
        // One item in a hundred bytes is what people write; the rest grows by doubling.
        let guess = bytes / 100 + 1;
        Graph {
            nodes: Vec::with_capacity(guess),
            refs: Vec::with_capacity(guess.saturating_mul(2)),
            firsts: Vec::new(),
            client: None,
        }
    }

    pub(super) fn structs(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    /// Takes the next struct of the current section.
    #[inline]
    pub(super) fn add(&mut self, item: &Struct<'_>) -> Result<(), Fault> {
        let first_ref =
            u32::try_from(self.refs.len()).map_err(|_| Fault::new(FaultCode::TooMany, item.at))?;
        let (stands, parent) = match item.place {
            Place::Entity => (Stands::Entity, None),
            Place::Stroke => (Stands::Stroke, None),
            Place::Component(parent) => (Stands::Component, Some(parent)),
            Place::Inherited => (Stands::Nowhere, None),
        };
        let first = self.client != Some(item.id.client);
        if first {
            self.client = Some(item.id.client);
            self.firsts.push(self.nodes.len());
        }
        let row = match (item.origin, self.nodes.last()) {
            (Some(origin), Some(before)) if origin.next() == item.id && !first => before.row,
            (Some(origin), _) if origin.next() == item.id => origin.clock,
            _ => item.id.clock,
        };
        self.refs
            .extend(item.origin.into_iter().chain(item.right_origin).chain(parent));
        self.nodes.push(Node {
            clock: item.id.clock,
            len: item.len,
            at: u32::try_from(item.at).unwrap_or(u32::MAX),
            first_ref,
            row,
            kind: item.kind,
            stands,
            has_origin: item.origin.is_some(),
            has_right_origin: item.right_origin.is_some(),
            has_parent: parent.is_some(),
        });
        Ok(())
    }

    /// Integrates on paper, in the order an engine must: a struct after what it points at, a client's structs one
    /// after the other. Finds cycles, bad parents and misplaced content.
    ///
    /// `deleted` is what the update deletes, sorted; `known` is the next clock of each client that the receiver
    /// has: what it has already is not integrated again, and counts as outside.
    pub(super) fn place(
        mut self,
        clients: &[ClientRange],
        deleted: &[ClientRange],
        known: &dyn Fn(u64) -> u32,
    ) -> Result<Placed, Fault> {
        let mut placing = Placing::new(clients, &self.firsts, self.nodes.len(), known);
        let mut stack: Vec<usize> = Vec::new();
        for start in 0..clients.len() {
            stack.push(start);
            while let Some(&current) = stack.last() {
                let Some(node_at) = placing.next_of(current) else {
                    placing.go_back(&mut stack);
                    continue;
                };
                match self.blocker(&placing, current, node_at) {
                    Some(other) if placing.is_waiting(other) => {
                        return Err(self.fault(FaultCode::Cycle, node_at));
                    }
                    Some(other) => {
                        placing.wait(current);
                        stack.push(other);
                    }
                    None => {
                        self.settle(&mut placing, current, node_at, deleted)?;
                        placing.advance(current);
                        // Someone waits below: look whether this was enough, before going on.
                        if stack.len() > 1 {
                            placing.go_back(&mut stack);
                        }
                    }
                }
            }
        }
        let mut deps = placing.deps;
        merge_highest(&mut deps);
        Ok(Placed {
            deps,
            outside: placing.outside,
        })
    }

    fn fault(&self, code: FaultCode, node_at: usize) -> Fault {
        Fault::new(code, self.nodes.get(node_at).map_or(0, |node| node.at as usize))
    }

    fn refs_of(&self, node: &Node) -> &[Id] {
        let first = node.first_ref as usize;
        let count =
            usize::from(node.has_origin) + usize::from(node.has_right_origin) + usize::from(node.has_parent);
        self.refs
            .get(first..first.saturating_add(count))
            .unwrap_or_default()
    }

    /// The section that must go on before this node can be integrated.
    fn blocker(&self, placing: &Placing, current: usize, node_at: usize) -> Option<usize> {
        let node = self.nodes.get(node_at)?;
        self.refs_of(node).iter().find_map(|id| {
            // References inside a section point backwards: the walk saw to it.
            let other = placing.section_of(*id).filter(|&other| other != current)?;
            placing.is_open(other, &self.nodes, id.clock).then_some(other)
        })
    }

    /// True when a struct of several values may stand here, in this map or array.
    pub(super) fn has_runs(&self) -> bool {
        self.nodes
            .iter()
            .any(|node| node.kind == Kind::Any && node.len > 1)
    }

    /// Decides where a node stands, and whether its content may stand there.
    fn settle(
        &mut self,
        placing: &mut Placing,
        current: usize,
        node_at: usize,
        deleted: &[ClientRange],
    ) -> Result<(), Fault> {
        let Some(&node) = self.nodes.get(node_at) else {
            return Ok(());
        };
        let Some(range) = placing.range(current) else {
            return Ok(());
        };
        if node.clock.saturating_add(node.len) <= placing.known(current) {
            return Ok(());
        }
        let mut sides = [None, None];
        for (index, id) in self.refs_of(&node).iter().enumerate() {
            let target = placing.node_of(*id, &self.nodes);
            if target.is_none() {
                placing.need(*id);
            }
            if node.has_parent {
                // A deleted or collected parent is gone with all it held; any other must be an entity.
                if target.is_some_and(|parent| parent.kind == Kind::Any) {
                    return Err(self.fault(FaultCode::BadParent, node_at));
                }
                if target.is_none() {
                    placing.must(*id, Must::BeEntity);
                }
            } else if let Some(side) = sides.get_mut(index) {
                *side = Some(target.map_or(Stands::Outside(*id), |origin| origin.stands));
            }
        }
        // Of a struct that the receiver has in part the rest goes behind that part, whatever its own left origin.
        let known = placing.known(current);
        let cut = (node.clock < known).then(|| Id {
            client: range.client,
            clock: known.saturating_sub(1),
        });
        if node.has_right_origin {
            let refs = self.refs_of(&node);
            let left = cut.or_else(|| refs.first().copied().filter(|_| node.has_origin));
            if let (Some(left), Some(&right)) = (left, refs.last()) {
                self.apart(placing, node_at, left, right)?;
            }
        }
        let sides = match sides {
            [None, None] => [Some(node.stands), None],
            sides => sides,
        };
        // Several values of one key are what an engine keeps of replaced ones, all deleted. Alive, the earlier ones
        // would be in no map: yrs then frees the map without them, and they point at freed memory.
        let run = node.kind == Kind::Any && node.len > 1 && !covered(deleted, range.client, &node);
        // No engine gives an item of a map a right origin. With one in a map and one in an array, or one that is
        // collected, engines take the place from one side and the key from the other, and not the same.
        let in_array = run || node.has_right_origin;
        for side in sides.into_iter().flatten() {
            // A nested map costs a stack frame per level. A single value that got to stand among entities is skipped
            // by every reader; refused here, where its origin happens to be in the same update, it would let one
            // hostile client lock out everybody who resends a state that holds it.
            let fits = match side {
                Stands::Entity => !in_array,
                Stands::Component => !in_array && node.kind != Kind::Map,
                Stands::Stroke => node.kind != Kind::Map,
                Stands::Nowhere => !node.has_right_origin,
                Stands::Outside(_) => true,
            };
            if !fits {
                return Err(self.fault(FaultCode::Misplaced, node_at));
            }
            if let Stands::Outside(id) = side {
                if node.kind == Kind::Map {
                    placing.must(id, Must::StandInEntities);
                }
                if in_array {
                    placing.must(id, Must::StandInArray);
                }
            }
        }
        let stands = sides.into_iter().flatten().next().unwrap_or(Stands::Nowhere);
        if let Some(node) = self.nodes.get_mut(node_at) {
            node.stands = stands;
        }
        Ok(())
    }
}

impl Graph {
    /// A right origin that stands before the left one, in one row with it: an engine that has the row as one struct
    /// and cuts it there puts the item in front, one that has it in pieces behind.
    fn apart(&self, placing: &mut Placing, node_at: usize, left: Id, right: Id) -> Result<(), Fault> {
        if left.client != right.client || right.clock > left.clock {
            return Ok(());
        }
        let end = match placing.node_of(left, &self.nodes) {
            None => left,
            Some(node) => {
                let start = placing.start_of(left);
                if node.row >= start && right.clock < node.row {
                    return Ok(());
                }
                let clock = start.saturating_sub(1);
                Id {
                    client: left.client,
                    clock,
                }
            }
        };
        if right.clock >= end.clock {
            return Err(self.fault(FaultCode::Misplaced, node_at));
        }
        placing.must(end, Must::StandApart(right.clock));
        Ok(())
    }
}

/// True when one range deletes the whole struct; `deleted` is sorted and its neighbours are joined.
fn covered(deleted: &[ClientRange], client: u64, node: &Node) -> bool {
    let after = deleted.partition_point(|range| (range.client, range.start) <= (client, node.clock));
    let range = after.checked_sub(1).and_then(|at| deleted.get(at));
    range.is_some_and(|range| range.client == client && range.end >= node.clock.saturating_add(node.len))
}
