//! One space, from its first event to its newest: the history is walked once, replayed into a document, and every
//! snapshot is compared when the walk comes past it.

mod end;

use super::super::tool::Progress;
use super::{Looked, Problem};
use crate::space::census::Census;
use crate::space::doc::{CheckedUpdate, Keep, SpaceDoc};
use crate::space::load;
use crate::store::Head;
use crate::store::check::SpaceCheck;
use crate::store::{Event, EventKind, Snapshot, SpaceKey, Store, StoreError, segment};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use thexr_schema::ids::SpaceId;

/// Findings listed per space; a space with more is not described better by all of them.
const PROBLEMS_MAX: usize = 100;
/// Events read at once.
const PAGE_ROWS: i64 = 500;

/// Checks one space. Everything that goes wrong is a problem of this space alone.
pub(super) async fn check(
    store: &Store,
    space: &SpaceCheck,
    quick: bool,
    progress: &mut Progress,
) -> (Looked, Vec<Problem>) {
    let mut walk = Walk::new(space, quick);
    if space.slug.parse::<SpaceId>().is_err() {
        walk.problem(None, "bad_name", "the name breaks the rule for space names");
    }
    match space.head {
        None => walk.problem(
            None,
            "no_head",
            "the head row is missing, so the space does not open",
        ),
        Some(head) => {
            if let Err(error) = walk.rows(store, space.key, head, progress).await {
                walk.problem(None, "unreadable", format!("reading stopped: {error}"));
            }
        }
    }
    let looked = Looked {
        space: walk.name,
        events: walk.events,
        snapshots: walk.compared,
        problems: walk.count,
    };
    (looked, walk.problems)
}

struct Walk {
    name: String,
    problems: Vec<Problem>,
    /// How many there are, listed or not.
    count: usize,
    quick: bool,
    events: i64,
    compared: i64,
    /// The number that comes next.
    expected: i64,
    /// The newest time so far.
    at: i64,
    /// The history begins after this event.
    base_seq: i64,
    snap_seq: i64,
    log_rows: i64,
    log_bytes: i64,
    census: Census,
    /// Something could not be read, so who is there is not known.
    holes: bool,
    /// The document so far; none after something that could not be replayed.
    replay: Option<SpaceDoc>,
    /// Snapshots the walk has not come past, oldest first.
    ahead: VecDeque<(i64, Snapshot)>,
}

impl Walk {
    fn new(space: &SpaceCheck, quick: bool) -> Self {
        let base_seq = space.head.map_or(0, |head| head.base_seq);
        Self {
            name: space.slug.clone(),
            problems: Vec::new(),
            count: 0,
            quick,
            events: 0,
            compared: 0,
            expected: base_seq.saturating_add(1),
            at: 0,
            base_seq,
            snap_seq: space.head.map_or(0, |head| head.snap_seq),
            log_rows: 0,
            log_bytes: 0,
            census: Census::new(base_seq),
            holes: false,
            replay: (!quick && base_seq == 0).then(|| SpaceDoc::new(0)),
            ahead: VecDeque::new(),
        }
    }

    fn problem(&mut self, seq: impl Into<Option<i64>>, code: &'static str, message: impl Into<String>) {
        self.count += 1;
        let more = self.count == PROBLEMS_MAX + 1;
        if self.count > PROBLEMS_MAX && !more {
            return;
        }
        let message: String = message.into();
        self.problems.push(Problem {
            space: Some(self.name.clone()),
            seq: seq.into().filter(|_| !more),
            code: if more { "more" } else { code },
            message: if more {
                "more problems, not listed".into()
            } else {
                message
            },
        });
    }

