//! The document of a space: the only module that touches yrs. Bytes reach yrs only as a [`CheckedUpdate`].
//!
//! A panic inside a yrs transaction commits what was half done, so after any panic or [`Refused::Broken`] the
//! document must be dropped and loaded again from rows; it is never repaired in place.

mod changes;
pub mod diff;
pub mod edit;
mod place;
pub mod restore;
mod sweep;
pub mod walk;

use crate::limits;
use bytes::Bytes;
use std::collections::HashMap;
use thexr_schema::Fault;
use thexr_schema::scan::{self, ClientRange, UpdateScan};
use yrs::block::ClientID;
use yrs::updates::decoder::Decode;
use yrs::{Doc, MapRef, Options, ReadTxn, StateVector, Transact, Update};

/// The root map of entities (design §3).
pub const ENTITIES: &str = "entities";
/// What the name of a whiteboard's root array starts with.
pub const STROKES_PREFIX: &str = "strokes:";

/// Content kinds up to this one hold no value: garbage collected (0) and deleted (1).
const DELETED: u8 = 1;

/// An update that went through the scanner, with what the scanner learned.
#[derive(Debug, Clone)]
pub struct CheckedUpdate {
    bytes: Bytes,
    scan: UpdateScan,
}

impl CheckedUpdate {
    /// Scans `bytes`; nothing that fails here may reach the engine.
    pub fn parse(bytes: Bytes) -> Result<Self, Fault> {
        let scan = scan::scan_update(&bytes)?;
        Ok(Self { bytes, scan })
    }

    /// The same for an update or a document that was stored once and comes back in a file.
    pub fn parse_stored(bytes: Bytes) -> Result<Self, Fault> {
        let scan = scan::scan_stored(&bytes)?;
        Ok(Self { bytes, scan })
    }

    /// The received bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// True when there is nothing in it (the `00 00` that stock clients answer with).
    pub fn is_empty(&self) -> bool {
        self.scan.is_empty()
    }

    /// Whose operations it carries, when they are of one client.
    pub fn client(&self) -> Option<u64> {
        match self.scan.clients[..] {
            [range] => Some(range.client),
            _ => None,
        }
    }

    /// True when it adds content; an update that only deletes is taken even by a document that is full.
    pub fn inserts(&self) -> bool {
        !self.scan.clients.is_empty()
    }
}

/// What to keep of an applied update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The received bytes: a live update is new as a whole.
    Received,
    /// What it changed: an answer to our state vector carries the client's whole delete set.
    Effect,
}

/// Why an update was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It builds on something this document has not seen; ask for what is missing.
    #[error("the update builds on edits the server does not have")]
    Gap,
    /// It gives other content to clocks that are known: two writers use one client id.
    #[error("the client id is in use with other content")]
    Reused,
    /// It puts something where it does not belong, which only this document could tell (SPEC U12).
    #[error("the update puts something where it does not belong")]
    Misplaced,
    /// The engine refused what the scanner let pass: drop this document and load it again.
    #[error("the engine refused the update: {0}")]
    Broken(String),
}

/// A client's clock table, sorted by client: the state vector as plain numbers.
pub type Clocks = Vec<(u64, u32)>;

/// The live document.
pub struct SpaceDoc {
    doc: Doc,
    entities: MapRef,
    /// Next clock of every client, kept beside yrs so that the causality check costs a lookup.
    clocks: HashMap<u64, u32>,
    /// Goes up with every change; answers are cached per version.
    version: u64,
    answers: (u64, Vec<(Clocks, Bytes)>),
    /// Encoded size as of the last full encode plus what came since: an upper estimate.
    bytes: usize,
    /// Encoded size as of the last full encode.
    measured: usize,
    /// Something was only taken away since.
    shrunk: bool,
    /// Where what changes is noted; `None` = nowhere.
    recorder: Option<changes::Recorder>,
}

/// How one stored piece is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Yjs update v1, as on the wire.
    V1,
    /// Yjs update v2: smaller when a document was overwritten a lot.
    V2,
}

fn engine(error: impl std::fmt::Display) -> Refused {
    Refused::Broken(error.to_string())
}

impl SpaceDoc {
    /// An empty document. `client` is the id under which the server itself writes.
    pub fn new(client: u64) -> Self {
        let doc = Doc::with_options(Options {
            skip_gc: false,
            ..Options::with_client_id(ClientID::new(client))
        });
        let entities = doc.get_or_insert_map(ENTITIES);
        Self {
            doc,
            entities,
            clocks: HashMap::new(),
            version: 0,
            answers: (0, Vec::new()),
            bytes: 2,
            measured: 0,
            shrunk: false,
            recorder: None,
        }
    }

