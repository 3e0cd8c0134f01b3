//! What a bundle adds up to: its events in order, applied to a document, and every snapshot compared when its moment comes.
//! What comes from a file is as strange as what comes from the net, so nothing reaches the engine unscanned.

use super::{BadBundle, Header, Person, stored};
use crate::space::census::Census;
use crate::space::doc::{CheckedUpdate, Clocks, Keep, SpaceDoc};
use crate::space::load;
use crate::store::{Event, EventKind, Head, SnapshotRow};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The last millisecond of the year 9999: times are written with four digits of a year.
const TIME_MAX: i64 = 253_402_300_799_999;
/// Kinds are bits of a number.
const KIND_MAX: i64 = 62;

/// A document at some moment, to be compared with.
struct Frame {
    seq: i64,
    clocks: Clocks,
    hash: [u8; 32],
}

/// The history so far.
pub(super) struct Replay {
    /// None until the snapshot that the history begins with.
    doc: Option<SpaceDoc>,
    census: Census,
    /// Snapshots whose moment has not come.
    ahead: VecDeque<Frame>,
    /// The last snapshot that was read.
    newest: i64,
    snap_seq: i64,
    head: Head,
}

fn unsound(what: impl Into<String>) -> BadBundle {
    BadBundle::Unsound(what.into())
}

pub(super) fn time(at: i64) -> Result<(), BadBundle> {
    if (0..=TIME_MAX).contains(&at) {
        Ok(())
    } else {
        Err(unsound("a time is beyond all times"))
    }
}

/// The engine on bytes that the scanner let pass; should it panic all the same, the file is bad and not the program.
fn apply(doc: &mut SpaceDoc, update: &CheckedUpdate, what: &str) -> Result<(), BadBundle> {
    let applied = catch_unwind(AssertUnwindSafe(|| doc.apply(update, Keep::Received)));
    match applied {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(refused)) => Err(unsound(format!("{what} does not fit: {refused}"))),
        Err(_) => Err(unsound(format!("the engine panics on {what}"))),
    }
}

impl Replay {
    pub fn new(header: &Header) -> Self {
        Self {
            doc: (header.base_seq == 0).then(|| SpaceDoc::new(0)),
            census: Census::new(header.base_seq),
            ahead: VecDeque::new(),
            newest: 0,
            snap_seq: header.snap_seq,
            head: Head {
                seq: header.base_seq,
                sealed_seq: header.base_seq,
                base_seq: header.base_seq,
                ..Head::default()
            },
        }
    }

    /// A snapshot: scanned, and built.
    pub fn snapshot(&mut self, row: &SnapshotRow) -> Result<(), BadBundle> {
        let seq = row.seq;
        if seq <= self.newest || seq < self.head.seq {
            return Err(unsound(format!("snapshot {seq} is out of order")));
        }
        time(row.created_at)?;
        self.newest = seq;
        let (_, bytes) = load::unpack(&stored(row)).map_err(|e| unsound(e.to_string()))?;
        let update = CheckedUpdate::parse_stored(bytes)
            .map_err(|fault| unsound(format!("the scanner refuses snapshot {seq}: {fault}")))?;
        let mut doc = SpaceDoc::new(0);
        apply(&mut doc, &update, &format!("snapshot {seq}"))?;
        let hash = doc.content_hash();
        if hash[..] != row.hash[..] {
            return Err(unsound(format!("snapshot {seq} does not match its hash")));
        }
        if seq == self.head.base_seq {
            self.doc = Some(doc);
        } else {
            self.ahead.push_back(Frame {
                seq,
                clocks: doc.clocks(),
                hash,
            });
        }
        Ok(())
    }