    async fn rows(
        &mut self,
        store: &Store,
        key: SpaceKey,
        head: Head,
        progress: &mut Progress,
    ) -> Result<(), StoreError> {
        self.snapshots(store, key, head).await?;
        let (mut segment, mut sealed) = (i64::MIN, self.base_seq);
        while let Some(found) = store.check_segment(key, self.base_seq, segment).await? {
            progress.at(|| format!("{}: {} of {}", self.name, self.expected, head.seq));
            (segment, sealed) = (found.first, found.last);
            match found.events {
                Ok(mut events) => {
                    let ends = |event: Option<&Event>| event.map(|event| event.seq.0);
                    if ends(events.first()) != Some(found.first) || ends(events.last()) != Some(found.last) {
                        let what = format!(
                            "the segment holds other events than {} to {}",
                            found.first, found.last
                        );
                        self.problem(found.first, "damaged_segment", what);
                    }
                    let kinds = found.kinds != -1 && found.kinds != segment::kinds(&events);
                    if kinds || found.edits.is_some_and(|edits| edits != segment::edits(&events)) {
                        let what = "the segment holds other kinds of events, or more or fewer edits, than its row says";
                        self.problem(found.first, "wrong_kinds", what);
                    }
                    events.retain(|event| event.seq.0 > self.base_seq);
                    for event in events {
                        self.event(event.seq.0, Ok(event));
                    }
                }
                Err(what) => {
                    self.come_to(found.first.max(self.base_seq + 1));
                    let what = format!(
                        "the segment of events {} to {} is damaged: {what}",
                        found.first, found.last
                    );
                    self.problem(found.first, "damaged_segment", what);
                    (self.replay, self.holes) = (None, true);
                    self.expected = self.expected.max(found.last.saturating_add(1));
                }
            }
        }
        let mut after = self.base_seq;
        loop {
            let page = store.check_events(key, after, PAGE_ROWS).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for row in page {
                progress.at(|| format!("{}: {} of {}", self.name, self.expected, head.seq));
                self.event(row.seq, row.event);
            }
        }
        self.come_past(i64::MAX);
        self.head(head, sealed);
        self.members(store, key).await?;
        if !self.quick {
            self.opens(store, key).await;
        }
        Ok(())
    }

    async fn snapshots(&mut self, store: &Store, key: SpaceKey, head: Head) -> Result<(), StoreError> {
        let found = store.check_snapshots(key).await?;
        let missing = |seq: i64| seq > 0 && !found.iter().any(|snapshot| snapshot.seq == seq);
        if missing(head.snap_seq) {
            let what = "the snapshot that the head names is missing";
            self.problem(head.snap_seq, "missing_snapshot", what);
        }
        if missing(head.base_seq) && head.base_seq != head.snap_seq {
            let what = "the snapshot that the history begins with is missing";
            self.problem(head.base_seq, "missing_snapshot", what);
        }
        if head.base_seq > head.snap_seq {
            let what = format!(
                "the history begins after the newest snapshot, which is {}",
                head.snap_seq
            );
            self.problem(head.base_seq, "wrong_head", what);
        }
        for row in found.into_iter().filter(|row| row.seq >= head.base_seq) {
            match row.snapshot {
                Ok(snapshot) => self.ahead.push_back((row.seq, snapshot)),
                Err(what) => self.problem(row.seq, "damaged_snapshot", what),
            }
        }
        Ok(())
    }

    /// Numbers before `seq` are over: they were there or are missing.
    fn come_to(&mut self, seq: i64) {
        if seq > self.expected {
            let (first, last) = (self.expected, seq - 1);
            let what = if first == last {
                "the event is missing".to_owned()
            } else {
                format!("the events {first} to {last} are missing")
            };
            self.problem(first, "missing_event", what);
            (self.replay, self.holes) = (None, true);
            self.expected = seq;
        }
        self.come_past(seq);
    }

    /// Compares the snapshots that cover only events before `seq`.
    fn come_past(&mut self, seq: i64) {
        while self.ahead.front().is_some_and(|(covers, _)| *covers < seq) {
            if let Some((covers, snapshot)) = self.ahead.pop_front() {
                self.snapshot(covers, &snapshot);
            }
        }
    }