    /// Builds a document from stored pieces: a snapshot and the edits after it. These bytes were scanned when they
    /// came in and carry a checksum; an update that does not fit is damage.
    pub fn from_stored<'a>(
        client: u64,
        snapshot: Option<(Encoding, &[u8])>,
        edits: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Self, Refused> {
        let mut this = Self::new(client);
        {
            let mut txn = this.doc.transact_mut();
            if let Some((encoding, bytes)) = snapshot {
                let update = match encoding {
                    Encoding::V1 => Update::decode_v1(bytes),
                    Encoding::V2 => Update::decode_v2(bytes),
                };
                this.bytes += bytes.len();
                txn.apply_update(update.map_err(engine)?).map_err(engine)?;
            }
        }
        this.replay(edits)?;
        Ok(this)
    }

    /// Goes on with stored edits. After an error the document must not be used any more.
    pub fn replay<'a>(&mut self, edits: impl Iterator<Item = &'a [u8]>) -> Result<(), Refused> {
        for edit in edits {
            let update = Update::decode_v1(edit).map_err(engine)?;
            self.bytes += edit.len();
            self.doc.transact_mut().apply_update(update).map_err(engine)?;
        }
        let txn = self.doc.transact();
        if txn.has_missing_updates() {
            return Err(Refused::Broken("stored edits do not join up".into()));
        }
        self.clocks = txn
            .state_vector()
            .iter()
            .map(|(client, clock)| (client.get(), *clock))
            .collect();
        self.version += 1;
        Ok(())
    }

    /// Applies one update. `Some(bytes)` is what must be stored and relayed; `None` means it added nothing.
    pub fn apply(&mut self, update: &CheckedUpdate, keep: Keep) -> Result<Option<Bytes>, Refused> {
        let scan = &update.scan;
        let known = |client: u64| self.clocks.get(&client).copied().unwrap_or(0);
        if scan.clients.iter().any(|r| r.start > known(r.client)) {
            return Err(Refused::Gap);
        }
        let after = |client: u64| {
            scan.clients
                .iter()
                .find(|r| r.client == client)
                .map_or(0, |r| r.end)
                .max(known(client))
        };
        if scan.deps.iter().any(|&(client, need)| need > known(client))
            || scan.deletes.iter().any(|&(client, end)| end > after(client))
        {
            return Err(Refused::Gap);
        }
        if scan.clients.iter().any(|r| r.start < known(r.client)) && self.contradicts(update) {
            return Err(Refused::Reused);
        }
        if scan.deletes.is_empty() && scan.clients.iter().all(|r| r.end <= known(r.client)) {
            return Ok(None);
        }
        if !self.belongs(update) {
            return Err(Refused::Misplaced);
        }

        let decoded = Update::decode_v1(&update.bytes).map_err(engine)?;
        self.expect_changes(update);
        let mut txn = self.doc.transact_mut();
        txn.apply_update(decoded).map_err(engine)?;
        if txn.has_missing_updates() {
            return Err(Refused::Broken("the update left something pending".into()));
        }
        if txn.insert_set().is_empty() && txn.delete_set().is_empty() {
            return Ok(None);
        }
        let kept = match keep {
            Keep::Received => update.bytes.clone(),
            Keep::Effect => Bytes::from(txn.encode_update_v1()),
        };
        drop(txn);
        for range in &scan.clients {
            let clock = self.clocks.entry(range.client).or_insert(0);
            *clock = range.end.max(*clock);
        }
        self.changed(kept.len(), update.inserts());
        Ok(Some(kept))
    }

    /// True when a struct under a known clock differs from what the document holds there. Content that has been
    /// deleted since is not compared: every honest client sends it in its own state.
    fn contradicts(&self, update: &CheckedUpdate) -> bool {
        if update.bytes.len() > limits::COMPARE_BYTES_MAX {
            return false;
        }
        let mut from: HashMap<ClientID, u32, _> = HashMap::default();
        for (&client, &clock) in &self.clocks {
            from.insert(ClientID::new(client), clock);
        }
        for range in &update.scan.clients {
            from.insert(ClientID::new(range.client), range.start);
        }
        let ours = self.doc.transact().encode_diff_v1(&StateVector::new(from));
        let mut held: HashMap<(u64, u32), (u32, u64)> = HashMap::new();
        let live = |kind: u8| kind > DELETED;
        let _ = scan::visit_structs(&ours, |s| {
            if live(s.kind) {
                held.insert((s.client, s.clock), (s.len, s.hash));
            }
        });
        let mut differs = false;
        // Runs that say "deleted" without saying so in the update's own delete set are no resend either.
        let mut runs: Vec<ClientRange> = Vec::new();
        let _ = scan::visit_structs(&update.bytes, |s| match held.get(&(s.client, s.clock)) {
            Some(&(len, hash)) if live(s.kind) => differs |= len == s.len && hash != s.hash,
            _ if s.kind == DELETED => {
                runs.push(ClientRange {
                    client: s.client,
                    start: s.clock,
                    end: s.clock.saturating_add(s.len),
                });
            }
            _ => {}
        });
        if runs.is_empty() || differs {
            return differs;
        }
        let mut deletes: Vec<ClientRange> = Vec::new();
        let _ = scan::visit_deletes(&update.bytes, |range| deletes.push(range));
        let within = |ranges: &[ClientRange], client: u64, clock: u32| {
            ranges
                .iter()
                .any(|r| r.client == client && (r.start..r.end).contains(&clock))
        };
        held.keys()
            .any(|&(client, clock)| within(&runs, client, clock) && !within(&deletes, client, clock))
    }

    fn changed(&mut self, bytes: usize, grows: bool) {
        self.version += 1;
        self.bytes += bytes;
        self.shrunk |= !grows;
    }

    /// What a peer with these clocks lacks, as a framed SyncStep2 (with the whole delete set). Cached until the next
    /// edit: a crowd that comes back at once shares the bytes.
    pub fn framed_diff(&mut self, clocks: &[(u64, u32)]) -> Bytes {
        let mut key: Clocks = clocks.iter().copied().filter(|&(_, clock)| clock > 0).collect();
        key.sort_unstable();
        if self.answers.0 != self.version {
            self.answers = (self.version, Vec::new());
        }
        if let Some((_, bytes)) = self.answers.1.iter().find(|(k, _)| *k == key) {
            return bytes.clone();
        }
        let from: HashMap<ClientID, u32, _> =
            // A clock from the future is cut to ours: the engine must not be asked about what it does not have.
            key.iter()
                .map(|&(c, clock)| (ClientID::new(c), clock.min(self.clocks.get(&c).copied().unwrap_or(0))))
                .filter(|&(_, clock)| clock > 0)
                .collect();
        let update = self.doc.transact().encode_diff_v1(&StateVector::new(from));
        if key.is_empty() {
            self.measure(update.len());
        }
        let bytes = crate::wire::document(&update);
        if self.answers.1.len() == limits::ANSWERS_MAX {
            self.answers.1.remove(0);
        }
        self.answers.1.push((key, bytes.clone()));
        bytes
    }

    /// Remembers the framed answer to an empty state vector that was served while this document was being built.
    pub fn remember(&mut self, answer: Bytes) {
        self.answers = (self.version, vec![(Clocks::new(), answer)]);
    }

    /// The whole document as one update.
    pub fn encode(&self, encoding: Encoding) -> Vec<u8> {
        let txn = self.doc.transact();
        match encoding {
            Encoding::V1 => txn.encode_diff_v1(&StateVector::default()),
            Encoding::V2 => txn.encode_diff_v2(&StateVector::default()),
        }
    }

    /// The clocks as an encoded Yjs state vector.
    pub fn state_vector(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + 8 * self.clocks.len());
        thexr_schema::lib0::write_var(&mut out, self.clocks.len() as u64);
        for (client, clock) in self.clocks() {
            thexr_schema::lib0::write_var(&mut out, client);
            thexr_schema::lib0::write_var(&mut out, u64::from(clock));
        }
        out
    }

    /// The clocks, sorted by client.
    pub fn clocks(&self) -> Clocks {
        let mut clocks: Clocks = self
            .clocks
            .iter()
            .map(|(&client, &clock)| (client, clock))
            .collect();
        clocks.sort_unstable();
        clocks
    }

    /// True when `more` bytes fit under `max`. The estimate counts every overwrite, so before it says no the
    /// document is measured, unless it has been measured a sixteenth ago and only grown since.
    pub fn fits(&mut self, more: usize, max: usize) -> bool {
        let stale = self.shrunk || self.bytes - self.measured > self.measured / 16;
        if self.bytes + more > max && stale {
            self.measure(self.encode(Encoding::V1).len());
        }
        self.bytes + more <= max
    }

    fn measure(&mut self, exact: usize) {
        (self.bytes, self.measured, self.shrunk) = (exact, exact, false);
    }

    /// Encoded size in bytes: exact right after a full encode, an upper estimate in between.
    pub fn encoded_bytes(&self) -> usize {
        self.bytes
    }
}
