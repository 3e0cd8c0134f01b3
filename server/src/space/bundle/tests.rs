//! Files that are whole, with good checksums, and made by hand: what no export would write.

use super::*;
use crate::limits;
use crate::space::compactor;
use crate::space::doc::edit::{Edit, Edited};
use crate::store::temporary::Temporary;
use crate::store::{Event, EventKind};
use record::{Kind, Writer};
use serde_json::Value;

fn header(base: i64, seq: i64) -> Value {
    serde_json::json!({
        "thexr": "0.1.0", "space": "lobby", "name": "Lobby", "epoch": "e", "created_at": 1, "at": 9,
        "seq": seq, "base_seq": base, "snap_seq": base, "keep_days": null, "keep_bytes": null,
    })
}

/// A bundle of these records, nobody in it.
fn bundle(header: &Value, records: &[(Kind, Vec<u8>)]) -> Vec<u8> {
    let (mut writer, line) = Writer::new();
    let count = |kind| records.iter().filter(|(of, _)| *of == kind).count() as u64;
    let trailer = Trailer {
        snapshots: count(Kind::Snapshot),
        segments: count(Kind::Segment),
        blocks: count(Kind::Events),
        members: 0,
    };
    let mut out = line.to_vec();
    let ends = [(Kind::Members, b"[]".to_vec()), (Kind::Trailer, json(&trailer))];
    for (kind, body) in [(Kind::Header, json(header))].iter().chain(records).chain(&ends) {
        out.extend_from_slice(&writer.record(*kind, body).expect("small"));
    }
    out.extend_from_slice(&writer.end());
    out
}

/// Something that happened, of which no document is made.
fn note(seq: i64) -> Event {
    Event {
        seq: Seq(seq),
        at: 5,
        kind: EventKind::Compacted as i64,
        member: None,
        user: None,
        payload: Bytes::from_static(b"{}"),
        changes: None,
    }
}

fn packed(events: &[Event]) -> Vec<u8> {
    packed_body(&Packed::of(events).expect("packs"))
}

/// A document with a box, as the snapshot of an event, and the edit that made it.
fn snapshot(seq: i64) -> (Vec<u8>, Bytes) {
    let mut doc = SpaceDoc::new(7);
    let put = Edit::Put {
        entity: "box".into(),
        component: "text".into(),
        value: serde_json::json!({"value": "x"}),
    };
    let Edited::Done(edit) = doc.edit(&put) else {
        panic!("refused");
    };
    let made = compactor::snapshot_of(&doc, Seq(seq)).expect("verifies");
    let row = SnapshotRow {
        seq,
        created_at: 5,
        format: made.format,
        raw_len: made.raw_len,
        hash: made.hash,
        body: made.body.into(),
    };
    (snapshot_body(&row), edit)
}

/// What comes of it: entities and the newest event, or why it is refused.
async fn imported(bytes: &[u8]) -> Result<(usize, i64), String> {
    let store = Temporary::open().await;
    let begun = Import::open(bytes, &Wish::default()).map_err(|error| error.to_string())?;
    let done = begun.run(&store).await;
    done.map(|made| (made.entities, made.row.seq.0))
        .map_err(|error| error.to_string())
}

/// A few bytes that repeat are any number of events when they are unpacked, and all of them would be one block.
#[tokio::test]
async fn no_block_holds_more_events_than_are_ever_packed_together() {
    let most = limits::SEGMENT_ROWS_MAX;
    for (count, fits) in [(most, true), (most + 1, false), (100 * most, false)] {
        let events: Vec<Event> = (1..=count).map(note).collect();
        let found = imported(&bundle(&header(0, count), &[(Kind::Events, packed(&events))])).await;
        match found {
            Ok(found) => assert!(fits && found == (0, count), "{found:?}"),
            Err(said) => assert!(!fits && said.contains("more than one may"), "{said}"),
        }
    }
}

/// A segment may begin before the history does. What is nobody's any more is stored with it, so it is judged too.
#[tokio::test]
async fn events_from_before_the_history_are_judged_too() {
    let ((oldest, made), (newest, _)) = (snapshot(4), snapshot(6));
    let file = |events: &[Event]| {
        let mut header = header(4, 6);
        header["snap_seq"] = 6.into();
        let records = [
            (Kind::Snapshot, oldest.clone()),
            (Kind::Segment, packed(events)),
            (Kind::Snapshot, newest.clone()),
        ];
        bundle(&header, &records)
    };
    let edit = |payload: Bytes| Event {
        kind: EventKind::Edit as i64,
        payload,
        ..note(3)
    };
    let sound = [note(2), edit(made), note(4), note(5), note(6)];
    assert_eq!(imported(&file(&sound)).await, Ok((1, 6)));
    let with = |n: usize, event: Event| {
        let mut events = sound.clone();
        events[n] = event;
        events
    };
    let late = Event { at: 99, ..note(2) };
    let odd = Event { kind: 90, ..note(4) };
    for (events, says) in [
        (with(0, note(1)), "event 3 follows event 1"),
        (with(1, note(2)), "event 2 follows event 2"),
        (with(2, note(9)), "event 9 follows event 3"),
        (with(0, late), "the time of event 3"),
        (with(2, odd), "no kind"),
        (
            with(1, edit(Bytes::from_static(b"\x05"))),
            "the scanner refuses event 3",
        ),
    ] {
        let said = imported(&file(&events)).await.expect_err(says);
        assert!(said.contains(says), "{said}");
    }
    // All of it is from before.
    let said = imported(&file(&sound[..3])).await.expect_err("nobody's");
    assert!(said.contains("from before 4"), "{said}");
}
