//! Reads the golden files that the TypeScript tests read too. `fixtures/make.mjs` makes them with real yjs.

use serde_json::Value;
use thexr_schema::frame::{self, Message, Messages};
use thexr_schema::scan::{
    Must, scan_awareness, scan_state_vector, scan_update, visit_deletes, visit_structs,
};
use thexr_schema::{Fault, stroke};

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/fixtures/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the golden file is there");
    let value: Value = serde_json::from_str(&text).expect("the golden file is JSON");
    value["cases"].as_array().expect("it has cases").clone()
}

fn hex(case: &Value) -> Vec<u8> {
    unhex(case["hex"].as_str().expect("a case has bytes"))
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).expect("a hex digit") as u8;
    text.as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

fn pairs(value: &Value) -> Vec<(u64, u32)> {
    let number = |v: &Value| v.as_u64().expect("a number");
    value
        .as_array()
        .expect("pairs")
        .iter()
        .map(|p| (number(&p[0]), number(&p[1]) as u32))
        .collect()
}

fn sorted(mut pairs: Vec<(u64, u32)>) -> Vec<(u64, u32)> {
    pairs.sort_unstable();
    pairs
}

fn fault_of<T: std::fmt::Debug>(result: Result<T, Fault>, name: &str) -> &'static str {
    result.expect_err(name).code.as_str()
}

/// SPEC U1–U16; corpus rows 48–84.
#[test]
fn updates_are_accepted_with_what_they_carry_or_refused_by_code() {
    for case in cases("updates.json") {
        let name = case["name"].as_str().expect("a name");
        let bytes = hex(&case);
        let result = scan_update(&bytes);
        if case["ok"] == false {
            assert_eq!(fault_of(result, name), case["fault"], "{name}");
            continue;
        }
        let scan = result.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let mut clients: Vec<Vec<u64>> = scan
            .clients
            .iter()
            .map(|r| vec![r.client, r.start.into(), r.end.into()])
            .collect();
        clients.sort_unstable();
        assert_eq!(serde_json::json!(clients), case["clients"], "{name}");
        assert_eq!(scan.deps, pairs(&case["deps"]), "{name}");
        assert_eq!(sorted(scan.deletes.clone()), pairs(&case["deletes"]), "{name}");
        assert_eq!(u64::from(scan.structs), case["structs"], "{name}");
        assert_eq!(
            scan.outside
                .iter()
                .filter(|o| o.must == Must::StandInEntities)
                .count() as u64,
            case["unplaced_maps"].as_u64().unwrap_or(0),
            "{name}"
        );
        assert_eq!(
            scan.is_empty(),
            clients.is_empty() && scan.deletes.is_empty(),
            "{name}"
        );
        assert_eq!(scan.bytes, bytes.len(), "{name}");
    }
}

/// SPEC U1: total on anything; a cut update is never accepted as a whole one.
#[test]
fn every_prefix_and_every_flipped_byte_of_an_update_is_judged_without_a_panic() {
    for case in cases("updates.json") {
        let bytes = hex(&case);
        if bytes.len() > 4096 {
            continue;
        }
        for end in 0..bytes.len() {
            assert!(
                case["ok"] == false || scan_update(&bytes[..end]).is_err(),
                "{} to {end}",
                case["name"]
            );
        }
        for at in 0..bytes.len() {
            for flip in [0x01, 0x40, 0x80, 0xff] {
                let mut flipped = bytes.clone();
                flipped[at] ^= flip;
                // What is accepted can be walked again.
                if scan_update(&flipped).is_ok() {
                    visit_structs(&flipped, |_| ()).expect("an accepted update is walked again");
                }
            }
        }
    }
}

/// SPEC U14: the units cover exactly the clocks of the update.
#[test]
fn units_of_content_cover_the_clocks_of_an_update() {
    for case in cases("updates.json").iter().filter(|case| case["ok"] == true) {
        let bytes = hex(case);
        let mut next = std::collections::BTreeMap::<u64, u32>::new();
        let scan = scan_update(&bytes).expect("accepted");
        for range in &scan.clients {
            next.insert(range.client, range.start);
        }
        visit_structs(&bytes, |unit| {
            let clock = next.get_mut(&unit.client).expect("a known client");
            assert_eq!(*clock, unit.clock);
            *clock += unit.len;
        })
        .expect("accepted");
        assert!(
            scan.clients.iter().all(|range| next[&range.client] == range.end),
            "{}",
            case["name"]
        );
    }
}

/// SPEC U14: what real clients send as deleted is in the delete set of the same update, so that a receiver may take
/// the opposite for a reused client id.
#[test]
fn deleted_runs_of_real_clients_are_in_their_delete_set() {
    for case in cases("updates.json")
        .iter()
        .filter(|case| case["document"].is_object() || case["row"].is_null())
    {
        let bytes = hex(case);
        if case["ok"] == false || case["name"] == "a parent that is deleted" {
            continue;
        }
        let mut ranges = Vec::new();
        visit_deletes(&bytes, |range| ranges.push(range)).expect("accepted");
        visit_structs(&bytes, |unit| {
            let covered = |clock: u32| {
                ranges
                    .iter()
                    .any(|r| r.client == unit.client && (r.start..r.end).contains(&clock))
            };
            let all = (unit.clock..unit.clock + unit.len).all(covered);
            assert!(unit.kind != 1 || all, "{} {}", case["name"], unit.clock);
        })
        .expect("accepted");
    }
}

