//! Events into buckets and spans. Pure: the same events give the same answer, however they were stored.

use super::frame::Frame;
use crate::clock::rfc3339;
use crate::limits;
use crate::space::roster::{Recall, Turn};
use crate::store::{Block, Event, EventKind, Kinds, Tally};
use std::collections::HashMap;
use thexr_schema::ids::Seq;
use thexr_schema::journal::{Activity, ActivityBucket, ActivityMember, ActivitySpan};

/// What was read so far.
pub struct Fold {
    /// The time that is divided.
    pub frame: Frame,
    seq_from: Seq,
    buckets: Vec<ActivityBucket>,
    /// Members that are there, or were within the frame.
    members: HashMap<String, Line>,
    /// Who was there is not known before this.
    members_from: Option<i64>,
}

struct Line {
    user: String,
    name: String,
    /// When it first came: what the list is sorted by.
    came: i64,
    spans: Vec<Span>,
}

struct Span {
    from: i64,
    /// `None` while it goes on.
    to: Option<i64>,
    away: bool,
}

impl Fold {
    /// Nothing yet; before the frame the space was what it was after `seq_from`.
    pub fn new(frame: Frame, seq_from: Seq) -> Self {
        Self {
            frame,
            seq_from,
            buckets: vec![ActivityBucket::default(); frame.bucket(frame.to) + 1],
            members: HashMap::new(),
            members_from: None,
        }
    }

    /// A block that is not unpacked: its edits are spread over the time it took.
    pub fn take_block(&mut self, block: &Block) {
        if block.may_have(Kinds::MEMBERS) {
            self.members_from = Some(block.last_at);
        }
        if block.last_at < self.frame.from || block.first_at > self.frame.to {
            return;
        }
        let (first, last) = (
            self.frame.bucket(block.first_at),
            self.frame.bucket(block.last_at),
        );
        // One of before they were counted is unpacked, or too long ago to be.
        let all = (block.last.0 - block.first.0 + 1).cast_unsigned();
        let edits = block.edits.unwrap_or(all);
        let pieces = (last - first + 1) as u64;
        for bucket in &mut self.buckets[first..=last] {
            bucket.edits += edits / pieces;
        }
        self.buckets[last].edits += edits % pieces;
        if self.frame.has(block.last_at) {
            self.buckets[last].seq = block.last.0;
        }
    }

    /// What was counted by the database.
    pub fn take_tally(&mut self, tally: &Tally) {
        let index = usize::try_from(tally.bucket).unwrap_or(usize::MAX);
        if let Some(bucket) = self.buckets.get_mut(index) {
            bucket.edits += tally.edits;
            bucket.seq = tally.seq.0;
        }
    }

    /// An event of an unpacked block.
    pub fn take(&mut self, event: &Event) {
        if self.frame.has(event.at) {
            let bucket = &mut self.buckets[self.frame.bucket(event.at)];
            bucket.seq = event.seq.0;
            bucket.edits += u64::from(event.kind == EventKind::Edit as i64);
        }
        self.take_member(event);
    }

    /// The part of an event that is about somebody's time in the space.
    pub fn take_member(&mut self, event: &Event) {
        let Some(told) = Recall::of(event).filter(|_| event.at <= self.frame.to) else {
            return;
        };
        let Some(user) = told.user else { return };
        let joins = matches!(told.turn, Turn::Joined(_));
        let line = self.members.entry(told.member.to_owned()).or_insert_with(|| {
            // One that is not known was there from before.
            let before = Span {
                from: i64::MIN,
                to: None,
                away: told.was_away(),
            };
            Line {
                user: user.to_owned(),
                name: String::new(),
                came: if joins { event.at } else { i64::MIN },
                spans: if joins { Vec::new() } else { vec![before] },
            }
        });
        if let Turn::Joined(who) = &told.turn {
            who.name.clone_into(&mut line.name);
        }
        // A loss begins when it was last heard; everything else when it is written down.
        let was_away = line.spans.last().is_some_and(|span| span.away);
        let at = if was_away { event.at } else { told.heard_at };
        line.close(at, self.frame.from);
        if matches!(told.turn, Turn::Left(_)) {
            if line.spans.is_empty() {
                self.members.remove(told.member);
            }
            return;
        }
        line.open(at, !told.is_here());
    }

