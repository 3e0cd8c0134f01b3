//! Owns how far each client's part of an update has been integrated on paper; must not know what may stand where.

use super::super::walk::Id;
use super::super::{ClientRange, Must, Outside};
use super::Node;

/// Sections up to this many are searched in a row; more are indexed.
const LINEAR_MAX: usize = 8;

/// One client's part of `Graph::nodes` while it is being integrated.
struct Section {
    range: ClientRange,
    /// The receiver's next clock of this client.
    known: u32,
    /// Next node to integrate, and the end of the section.
    next: usize,
    end: usize,
    first: usize,
    /// Waits for another section further up the stack.
    waiting: bool,
}

/// The state of integrating on paper.
pub(super) struct Placing {
    sections: Vec<Section>,
    /// Sorted by client; empty while there are few sections.
    index: Vec<(u64, usize)>,
    pub(super) deps: Vec<(u64, u32)>,
    pub(super) outside: Vec<Outside>,
}

impl Placing {
    pub(super) fn new(
        clients: &[ClientRange],
        firsts: &[usize],
        nodes: usize,
        known: &dyn Fn(u64) -> u32,
    ) -> Placing {
        let ends = firsts.iter().copied().skip(1).chain([nodes]);
        let sections = clients
            .iter()
            .zip(firsts.iter().copied().zip(ends))
            .map(|(range, (first, end))| Section {
                range: *range,
                known: known(range.client),
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
            outside: Vec::new(),
        }
    }

    pub(super) fn next_of(&self, section: usize) -> Option<usize> {
        self.sections
            .get(section)
            .filter(|s| s.next < s.end)
            .map(|s| s.next)
    }

    pub(super) fn range(&self, section: usize) -> Option<ClientRange> {
        self.sections.get(section).map(|section| section.range)
    }

    pub(super) fn known(&self, section: usize) -> u32 {
        self.sections.get(section).map_or(0, |section| section.known)
    }

    /// Notes what the receiver must check; a run of items with one parent asks once.
    pub(super) fn must(&mut self, id: Id, must: Must) {
        let check = Outside {
            client: id.client,
            clock: id.clock,
            must,
        };
        if self.outside.last() != Some(&check) {
            self.outside.push(check);
        }
    }

    pub(super) fn advance(&mut self, section: usize) {
        if let Some(section) = self.sections.get_mut(section) {
            section.next += 1;
        }
    }

    pub(super) fn wait(&mut self, section: usize) {
        if let Some(section) = self.sections.get_mut(section) {
            section.waiting = true;
        }
    }

    /// Leaves the section on top; the one below is no longer waiting.
    pub(super) fn go_back(&mut self, stack: &mut Vec<usize>) {
        stack.pop();
        if let Some(below) = stack.last().and_then(|&below| self.sections.get_mut(below)) {
            below.waiting = false;
        }
    }

    pub(super) fn is_waiting(&self, section: usize) -> bool {
        self.sections.get(section).is_some_and(|s| s.waiting)
    }

    /// True when this clock of the section is still to be integrated.
    pub(super) fn is_open(&self, section: usize, nodes: &[Node], clock: u32) -> bool {
        let Some(section) = self.sections.get(section) else {
            return false;
        };
        section.next < section.end && nodes.get(section.next).is_some_and(|next| clock >= next.clock)
    }

    /// The section that carries this operation, if the update does.
    pub(super) fn section_of(&self, id: Id) -> Option<usize> {
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
        let section = self.sections.get(at)?;
        let new = section.range.start.max(section.known)..section.range.end;
        new.contains(&id.clock).then_some(at)
    }

    /// The first new clock of the section that carries this operation.
    pub(super) fn start_of(&self, id: Id) -> u32 {
        let section = self.section_of(id).and_then(|at| self.sections.get(at));
        section.map_or(0, |section| section.range.start.max(section.known))
    }

    pub(super) fn node_of<'a>(&self, id: Id, nodes: &'a [Node]) -> Option<&'a Node> {
        let section = self.sections.get(self.section_of(id)?)?;
        let own = nodes.get(section.first..section.end)?;
        let after = own.partition_point(|node| node.clock <= id.clock);
        own.get(after.checked_sub(1)?)
    }

    /// Notes that this operation must be known already.
    pub(super) fn need(&mut self, id: Id) {
        let end = id.clock.saturating_add(1);
        match self.deps.last_mut() {
            Some(last) if last.0 == id.client => last.1 = last.1.max(end),
            _ => self.deps.push((id.client, end)),
        }
    }
}

/// One entry per client: the highest.
pub(super) fn merge_highest(deps: &mut Vec<(u64, u32)>) {
    if deps.len() > 1 {
        deps.sort_unstable();
        deps.reverse();
        deps.dedup_by_key(|dep| dep.0);
        deps.reverse();
    }
}
