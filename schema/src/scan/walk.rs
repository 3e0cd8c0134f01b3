//! Owns the walk over the v1 bytes of an update and every rule that one struct can break alone; must not know
//! how structs depend on each other (that is `graph`).

use super::any;
use super::{ClientRange, clock, distinct};
use crate::fault::{Fault, FaultCode};
use crate::ids::{EntityId, component_name_ok};
use crate::lib0::Reader;
use crate::limits::{CLIENTS_PER_UPDATE_MAX, CLOCK_MAX};

/// The first five bits of a struct's first byte.
const KIND_BITS: u8 = 0x1f;
/// Set when a left origin follows.
const HAS_ORIGIN: u8 = 0x80;
/// Set when a right origin follows.
const HAS_RIGHT_ORIGIN: u8 = 0x40;
/// Set when the item has a key; the key follows only where there is no origin.
const HAS_KEY: u8 = 0x20;

/// The root map of entities.
const ENTITIES: &str = "entities";
/// What the root of a board's strokes starts with; the entity id follows.
pub(crate) const STROKES: &str = "strokes:";

/// One operation: who and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) client: u64,
    pub(crate) clock: u32,
}

impl Id {
    /// The operation after this one.
    pub(crate) fn next(self) -> Id {
        Id {
            client: self.client,
            clock: self.clock.saturating_add(1),
        }
    }
}

/// The content kinds Thexr takes; the numbers are Yjs's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Collected = 0,
    Deleted = 1,
    Map = 7,
    Any = 8,
}

/// Where an item says it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Directly in `entities`: an entity.
    Entity,
    /// In a map item: a component of an entity.
    Component(Id),
    /// In `strokes:…`.
    Stroke,
    /// Wherever its origin stands.
    Inherited,
}

/// One struct, checked as far as it can be alone.
#[derive(Clone, Copy)]
pub(crate) struct Struct<'a> {
    pub(crate) id: Id,
    pub(crate) len: u32,
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    /// The root it names.
    pub(crate) root: Option<&'a str>,
    /// The key it states, where it states its place.
    pub(crate) key: Option<&'a str>,
    pub(crate) origin: Option<Id>,
    pub(crate) right_origin: Option<Id>,
    /// Where it starts in the input.
    pub(crate) at: usize,
    /// And where it ends.
    pub(crate) end: usize,
    /// The encoded values of kind `Any`, without their count.
    pub(crate) values: &'a [u8],
}

/// Reads all client sections of at most `max` structs, reporting each struct in order and each section's clocks.
pub(crate) fn structs<'a>(
    reader: &mut Reader<'a>,
    max: u32,
    clients: &mut Vec<ClientRange>,
    report: &mut impl FnMut(&Struct<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    // Four bytes is the smallest section: count, client, clock, and a struct of two bytes make five.
    let sections = reader.count(5, CLIENTS_PER_UPDATE_MAX)?;
    clients.reserve_exact(sections);
    let mut total: u32 = 0;
    for _ in 0..sections {
        let start = reader.pos();
        let count = reader.count(2, u64::from(max))?;
        total = total.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        if total > max {
            return Err(Fault::new(FaultCode::TooMany, start));
        }
        if count == 0 {
            return Err(Fault::new(FaultCode::EmptyStruct, start));
        }
        let client = reader.var_u64()?;
        let first = clock(reader)?;
        let mut next = first;
        for _ in 0..count {
            let at = reader.pos();
            let mut item = read_struct(reader, Id { client, clock: next })?;
            item.end = reader.pos();
            next = end_of(next, item.len, at)?;
            report(&item)?;
        }
        clients.push(ClientRange {
            client,
            start: first,
            end: next,
        });
    }
    distinct(clients.iter().map(|range| range.client), reader.pos())
}

/// Reads the delete set, reporting each range, and collects per client the end of its highest one.
pub(crate) fn deletes(
    reader: &mut Reader<'_>,
    ends: &mut Vec<(u64, u32)>,
    report: &mut impl FnMut(ClientRange),
) -> Result<(), Fault> {
    let count = reader.count(2, CLIENTS_PER_UPDATE_MAX)?;
    ends.reserve_exact(count);
    for _ in 0..count {
        let client = reader.var_u64()?;
        let ranges = reader.count(2, u64::MAX)?;
        let mut end = 0;
        for _ in 0..ranges {
            let at = reader.pos();
            let from = clock(reader)?;
            let len = clock(reader)?;
            // yrs takes the ranges as sorted and disjoint without looking.
            if from < end || len == 0 {
                return Err(Fault::new(FaultCode::BadDeleteRange, at));
            }
            end = end_of(from, len, at)?;
            report(ClientRange {
                client,
                start: from,
                end,
            });
        }
        ends.push((client, end));
    }
    distinct(ends.iter().map(|pair| pair.0), reader.pos())?;
    // A client without ranges deletes nothing; some encoders write one.
    ends.retain(|pair| pair.1 > 0);
    Ok(())
}

fn end_of(from: u32, len: u32, at: usize) -> Result<u32, Fault> {
    match from.checked_add(len) {
        Some(end) if end <= CLOCK_MAX => Ok(end),
        _ => Err(Fault::new(FaultCode::ClockOverflow, at)),
    }
}

fn id(reader: &mut Reader<'_>) -> Result<Id, Fault> {
    let client = reader.var_u64()?;
    Ok(Id {
        client,
        clock: clock(reader)?,
    })
}

