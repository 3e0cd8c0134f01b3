//! Owns the judgement on bytes that are meant for the CRDT engine: updates (Yjs v1), state vectors and awareness.
//! Nothing reaches the engine unscanned (SPEC U1). Must not know the engine or any document: whether an update
//! fits what a space already holds is decided by its caller from the clocks reported here.

pub(crate) mod any;
mod awareness;
mod graph;
mod hash;
mod splice;
pub(crate) mod walk;

pub use awareness::{AwarenessEntry, parse_state, scan_awareness, split_awareness};

pub use splice::splice;

pub use crate::fault::{Fault, FaultCode};

use crate::lib0::Reader;
use crate::limits::{CLIENTS_PER_UPDATE_MAX, CLOCK_MAX, STRUCTS_PER_DOCUMENT_MAX, STRUCTS_PER_UPDATE_MAX};

/// The clocks an update carries for one client: half open, without holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientRange {
    /// The author's client id.
    pub client: u64,
    /// First clock carried. The receiver must hold every clock below it, else there is a gap.
    pub start: u32,
    /// First clock not carried.
    pub end: u32,
}

/// What an accepted update holds, as far as the clocks tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateScan {
    /// The clocks it carries, one range per client, in the order of the bytes.
    pub clients: Vec<ClientRange>,
    /// Per client, the highest clock + 1 that its items point at outside `clients`. The receiver must hold them.
    /// One entry per client, sorted by client.
    pub deps: Vec<(u64, u32)>,
    /// Per client, the end of its highest delete range. The receiver must hold it, or `clients` must.
    pub deletes: Vec<(u64, u32)>,
    /// Structs in the update.
    pub structs: u32,
    /// Entity ids of the boards whose root it names, sorted: an engine learns from the receiver what kind of root that is.
    pub boards: Vec<String>,
    /// It carries runs of operations that are gone without a trace.
    pub collected: bool,
    /// What the receiver must check before it applies the update (SPEC U12). Empty in what people do all day, but
    /// for a new key of an entity that is there.
    pub outside: Vec<Outside>,
    /// Length of the input.
    pub bytes: usize,
}

/// An item outside an update, and what must be true of it for the update to be harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outside {
    /// Its client.
    pub client: u64,
    /// Its clock.
    pub clock: u32,
    /// What must hold.
    pub must: Must,
}

/// See [`Outside`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Must {
    /// It stands directly in `entities`, or is collected: a map inherits that place.
    StandInEntities,
    /// It stands in an array: several live values, or an item with a right origin, inherit that place.
    StandInArray,
    /// It is not in a row with this earlier clock of its client ([`are_in_a_row`]): they are the left and the right
    /// origin of one item.
    StandApart(u32),
    /// It is or was a map in `entities`, or is collected: it is a parent.
    BeEntity,
}

impl UpdateScan {
    /// True when the update neither inserts nor deletes.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.deletes.is_empty()
    }
}

/// One unit of content of an update, for a caller that compares what a client sends for clocks already known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StructRecord {
    /// The author's client id.
    pub client: u64,
    /// The first clock of this unit.
    pub clock: u32,
    /// Clocks it covers: 1 for a value or a map, any number for a run of deleted items.
    pub len: u32,
    /// The content kind: 0 collected, 1 deleted, 7 map, 8 value.
    pub kind: u8,
    /// FNV-1a of the value in canonical form (key order and number spelling do not matter); the same in every
    /// process and for every encoder. 0 for kinds 0 and 1.
    pub hash: u64,
}

/// Judges an update in Yjs v1 encoding. Linear in its bytes; allocates at most about 100 bytes per struct.
///
/// Errors: every rule of SPEC U1–U16 has its [`FaultCode`].
pub fn scan_update(bytes: &[u8]) -> Result<UpdateScan, Fault> {
    scan_update_for(bytes, &|_| 0)
}

