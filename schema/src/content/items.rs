//! Owns the items of a document as they come: one client after the other, cut where something else points into them;
//! must not know where they stand.

use crate::lib0::Reader;
use crate::limits::STRUCTS_PER_DOCUMENT_MAX;
use crate::scan::ClientRange;
use crate::scan::any;
use crate::scan::walk::{self, Id, Kind, Place, STROKES, Struct};

/// No item, no list.
pub(super) const NONE: usize = usize::MAX;

/// Items that there is room for at first.
const ITEMS_FIRST: usize = 1 << 20;

/// A struct of the update, or a part of one.
#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    pub id: Id,
    len: u32,
    pub kind: Kind,
    pub deleted: bool,
    /// The rest of the struct that the item before it is the beginning of.
    pub goes_on: bool,
    pub origin: Option<Id>,
    pub right_origin: Option<Id>,
    pub place: Place,
    pub key: &'a str,
    values: &'a [u8],
    pub list: usize,
    pub left: usize,
    pub right: usize,
    /// The item that looked at it last on its way to a place, and the stretch of that way.
    pub seen: (usize, u32),
}

impl<'a> Item<'a> {
    fn of(item: &Struct<'a>) -> Self {
        let board = item.root.and_then(|root| root.strip_prefix(STROKES));
        Self {
            id: item.id,
            len: item.len,
            kind: item.kind,
            deleted: matches!(item.kind, Kind::Collected | Kind::Deleted),
            goes_on: false,
            origin: item.origin,
            right_origin: item.right_origin,
            place: item.place,
            key: item.key.or(board).unwrap_or_default(),
            values: item.values,
            list: NONE,
            left: NONE,
            right: NONE,
            seen: (NONE, 0),
        }
    }

    /// True for what is collected and goes on with what is collected.
    fn is_followed_by(&self, next: &Self) -> bool {
        [self.kind, next.kind] == [Kind::Collected; 2]
            && self.id.client == next.id.client
            && self.next() == next.id.clock
    }

    /// Each value's bytes.
    pub fn values(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut reader = Reader::new(self.values);
        std::iter::from_fn(move || {
            let start = reader.pos();
            any::value(&mut reader, 0).ok()?;
            Some(reader.since(start))
        })
    }

    fn next(&self) -> u32 {
        self.id.clock.saturating_add(self.len)
    }

    /// Takes off what is behind a clock within it.
    fn cut(&mut self, clock: u32) -> Option<Self> {
        let mut rest = self.clone();
        self.len = clock - self.id.clock;
        rest.len -= self.len;
        rest.id.clock = clock;
        rest.origin = Some(Id {
            clock: clock - 1,
            ..self.id
        });
        rest.goes_on = true;
        if self.kind == Kind::Any {
            let mut reader = Reader::new(self.values);
            for _ in 0..self.len {
                any::value(&mut reader, 0).ok()?;
            }
            (self.values, rest.values) = self.values.split_at_checked(reader.pos())?;
        }
        Some(rest)
    }
}

/// The items of one client, in the order of their clocks.
pub(super) struct Section {
    client: u64,
    from: usize,
    pub to: usize,
    /// The first that has no place yet.
    pub next: usize,
    /// It waits for another client's items.
    pub waits: bool,
}

/// All items of a document, by client and clock.
pub(super) struct Items<'a> {
    pub all: Vec<Item<'a>>,
    /// By client.
    pub sections: Vec<Section>,
}

impl<'a> Items<'a> {
    /// None when the update is malformed or not a whole document.
    pub fn read(update: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(update);
        let (mut clients, mut deletes) = (Vec::new(), Vec::new());
        // Half of the structs are no longer than this; what is not used is not touched.
        let mut all: Vec<Item<'_>> = Vec::with_capacity((update.len() / 16).min(ITEMS_FIRST));
        walk::structs(&mut reader, STRUCTS_PER_DOCUMENT_MAX, &mut clients, &mut |item| {
            let next = Item::of(item);
            match all.last_mut() {
                // Two bytes each, and nothing stands there: they need not become thousands of items.
                Some(last) if last.is_followed_by(&next) => last.len += next.len,
                _ => all.push(next),
            }
            Ok(())
        })
        .ok()?;
        walk::deletes(&mut reader, &mut Vec::new(), &mut |range| deletes.push(range)).ok()?;
        reader.end().ok()?;
        if clients.iter().any(|range| range.start != 0) {
            return None;
        }
        let cuts = cuts(&all, &deletes);
        if !cuts.is_empty() {
            all = cut(all, &cuts)?;
        }
        let mut items = Self {
            sections: sections(&all),
            all,
        };
        for range in &deletes {
            items.delete(range)?;
        }
        Some(items)
    }