    /// The events of a block, which was sealed or was not. Gives those that are kept: a segment may begin before the
    /// history does.
    pub fn block<'a>(&mut self, events: &'a [Event], sealed: bool) -> Result<&'a [Event], BadBundle> {
        let base = self.head.base_seq;
        let pruned = events
            .iter()
            .take_while(|event| (1..=base).contains(&event.seq.0))
            .count();
        if pruned > 0 && (!sealed || self.head.seq > base || pruned == events.len()) {
            return Err(unsound(format!("an event from before {base} is there")));
        }
        // Nobody's past any more, but stored with the rest of their block.
        if pruned > 0 {
            self.head.seq = events[0].seq.0 - 1;
        }
        for event in &events[..pruned] {
            self.judge(event)?;
        }
        for event in &events[pruned..] {
            self.event(event)?;
        }
        let newest = self.head.seq;
        if sealed && (newest > self.snap_seq || self.head.log_rows > 0) {
            return Err(unsound(format!(
                "event {newest} is sealed, but no snapshot covers it"
            )));
        }
        if sealed {
            self.head.sealed_seq = newest;
        }
        Ok(&events[pruned..])
    }

    /// What every event must be, also one that is pruned. Gives what an edit says.
    fn judge(&mut self, event: &Event) -> Result<Option<CheckedUpdate>, BadBundle> {
        let seq = event.seq.0;
        if Some(seq) != self.head.seq.checked_add(1) {
            return Err(unsound(format!("event {seq} follows event {}", self.head.seq)));
        }
        time(event.at)?;
        if event.at < self.head.at {
            return Err(unsound(format!(
                "the time of event {seq} is before that of the one before it"
            )));
        }
        if !(1..=KIND_MAX).contains(&event.kind) {
            return Err(unsound(format!("event {seq} is of no kind that can be")));
        }
        (self.head.seq, self.head.at) = (seq, event.at);
        if event.kind != EventKind::Edit as i64 {
            return Ok(None);
        }
        CheckedUpdate::parse_stored(event.payload.clone())
            .map(Some)
            .map_err(|fault| unsound(format!("the scanner refuses event {seq}: {fault}")))
    }

    fn event(&mut self, event: &Event) -> Result<(), BadBundle> {
        self.compare()?;
        let update = self.judge(event)?;
        self.census.event(event);
        let Some(update) = update else { return Ok(()) };
        let seq = event.seq.0;
        if seq > self.snap_seq {
            self.head.log_rows += 1;
            self.head.log_bytes += i64::try_from(event.payload.len()).unwrap_or(i64::MAX);
        }
        let Some(doc) = &mut self.doc else {
            return Err(unsound(format!(
                "the snapshot at {} is missing",
                self.head.base_seq
            )));
        };
        apply(doc, &update, &format!("event {seq}"))
    }

    /// The snapshot of the present moment, if there is one, against the document.
    fn compare(&mut self) -> Result<(), BadBundle> {
        let Some(frame) = self.ahead.pop_front_if(|frame| frame.seq <= self.head.seq) else {
            return Ok(());
        };
        let same = self
            .doc
            .as_ref()
            .is_some_and(|doc| doc.clocks() == frame.clocks && doc.content_hash() == frame.hash);
        if same && frame.seq == self.head.seq {
            Ok(())
        } else {
            Err(unsound(format!(
                "snapshot {} is not what the events give",
                frame.seq
            )))
        }
    }

    /// The head row of all this, when it is what the header promised.
    pub fn finish(
        mut self,
        header: &Header,
        people: &[Person],
        snapshots: &[i64],
    ) -> Result<(Head, usize), BadBundle> {
        self.compare()?;
        if let Some(frame) = self.ahead.front() {
            return Err(unsound(format!("snapshot {} is beyond the events", frame.seq)));
        }
        if self.head.seq != header.seq {
            return Err(unsound(format!(
                "the events end at {}, the header says {}",
                self.head.seq, header.seq
            )));
        }
        for must in [header.base_seq, header.snap_seq] {
            if must > 0 && !snapshots.contains(&must) {
                return Err(unsound(format!("the snapshot at {must} is missing")));
            }
        }
        let table = people.iter().map(|person| (person.member.as_str(), person.away));
        if let Some(fault) = self.census.compare(table).into_iter().next() {
            return Err(unsound(fault));
        }
        self.head.snap_seq = header.snap_seq;
        let entities = self.doc.map_or(0, |doc| doc.entity_count());
        Ok((self.head, entities))
    }
}