    fn event(&mut self, seq: i64, event: Result<Event, String>) {
        if seq < self.expected {
            self.problem(
                seq,
                "duplicate_event",
                "an event of this number was there already",
            );
            return;
        }
        self.come_to(seq);
        self.expected = seq.saturating_add(1);
        self.events += 1;
        let event = match event {
            Ok(event) => event,
            Err(what) => {
                self.problem(seq, "damaged_event", format!("the event is damaged: {what}"));
                (self.replay, self.holes) = (None, true);
                return;
            }
        };
        if event.at < self.at {
            let what = format!("its time {} is before its predecessor's {}", event.at, self.at);
            self.problem(seq, "time_backwards", what);
        }
        self.at = self.at.max(event.at);
        self.census.event(&event);
        if event.kind != EventKind::Edit as i64 {
            return;
        }
        if seq > self.snap_seq {
            self.log_rows += 1;
            self.log_bytes += i64::try_from(event.payload.len()).unwrap_or(i64::MAX);
        }
        if !self.quick {
            self.edit(seq, event);
        }
    }

    /// Replays an edit, scanned first: what comes from a damaged file is as strange as what comes from the net. But it may
    /// be larger: a restore is one edit, and the server's own.
    fn edit(&mut self, seq: i64, event: Event) {
        let update = match CheckedUpdate::parse_stored(event.payload) {
            Ok(update) => update,
            Err(fault) => {
                self.problem(seq, "bad_edit", format!("the scanner refuses the edit: {fault}"));
                self.replay = None;
                return;
            }
        };
        let Some(mut doc) = self.replay.take() else { return };
        let applied = catch_unwind(AssertUnwindSafe(|| doc.apply(&update, Keep::Received).map(drop)));
        match applied {
            Ok(Ok(())) => self.replay = Some(doc),
            Ok(Err(refused)) => self.problem(seq, "bad_edit", format!("the edit does not fit: {refused}")),
            Err(_) => self.problem(seq, "bad_edit", "the engine panics on the edit"),
        }
    }

    /// A snapshot against its own hash and against the edits it stands for. Where the edits cannot be replayed, the
    /// walk goes on from the snapshot.
    fn snapshot(&mut self, seq: i64, snapshot: &Snapshot) {
        if seq >= self.expected {
            let what = format!(
                "the snapshot covers more than the events, which end at {}",
                self.expected - 1
            );
            self.problem(seq, "wrong_snapshot", what);
        }
        let unpacked = match load::unpack(snapshot) {
            Ok(unpacked) => unpacked,
            Err(error) => return self.problem(seq, "damaged_snapshot", error.to_string()),
        };
        self.compared += 1;
        if self.quick {
            return;
        }
        let (encoding, bytes) = unpacked;
        let build = || SpaceDoc::from_stored(0, Some((encoding, &bytes)), std::iter::empty());
        let doc = match catch_unwind(AssertUnwindSafe(build)) {
            Ok(Ok(doc)) => doc,
            Ok(Err(refused)) => return self.problem(seq, "damaged_snapshot", refused.to_string()),
            Err(_) => return self.problem(seq, "damaged_snapshot", "the engine panics on the snapshot"),
        };
        let hash = doc.content_hash();
        if hash[..] != snapshot.hash[..] {
            self.problem(
                seq,
                "wrong_snapshot",
                "the snapshot's content does not match its hash",
            );
        }
        match &self.replay {
            None => self.replay = Some(doc),
            Some(replay) if replay.clocks() != doc.clocks() => {
                self.problem(
                    seq,
                    "wrong_snapshot",
                    "the snapshot's clocks differ from those of the edits",
                );
            }
            Some(replay) if replay.content_hash() != hash => {
                self.problem(
                    seq,
                    "wrong_snapshot",
                    "the snapshot's content differs from that of the edits",
                );
            }
            Some(_) => {}
        }
    }
}