    fn delete(&mut self, range: &ClientRange) -> Option<()> {
        let (mut at, section) = self.find(Id {
            client: range.client,
            clock: range.start,
        })?;
        let to = self.sections[section].to;
        while at < to && self.all[at].id.clock < range.end {
            self.all[at].deleted = true;
            at += 1;
        }
        Some(())
    }

    /// Where in `all` an operation is; [`NONE`] for none.
    pub fn index(&self, id: Option<Id>) -> Option<usize> {
        id.map_or(Some(NONE), |id| self.find(id).map(|(at, _)| at))
    }

    /// The item that holds an operation, and the number of its section.
    pub fn find(&self, id: Id) -> Option<(usize, usize)> {
        let number = self
            .sections
            .binary_search_by_key(&id.client, |section| section.client)
            .ok()?;
        let section = &self.sections[number];
        let items = &self.all[section.from..section.to];
        // Most items are one operation long, so most often it stands at its clock; it never stands behind it.
        let most = (id.clock as usize).min(items.len() - 1);
        let at = if items[most].id.clock <= id.clock {
            most
        } else {
            items[..most].partition_point(|item| item.id.clock <= id.clock) - 1
        };
        (id.clock < items[at].next()).then_some((section.from + at, number))
    }
}

fn sections(all: &[Item<'_>]) -> Vec<Section> {
    let mut from = 0;
    let mut sections: Vec<Section> = all
        .chunk_by(|a, b| a.id.client == b.id.client)
        .map(|items| {
            let first = from;
            from += items.len();
            Section {
                client: items[0].id.client,
                from: first,
                to: from,
                next: first,
                waits: false,
            }
        })
        .collect();
    sections.sort_unstable_by_key(|section| section.client);
    sections
}

/// Where something else begins or ends within an item. Few are longer than one operation, so few of the places that
/// are pointed at are looked for long.
fn cuts(all: &[Item<'_>], deletes: &[ClientRange]) -> Vec<Id> {
    let mut long: Vec<(Id, u32)> = all
        .iter()
        .filter(|item| item.len > 1 && item.kind != Kind::Collected)
        .map(|item| (item.id, item.next()))
        .collect();
    if long.is_empty() {
        return Vec::new();
    }
    long.sort_unstable();
    let within = |id: &Id| {
        let before = long.partition_point(|(start, _)| start < id);
        let item = before.checked_sub(1).and_then(|at| long.get(at));
        item.is_some_and(|(start, end)| start.client == id.client && id.clock < *end)
    };
    let origins = all
        .iter()
        .flat_map(|item| [item.origin.map(Id::next), item.right_origin]);
    let ranges = deletes.iter().flat_map(|range| {
        [range.start, range.end].map(|clock| {
            Some(Id {
                client: range.client,
                clock,
            })
        })
    });
    let mut cuts: Vec<Id> = origins.chain(ranges).flatten().filter(within).collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

fn cut<'a>(all: Vec<Item<'a>>, cuts: &[Id]) -> Option<Vec<Item<'a>>> {
    let mut parts = Vec::with_capacity(all.len() + cuts.len());
    for mut item in all {
        if item.len > 1 {
            let after = |clock| cuts.partition_point(|cut| *cut <= Id { clock, ..item.id });
            for cut in &cuts[after(item.id.clock)..after(item.next() - 1)] {
                let rest = item.cut(cut.clock)?;
                parts.push(std::mem::replace(&mut item, rest));
            }
        }
        parts.push(item);
    }
    Some(parts)
}
