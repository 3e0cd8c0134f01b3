//! Owns the judgement on bytes that are meant for the CRDT engine: updates (Yjs v1), state vectors and awareness.
//! Nothing reaches the engine unscanned (SPEC U1). Must not know the engine or any document: whether an update
//! fits what a space already holds is decided by its caller from the clocks reported here.

mod any;
mod awareness;
mod graph;
mod hash;
mod walk;

pub use awareness::{AwarenessEntry, scan_awareness};

pub use crate::fault::{Fault, FaultCode};

use crate::lib0::Reader;
use crate::limits::{CLIENTS_PER_UPDATE_MAX, CLOCK_MAX};

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
    /// `(client, clock)` of the map items whose place is inherited from an item outside this update: an entity set
    /// anew, or a map smuggled in place of a component or a stroke. The receiver must check, after applying, that
    /// each is a value of `entities` or deleted (SPEC U12). Empty in what people do all day.
    pub unplaced_maps: Vec<(u64, u32)>,
    /// Length of the input.
    pub bytes: usize,
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
    let mut graph = graph::Graph::new(bytes.len());
    let mut reader = Reader::new(bytes);
    let mut clients = Vec::new();
    walk::structs(&mut reader, &mut clients, &mut |item| graph.add(item))?;
    let mut deletes = Vec::new();
    walk::deletes(&mut reader, &mut deletes, &mut |_| ())?;
    reader.end()?;
    let structs = graph.structs();
    let placed = graph.place(&clients)?;
    Ok(UpdateScan {
        clients,
        deps: placed.deps,
        deletes,
        structs,
        unplaced_maps: placed.unplaced_maps,
        bytes: bytes.len(),
    })
}

/// Calls `visit` for every unit of content of an update. Walks and checks each struct as [`scan_update`] does,
/// without the rules that need several structs; call it after a scan.
pub fn visit_structs(bytes: &[u8], mut visit: impl FnMut(StructRecord)) -> Result<(), Fault> {
    let mut reader = Reader::new(bytes);
    let mut clients = Vec::new();
    walk::structs(&mut reader, &mut clients, &mut |item| {
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
    walk::structs(&mut reader, &mut Vec::new(), &mut |_| Ok(()))?;
    walk::deletes(&mut reader, &mut Vec::new(), &mut visit)
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