/// SPEC U14; corpus row 84: the same clocks with other content are told apart.
#[test]
fn other_content_under_known_clocks_has_another_hash() {
    let all = cases("updates.json");
    let of = |name: &str| {
        let case = all
            .iter()
            .find(|case| case["name"] == name)
            .expect("the case is there");
        let mut hashes = Vec::new();
        visit_structs(&hex(case), |unit| hashes.push((unit.clock, unit.hash))).expect("accepted");
        hashes
    };
    let (a, b) = (
        of("known clocks with content A"),
        of("known clocks with content B"),
    );
    assert_eq!(a[0], b[0]);
    assert_ne!(a[1], b[1]);
}

/// SPEC W1–W7, A1; corpus rows 48–55, 61.
#[test]
fn frames_decode_to_their_messages_and_encode_back() {
    for case in cases("frames.json") {
        let name = case["name"].as_str().expect("a name");
        let bytes = hex(&case);
        let decoded: Vec<_> = Messages::new(&bytes).collect();
        let expected = case["messages"].as_array().expect("messages");
        assert_eq!(decoded.len(), expected.len(), "{name}");
        let mut encoded = Vec::new();
        for (message, want) in decoded.iter().zip(expected) {
            let (kind, payload) = match message {
                Err(fault) => {
                    assert_eq!(fault.code.as_str(), want["fault"], "{name}");
                    continue;
                }
                Ok(Message::SyncStep1(sv)) => ("sync_step_1", Some((frame::sync_step1(sv), sv))),
                Ok(Message::SyncStep2(up)) => ("sync_step_2", Some((frame::sync_step2(up), up))),
                Ok(Message::Update(up)) => ("update", Some((frame::update(up), up))),
                Ok(Message::Awareness(up)) => ("awareness", Some((frame::awareness(up), up))),
                Ok(Message::Ack(payload)) => ("ack", Some((frame::ack(payload), payload))),
                Ok(Message::Auth) => ("auth", None),
                Ok(Message::QueryAwareness) => ("query_awareness", None),
                Ok(Message::Unknown(id)) => {
                    assert_eq!(*id, want["id"], "{name}");
                    ("unknown", None)
                }
            };
            assert_eq!(kind, want["type"], "{name}");
            if let Some((bytes, payload)) = payload {
                assert_eq!(
                    **payload,
                    unhex(want["payload"].as_str().expect("a payload")),
                    "{name}"
                );
                encoded.extend(bytes);
            } else {
                encoded.clear();
            }
        }
        let whole = expected.iter().all(|m| m["payload"].is_string());
        assert!(!whole || encoded == bytes, "{name}");
    }
    assert_eq!(frame::query_awareness(), [3]);
}

/// SPEC S5; corpus rows 56–58.
#[test]
fn state_vectors_are_read_or_refused_by_code() {
    for case in cases("state_vectors.json") {
        let name = case["name"].as_str().expect("a name");
        let result = scan_state_vector(&hex(&case));
        if case["ok"] == true {
            assert_eq!(result, Ok(pairs(&case["pairs"])), "{name}");
        } else {
            assert_eq!(fault_of(result, name), case["fault"], "{name}");
        }
    }
}

/// SPEC S7; corpus rows 85–89.
#[test]
fn awareness_is_read_or_refused_by_code() {
    for case in cases("awareness.json") {
        let name = case["name"].as_str().expect("a name");
        let bytes = hex(&case);
        let result = scan_awareness(&bytes);
        if case["ok"] == true {
            let entries = result.unwrap_or_else(|fault| panic!("{name}: {fault}"));
            let read: Vec<_> = entries
                .iter()
                .map(|e| serde_json::json!([e.client, e.clock, e.state]))
                .collect();
            assert_eq!(Value::from(read), case["entries"], "{name}");
        } else {
            assert_eq!(fault_of(result, name), case["fault"], "{name}");
        }
    }
}

/// SPEC P1–P4.
#[test]
fn strokes_pack_and_unpack_as_in_javascript() {
    for case in cases("strokes.json") {
        let name = case["name"].as_str().expect("a name");
        let bytes = hex(&case);
        if case["fault"].is_string() {
            assert_eq!(fault_of(stroke::unpack(&bytes), name), case["fault"], "{name}");
            continue;
        }
        let points: Vec<[f64; 3]> = serde_json::from_value(case["points"].clone()).expect("points");
        let back: Vec<[f64; 3]> = serde_json::from_value(case["unpacked"].clone()).expect("points");
        assert_eq!(stroke::pack(&points), bytes, "{name}");
        assert_eq!(stroke::unpack(&bytes), Ok(back), "{name}");
    }
    // What no client sends is packed to something that can be unpacked.
    let odd = [[f64::NAN, f64::INFINITY, -5.0], [1e300, -1e300, 1e300]];
    assert!(stroke::unpack(&stroke::pack(&odd)).is_ok());
}