/// An origin of the same client must come before the item: nothing can point at itself or its future.
fn earlier(origin: Id, of: Id, at: usize) -> Result<Id, Fault> {
    if origin.client == of.client && origin.clock >= of.clock {
        return Err(Fault::new(FaultCode::SelfReference, at));
    }
    Ok(origin)
}

#[inline]
fn read_struct<'a>(reader: &mut Reader<'a>, own: Id) -> Result<Struct<'a>, Fault> {
    let at = reader.pos();
    let info = reader.u8()?;
    let kind = kind(info, at)?;
    let mut item = Struct {
        id: own,
        len: 1,
        kind,
        place: Place::Inherited,
        root: None,
        key: None,
        origin: None,
        right_origin: None,
        at,
        end: at,
        values: &[],
    };
    if kind == Kind::Collected {
        item.len = run(reader)?;
        return Ok(item);
    }
    if info & HAS_ORIGIN != 0 {
        item.origin = Some(earlier(id(reader)?, own, at)?);
    }
    if info & HAS_RIGHT_ORIGIN != 0 {
        item.right_origin = Some(earlier(id(reader)?, own, at)?);
    }
    if info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN) == 0 {
        (item.place, item.root, item.key) = place(reader, info & HAS_KEY != 0, own)?;
    }
    content(reader, &mut item)?;
    fits(&item)?;
    Ok(item)
}

fn kind(info: u8, at: usize) -> Result<Kind, Fault> {
    let code = match info & KIND_BITS {
        // yrs reads a collected struct only without flags, Yjs with any: they must not get to disagree.
        0 if info == 0 => return Ok(Kind::Collected),
        1 => return Ok(Kind::Deleted),
        3 => FaultCode::BinaryValue,
        7 => return Ok(Kind::Map),
        8 => return Ok(Kind::Any),
        10 if info == 10 => FaultCode::SkipBlock,
        _ => FaultCode::BadKind,
    };
    Err(Fault::new(code, at))
}

fn run(reader: &mut Reader<'_>) -> Result<u32, Fault> {
    let at = reader.pos();
    match clock(reader)? {
        0 => Err(Fault::new(FaultCode::EmptyStruct, at)),
        len => Ok(len),
    }
}

/// Reads the parent and the key of an item that has no origin to inherit them from.
fn place<'a>(
    reader: &mut Reader<'a>,
    has_key: bool,
    own: Id,
) -> Result<(Place, Option<&'a str>, Option<&'a str>), Fault> {
    let at = reader.pos();
    let named = match reader.var_u64()? {
        0 => false,
        1 => true,
        _ => return Err(Fault::new(FaultCode::OutOfRange, at)),
    };
    let at = reader.pos();
    let root = if named { Some(reader.str()?) } else { None };
    let place = match root {
        None => Place::Component(earlier(id(reader)?, own, at)?),
        Some(ENTITIES) => Place::Entity,
        Some(root) if root.strip_prefix(STROKES).is_some_and(EntityId::is_valid) => Place::Stroke,
        Some(_) => return Err(Fault::new(FaultCode::BadRoot, at)),
    };
    let at = reader.pos();
    let key = if has_key { Some(reader.str()?) } else { None };
    match (place, key) {
        (Place::Entity, Some(key)) if !EntityId::is_valid(key) => Err(Fault::new(FaultCode::BadEntityId, at)),
        (Place::Component(_), Some(key)) if !component_name_ok(key) => {
            Err(Fault::new(FaultCode::BadComponentName, at))
        }
        (Place::Stroke, Some(_)) => Err(Fault::new(FaultCode::UnexpectedKey, at)),
        (Place::Entity | Place::Component(_), None) => Err(Fault::new(FaultCode::MissingKey, at)),
        _ => Ok((place, root, key)),
    }
}

fn content<'a>(reader: &mut Reader<'a>, item: &mut Struct<'a>) -> Result<(), Fault> {
    match item.kind {
        Kind::Collected | Kind::Deleted => item.len = run(reader)?,
        Kind::Map => {
            let at = reader.pos();
            // Yjs numbers its types; 1 is Y.Map.
            if reader.var_u64()? != 1 {
                return Err(Fault::new(FaultCode::BadType, at));
            }
        }
        Kind::Any => {
            let at = reader.pos();
            let count = reader.count(1, u64::from(CLOCK_MAX))?;
            item.len = u32::try_from(count).map_err(|_| Fault::new(FaultCode::TooMany, at))?;
            if count == 0 {
                return Err(Fault::new(FaultCode::EmptyStruct, at));
            }
            let start = reader.pos();
            for _ in 0..count {
                any::value(reader, 0)?;
            }
            item.values = reader.since(start);
        }
    }
    Ok(())
}

/// Does the content fit the place the item states itself? A stroke may be any value: engines join it with values
/// that inherited their place, and readers skip what is no object.
fn fits(item: &Struct<'_>) -> Result<(), Fault> {
    let fits = match (item.place, item.kind) {
        (_, Kind::Collected | Kind::Deleted) | (Place::Inherited, _) => true,
        (Place::Entity, Kind::Map) | (Place::Component(_) | Place::Stroke, Kind::Any) => true,
        (Place::Entity, Kind::Any) | (Place::Component(_) | Place::Stroke, Kind::Map) => false,
    };
    if fits {
        Ok(())
    } else {
        Err(Fault::new(FaultCode::Misplaced, item.at))
    }
}