    /// All of it, in the words of the interface. The space has events `oldest` to `newest`.
    pub fn finish(self, oldest: Seq, newest: Seq) -> Activity {
        let Self { frame, seq_from, .. } = self;
        let mut buckets = self.buckets;
        let mut lines: Vec<(String, Line)> = self.members.into_iter().collect();
        lines.sort_unstable_by(|(a, left), (b, right)| (left.came, a).cmp(&(right.came, b)));
        for (_, line) in &lines {
            let mut next = 0;
            for span in line.spans.iter().filter(|span| !span.away) {
                let first = next.max(frame.bucket(span.from));
                let last = frame.bucket(span.to.unwrap_or(frame.to));
                let within = buckets.iter_mut().take(last + 1).skip(first);
                within.for_each(|bucket| bucket.members += 1);
                next = next.max(last + 1);
            }
        }
        let mut seq = seq_from.0;
        for bucket in &mut buckets {
            seq = seq.max(bucket.seq);
            bucket.seq = seq;
        }
        let more = lines.len().saturating_sub(limits::ACTIVITY_MEMBERS_MAX);
        lines.truncate(limits::ACTIVITY_MEMBERS_MAX);
        let shown = |(member, line): (String, Line)| ActivityMember {
            member,
            user: line.user,
            name: line.name,
            spans: line.spans.iter().map(|span| span.shown(frame.from)).collect(),
        };
        Activity {
            from: rfc3339(frame.from),
            to: rfc3339(frame.to),
            seq_from: seq_from.0,
            seq_to: seq,
            oldest_seq: oldest.0,
            newest_seq: newest.0,
            bucket_ms: frame.width,
            buckets,
            members: lines.into_iter().map(shown).collect(),
            more_members: u32::try_from(more).unwrap_or(u32::MAX),
            members_from: self.members_from.map(|at| rfc3339(at.max(frame.from))),
        }
    }
}

impl Line {
    /// Ends what goes on. What ended before the frame is forgotten.
    fn close(&mut self, at: i64, frame_from: i64) {
        let Some(span) = self.spans.last_mut().filter(|span| span.to.is_none()) else {
            return;
        };
        span.to = Some(at.max(span.from));
        if at < frame_from {
            self.spans.pop();
        }
    }

    fn open(&mut self, from: i64, away: bool) {
        if self.spans.len() < limits::ACTIVITY_SPANS_MAX {
            self.spans.push(Span { from, to: None, away });
        } else if let Some(last) = self.spans.last_mut() {
            last.to = None;
        }
    }
}

