//! Owns how the structs of one update hang together: what they need from outside, whether they can be integrated
//! at all, and where items stand that inherit their place. Must not know bytes.

use super::ClientRange;
use super::walk::{Id, Kind, Place, Struct};
use crate::fault::{Fault, FaultCode};

/// Sections up to this many are searched in a row; more are indexed.
const LINEAR_MAX: usize = 8;

/// Where an item stands, once known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// A collected run, or not placed yet.
    Nowhere,
    Entity,
    Component,
    Stroke,
    /// Inherited from an item that is not in this update.
    Outside,
}

/// A struct, as little of it as is needed.
#[derive(Debug, Clone, Copy)]
struct Node {
    clock: u32,
    /// Offset in the input, for faults. Inputs are far below 4 GiB.
    at: u32,
    /// Its first reference in `Graph::refs`.
    first_ref: u32,
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
    /// See [`super::UpdateScan::unplaced_maps`].
    pub(super) unplaced_maps: Vec<(u64, u32)>,
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

/// One client's part of `Graph::nodes` while it is being integrated.
struct Section {
    range: ClientRange,
    /// Next node to integrate, and the end of the section.
    next: usize,
    end: usize,
    first: usize,
    /// Waits for another section further up the stack.
    waiting: bool,
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
        if self.client != Some(item.id.client) {
            self.client = Some(item.id.client);
            self.firsts.push(self.nodes.len());
        }
        self.refs
            .extend(item.origin.into_iter().chain(item.right_origin).chain(parent));
        self.nodes.push(Node {
            clock: item.id.clock,
            at: u32::try_from(item.at).unwrap_or(u32::MAX),
            first_ref,
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
    pub(super) fn place(mut self, clients: &[ClientRange]) -> Result<Placed, Fault> {
        let mut placing = Placing::new(clients, &self.firsts, self.nodes.len());
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
                        self.settle(&mut placing, current, node_at)?;
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
            unplaced_maps: placing.unplaced_maps,
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

    /// Decides where a node stands, and whether its content may stand there.
    fn settle(&mut self, placing: &mut Placing, current: usize, node_at: usize) -> Result<(), Fault> {
        let Some(&node) = self.nodes.get(node_at) else {
            return Ok(());
        };
        let mut inherited = None;
        let mut parent_ok = true;
        for (index, id) in self.refs_of(&node).iter().enumerate() {
            let target = placing.node_of(*id, &self.nodes);
            if target.is_none() {
                placing.need(*id);
            }
            if node.has_parent {
                // A deleted or collected parent is gone with all it held; any other must be an entity.
                parent_ok = target.is_none_or(|parent| parent.kind != Kind::Any);
            } else if index == 0 {
                // Both engines take the left origin's place, else the right one's.
                inherited = Some(target.map_or(Stands::Outside, |origin| origin.stands));
            }
        }
        if !parent_ok {
            return Err(self.fault(FaultCode::BadParent, node_at));
        }
        let stands = inherited.unwrap_or(node.stands);
        // Only maps are held to an inherited place: nested, they cost a stack frame per level. A value that got to
        // stand among entities is skipped by every reader, and refusing it here, where its origin happens to be in
        // the same update, would let one hostile client lock out everybody who resends a state that holds it.
        let fits = node.kind != Kind::Map || !matches!(stands, Stands::Component | Stands::Stroke);
        if !fits {
            return Err(self.fault(FaultCode::Misplaced, node_at));
        }
        if stands == Stands::Outside && node.kind == Kind::Map {
            placing
                .unplaced_maps
                .extend(placing.client_of(current).map(|client| (client, node.clock)));
        }
        if let Some(node) = self.nodes.get_mut(node_at) {
            node.stands = stands;
        }
        Ok(())
    }
}

/// The state of integrating on paper.
struct Placing {
    sections: Vec<Section>,
    /// Sorted by client; empty while there are few sections.
    index: Vec<(u64, usize)>,
    deps: Vec<(u64, u32)>,
    unplaced_maps: Vec<(u64, u32)>,
}

impl Placing {
    fn new(clients: &[ClientRange], firsts: &[usize], nodes: usize) -> Placing {
        let ends = firsts.iter().copied().skip(1).chain([nodes]);
        let sections = clients
            .iter()
            .zip(firsts.iter().copied().zip(ends))
            .map(|(range, (first, end))| Section {
                range: *range,
                next: first,
                end,
                first,
                waiting: false,
            })
            .collect();
        let mut index = Vec::new();
        if clients.len() > LINEAR_MAX {
            index.extend(clients.iter().enumerate().map(|(at, range)| (range.client, at)));
            index.sort_unstable();
        }
        Placing {
            sections,
            index,
            deps: Vec::new(),
            unplaced_maps: Vec::new(),
        }
    }

    fn next_of(&self, section: usize) -> Option<usize> {
        self.sections
            .get(section)
            .filter(|s| s.next < s.end)
            .map(|s| s.next)
    }

    fn client_of(&self, section: usize) -> Option<u64> {
        self.sections.get(section).map(|section| section.range.client)
    }

    fn advance(&mut self, section: usize) {
        if let Some(section) = self.sections.get_mut(section) {
            section.next += 1;
        }
    }

    fn wait(&mut self, section: usize) {
        if let Some(section) = self.sections.get_mut(section) {
            section.waiting = true;
        }
    }

    /// Leaves the section on top; the one below is no longer waiting.
    fn go_back(&mut self, stack: &mut Vec<usize>) {
        stack.pop();
        if let Some(below) = stack.last().and_then(|&below| self.sections.get_mut(below)) {
            below.waiting = false;
        }
    }

    fn is_waiting(&self, section: usize) -> bool {
        self.sections.get(section).is_some_and(|s| s.waiting)
    }

    /// True when this clock of the section is still to be integrated.
    fn is_open(&self, section: usize, nodes: &[Node], clock: u32) -> bool {
        let Some(section) = self.sections.get(section) else {
            return false;
        };
        section.next < section.end && nodes.get(section.next).is_some_and(|next| clock >= next.clock)
    }

    /// The section that carries this operation, if the update does.
    fn section_of(&self, id: Id) -> Option<usize> {
        let at = if self.index.is_empty() {
            self.sections
                .iter()
                .position(|section| section.range.client == id.client)?
        } else {
            let found = self
                .index
                .binary_search_by_key(&id.client, |entry| entry.0)
                .ok()?;
            self.index.get(found)?.1
        };
        let range = self.sections.get(at)?.range;
        (range.start..range.end).contains(&id.clock).then_some(at)
    }

    fn node_of<'a>(&self, id: Id, nodes: &'a [Node]) -> Option<&'a Node> {
        let section = self.sections.get(self.section_of(id)?)?;
        let own = nodes.get(section.first..section.end)?;
        let after = own.partition_point(|node| node.clock <= id.clock);
        own.get(after.checked_sub(1)?)
    }

    /// Notes that this operation must be known already.
    fn need(&mut self, id: Id) {
        let end = id.clock.saturating_add(1);
        match self.deps.last_mut() {
            Some(last) if last.0 == id.client => last.1 = last.1.max(end),
            _ => self.deps.push((id.client, end)),
        }
    }
}

/// One entry per client: the highest.
fn merge_highest(deps: &mut Vec<(u64, u32)>) {
    if deps.len() > 1 {
        deps.sort_unstable();
        deps.reverse();
        deps.dedup_by_key(|dep| dep.0);
        deps.reverse();
    }
}