/// The same for a receiver that has some of the update already: `known` gives its next clock of a client. What it
/// has is not judged again, and what points there is reported in [`UpdateScan::outside`], because the update may
/// tell another story about it than the receiver knows.
pub fn scan_update_for(bytes: &[u8], known: &dyn Fn(u64) -> u32) -> Result<UpdateScan, Fault> {
    scan(bytes, STRUCTS_PER_UPDATE_MAX, known)
}

/// The same for what was once stored and comes back in a file: a whole document may hold more structs than an update.
pub fn scan_stored(bytes: &[u8]) -> Result<UpdateScan, Fault> {
    scan(bytes, STRUCTS_PER_DOCUMENT_MAX, &|_| 0)
}

fn scan(bytes: &[u8], structs_max: u32, known: &dyn Fn(u64) -> u32) -> Result<UpdateScan, Fault> {
    let mut graph = graph::Graph::new(bytes.len());
    let mut reader = Reader::new(bytes);
    let mut clients = Vec::new();
    let mut boards: Vec<&str> = Vec::new();
    let mut collected = false;
    walk::structs(&mut reader, structs_max, &mut clients, &mut |item| {
        let board = item.root.and_then(|root| root.strip_prefix(walk::STROKES));
        boards.extend(board.filter(|board| boards.last() != Some(board)));
        collected |= item.kind == walk::Kind::Collected;
        graph.add(item)
    })?;
    let mut deletes = Vec::new();
    let mut deleted = Vec::new();
    let wanted = graph.has_runs();
    walk::deletes(&mut reader, &mut deletes, &mut |range| {
        if wanted {
            deleted.push(range);
        }
    })?;
    reader.end()?;
    join(&mut deleted);
    boards.sort_unstable();
    boards.dedup();
    let structs = graph.structs();
    let placed = graph.place(&clients, &deleted, known)?;
    Ok(UpdateScan {
        clients,
        deps: placed.deps,
        deletes,
        structs,
        collected,
        boards: boards.into_iter().map(str::to_owned).collect(),
        outside: placed.outside,
        bytes: bytes.len(),
    })
}

/// Sorts ranges and joins those that touch.
fn join(ranges: &mut Vec<ClientRange>) {
    ranges.sort_unstable_by_key(|range| (range.client, range.start));
    ranges.dedup_by(|next, last| {
        let touch = last.client == next.client && last.end == next.start;
        if touch {
            last.end = next.end;
        }
        touch
    });
}

/// Calls `visit` for every unit of content of an update. Walks and checks each struct as [`scan_update`] does,
/// without the rules that need several structs; call it after a scan.
pub fn visit_structs(bytes: &[u8], mut visit: impl FnMut(StructRecord)) -> Result<(), Fault> {
    let mut reader = Reader::new(bytes);
    let mut clients = Vec::new();
    walk::structs(&mut reader, STRUCTS_PER_DOCUMENT_MAX, &mut clients, &mut |item| {
        hash::units(item, &mut visit)
    })
}

/// Calls `visit` for every range of clocks that an update deletes; call it after a scan.
///
/// For telling a reused client id from an honest resend: Yjs and yrs put every run of kind 1 that they send into
/// the delete set of the same update, so such a run over clocks that the receiver holds alive, and that is in no
/// delete range, is a contradiction (yrs shows another document before and after a reload then).
pub fn visit_deletes(bytes: &[u8], mut visit: impl FnMut(ClientRange)) -> Result<(), Fault> {
    let mut reader = Reader::new(bytes);
    walk::structs(
        &mut reader,
        STRUCTS_PER_DOCUMENT_MAX,
        &mut Vec::new(),
        &mut |_| Ok(()),
    )?;
    walk::deletes(&mut reader, &mut Vec::new(), &mut visit)
}

/// Where a struct says it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim<'a> {
    /// In this root.
    Root(&'a str),
    /// In the map that this item `(client, clock)` is.
    In(u64, u32),
    /// Where this item `(client, clock)` stands.
    Like(u64, u32),
}