impl Span {
    fn shown(&self, frame_from: i64) -> ActivitySpan {
        ActivitySpan {
            from: rfc3339(self.from.max(frame_from)),
            to: self.to.map(rfc3339),
            away: self.away,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event(seq: i64, at: i64, kind: EventKind, who: Option<&str>, note: &Value) -> Event {
        Event {
            seq: Seq(seq),
            at,
            kind: kind as i64,
            member: who.map(|who| format!("m-{who}")),
            user: who.map(str::to_owned),
            payload: note.to_string().into(),
            changes: None,
        }
    }

    /// Ana edits now and then; Ben is lost and comes back; Chloé is lost for good.
    fn story() -> Vec<Event> {
        use EventKind::{Edit, Joined, Left, Resumed, Suspended};
        let none = json!({});
        vec![
            event(1, 1_000, Joined, Some("ana"), &json!({"name": "Ana"})),
            event(2, 1_100, Edit, Some("ana"), &none),
            event(3, 1_150, Edit, Some("ana"), &none),
            event(4, 2_000, Joined, Some("ben"), &json!({"name": "Ben"})),
            event(5, 2_100, Joined, Some("chloe"), &json!({"name": "Chloé"})),
            event(6, 3_000, Suspended, Some("ben"), &json!({"last_heard": 2_900})),
            event(7, 3_500, Resumed, Some("ben"), &none),
            event(8, 4_000, Suspended, Some("chloe"), &json!({"last_heard": 3_900})),
            event(9, 4_500, Edit, None, &none),
            event(
                10,
                5_000,
                Left,
                Some("chloe"),
                &json!({"reason": "grace", "last_heard": 3_900}),
            ),
            event(11, 5_999, Left, Some("ben"), &json!({"reason": "bye"})),
        ]
    }

    fn fold(from: i64, to: i64, count: i64, seq_from: i64) -> Fold {
        Fold::new(Frame::new(from, to, count).expect("a frame"), Seq(seq_from))
    }

    fn folded(from: i64, to: i64, count: i64, seq_from: i64) -> Activity {
        let mut fold = fold(from, to, count, seq_from);
        story().iter().for_each(|event| fold.take(event));
        fold.finish(Seq(0), Seq(11))
    }

    fn spans(member: &ActivityMember) -> Vec<(&str, Option<&str>, bool)> {
        let second = |at: &'_ str| -> &'static str { Box::leak(at[17..23].to_owned().into_boxed_str()) };
        let spans = member.spans.iter();
        spans
            .map(|span| (second(&span.from), span.to.as_deref().map(second), span.away))
            .collect()
    }

    /// SPEC J10.
    #[test]
    fn edits_are_counted_where_they_happened_and_spans_touch() {
        let all = folded(1_000, 5_999, 5, 0);
        let counts: Vec<(u64, u32, i64)> = all.buckets.iter().map(|b| (b.edits, b.members, b.seq)).collect();
        assert_eq!(counts, [(2, 1, 3), (0, 3, 5), (0, 3, 7), (1, 2, 9), (0, 2, 11)]);
        assert_eq!(
            (all.bucket_ms, all.seq_from, all.seq_to, all.more_members),
            (1_000, 0, 11, 0)
        );
        let names: Vec<&str> = all.members.iter().map(|member| &*member.name).collect();
        assert_eq!(names, ["Ana", "Ben", "Chloé"]);
        assert_eq!(spans(&all.members[0]), [("01.000", None, false)]);
        let ben = [
            ("02.000", Some("02.900"), false),
            ("02.900", Some("03.500"), true),
            ("03.500", Some("05.999"), false),
        ];
        assert_eq!(spans(&all.members[1]), ben);
        let chloe = [
            ("02.100", Some("03.900"), false),
            ("03.900", Some("05.000"), true),
        ];
        assert_eq!(spans(&all.members[2]), chloe);
    }

    /// SPEC J10: a part of the time knows who was there when it began, and nothing of what came after it.
    #[test]
    fn a_part_of_the_time_begins_with_who_is_there() {
        let part = folded(3_200, 4_700, 500, 6);
        assert_eq!((part.buckets.len(), part.bucket_ms), (376, 4));
        assert_eq!((part.seq_from, part.seq_to), (6, 9));
        assert_eq!(spans(&part.members[0]), [("03.200", None, false)]);
        assert_eq!(
            spans(&part.members[1]),
            [("03.200", Some("03.500"), true), ("03.500", None, false)]
        );
        assert_eq!(spans(&part.members[2])[1], ("03.900", None, true));
        assert!(
            folded(6_500, 7_000, 10, 11)
                .members
                .iter()
                .all(|member| member.name == "Ana")
        );
    }

    #[test]
    fn one_that_came_before_what_is_kept_was_there_from_the_beginning() {
        let mut fold = fold(2_500, 5_999, 1, 5);
        story().iter().skip(5).for_each(|event| fold.take(event));
        let all = fold.finish(Seq(5), Seq(11));
        let ben = all
            .members
            .iter()
            .find(|member| member.user == "ben")
            .expect("Ben");
        assert_eq!(spans(ben)[0], ("02.500", Some("02.900"), false));
        assert_eq!(all.buckets.len(), 1);
    }

    #[test]
    fn a_block_is_counted_by_its_row_when_that_says_enough() {
        let block = |first_at, last_at, kinds| Block {
            first: Seq(1),
            last: Seq(7),
            first_at,
            last_at,
            kinds,
            edits: Some(5),
        };
        let frame = Frame::new(1_000, 3_999, 3).expect("a frame");
        assert!(!frame.straddles(&block(1_000, 1_999, 2)) && frame.straddles(&block(1_000, 2_000, 2)));
        assert!(!frame.straddles(&block(0, 999, 2)) && frame.straddles(&block(999, 1_000, 2)));
        assert!(frame.straddles(&block(3_500, 9_999, 2)) && !frame.straddles(&block(4_000, 9_999, 2)));
        let mut fold = Fold::new(frame, Seq(0));
        fold.take_block(&block(1_000, 1_999, 2));
        fold.take_block(&block(0, 999, 2));
        // Too much to look at: spread evenly, and who was there is not known.
        fold.take_block(&block(500, 2_500, 2 | 1 << EventKind::Joined as i64));
        let all = fold.finish(Seq(0), Seq(7));
        assert_eq!(
            all.buckets.iter().map(|bucket| bucket.edits).collect::<Vec<_>>(),
            [7, 3, 0]
        );
        assert_eq!(all.members_from.as_deref(), Some("1970-01-01T00:00:02.500Z"));
        assert!(block(0, 1, -1).may_have(Kinds::MEMBERS) && !block(0, 1, 2).may_have(Kinds::MEMBERS));
    }

    #[test]
    fn one_that_comes_and_goes_all_day_does_not_grow_without_end() {
        let mut fold = fold(0, 100_000, 10, 0);
        for n in 0..500 {
            let kind = if n % 2 == 0 {
                EventKind::Resumed
            } else {
                EventKind::Suspended
            };
            fold.take(&event(n + 1, n * 100, kind, Some("ben"), &json!({})));
        }
        let all = fold.finish(Seq(0), Seq(500));
        assert_eq!(all.members[0].spans.len(), limits::ACTIVITY_SPANS_MAX);
        assert_eq!(all.members[0].spans.last().expect("a span").to, None);
        assert_eq!(Frame::new(2, 1, 10), None);
    }
}