/// Calls `visit` for every struct of which the receiver has a part and lacks a part, with the id `(client, clock)`
/// of the last operation it has; `known` gives its next clock of a client. Engines hang the rest behind that
/// operation and believe the struct's own claim about the place, so the two must agree (SPEC U12). Call it after a
/// scan.
pub fn visit_straddlers<'a>(
    bytes: &'a [u8],
    known: &dyn Fn(u64) -> u32,
    mut visit: impl FnMut((u64, u32), Claim<'a>),
) -> Result<(), Fault> {
    let mut reader = Reader::new(bytes);
    walk::structs(
        &mut reader,
        STRUCTS_PER_DOCUMENT_MAX,
        &mut Vec::new(),
        &mut |item| {
            let next = known(item.id.client);
            let straddles = item.id.clock < next && next < item.id.clock.saturating_add(item.len);
            if straddles && item.kind != walk::Kind::Collected {
                let claim = match (item.place, item.root) {
                    (walk::Place::Component(parent), _) => Some(Claim::In(parent.client, parent.clock)),
                    (_, Some(root)) => Some(Claim::Root(root)),
                    _ => item
                        .origin
                        .or(item.right_origin)
                        .map(|id| Claim::Like(id.client, id.clock)),
                };
                if let Some(claim) = claim {
                    visit((item.id.client, next.saturating_sub(1)), claim);
                }
            }
            Ok(())
        },
    )
}

/// True when both clocks of this client are in one row: what follows each other in clocks and in the list alike.
pub fn are_in_a_row(bytes: &[u8], client: u64, first: u32, last: u32) -> bool {
    let (mut row, mut found) = (0, false);
    let _ = walk::structs(
        &mut Reader::new(bytes),
        STRUCTS_PER_DOCUMENT_MAX,
        &mut Vec::new(),
        &mut |item| {
            let goes_on = item.origin.is_some_and(|origin| origin.next() == item.id);
            if !goes_on {
                row = item.id.clock;
            }
            let carried = item.id.clock..item.id.clock.saturating_add(item.len);
            found |= item.id.client == client && carried.contains(&last) && row <= first;
            Ok(())
        },
    );
    found
}

/// Judges a state vector and returns its `(client, clock)` pairs in the order of the bytes (SPEC S5).
///
/// Errors: `too_many`, `duplicate_client`, `clock_overflow`, `trailing_bytes` and those of [`Reader`].
pub fn scan_state_vector(bytes: &[u8]) -> Result<Vec<(u64, u32)>, Fault> {
    let mut reader = Reader::new(bytes);
    let count = reader.count(2, CLIENTS_PER_UPDATE_MAX)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let client = reader.var_u64()?;
        pairs.push((client, clock(&mut reader)?));
    }
    reader.end()?;
    distinct(pairs.iter().map(|pair| pair.0), reader.pos())?;
    Ok(pairs)
}

/// A clock: an unsigned varint up to [`CLOCK_MAX`]. Errors: `clock_overflow`.
#[inline]
fn clock(reader: &mut Reader<'_>) -> Result<u32, Fault> {
    let start = reader.pos();
    match u32::try_from(reader.var_u64()?) {
        Ok(clock) if clock <= CLOCK_MAX => Ok(clock),
        _ => Err(Fault::new(FaultCode::ClockOverflow, start)),
    }
}

/// No client twice. Both Yjs and yrs write clients in descending order, which is checked without allocating.
fn distinct(clients: impl Iterator<Item = u64> + Clone, at: usize) -> Result<(), Fault> {
    if clients.clone().zip(clients.clone().skip(1)).all(|(a, b)| a > b) {
        return Ok(());
    }
    let mut sorted: Vec<u64> = clients.collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        return Err(Fault::new(FaultCode::DuplicateClient, at));
    }
    Ok(())
}
