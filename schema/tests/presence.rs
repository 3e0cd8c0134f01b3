//! The golden messages of `/presence` (SPEC M): written here, read here and by the TypeScript tests.
//! `THEXR_BLESS=1 cargo test -p thexr-schema --test presence` writes them anew.

#[path = "presence/as_json.rs"]
mod as_json;
#[path = "presence/poses.rs"]
mod poses;

use as_json::{down_json, hex, up_json};
use poses::poses;
use serde_json::{Value, json};
use thexr_schema::lib0::Reader;
use thexr_schema::presence::down;
use thexr_schema::presence::{
    Change, Down, Entry, Event, Hello, Payloads, Pose, Reason, Record, Said, Up, Welcome, message,
};

fn case(name: &str, direction: &str, payload: &[u8], value: &Value) -> Value {
    json!({"name": name, "direction": direction, "hex": hex(&message(payload)), "value": value})
}

fn ups(cases: &mut Vec<Value>) {
    let token: [u8; 16] = std::array::from_fn(|i| i as u8 * 17);
    let hello = Hello {
        caps: 0,
        want_hz: 20,
        budget_kb: 0,
        yjs_client: 0,
        token: None,
        state: "{}",
    };
    let full = Hello {
        caps: 300,
        want_hz: 72,
        budget_kb: 128,
        yjs_client: 4_294_967_295,
        token: Some(token),
        state: "{\"name\":\"Zoë\",\"colour\":\"#ff8800\"}",
    };
    let mut push = |name: &str, up: Up<'_>, pose: Option<&Pose>| {
        cases.push(case(name, "up", &up.write(), &up_json(&up, pose)));
    };
    push("hello of a newcomer", Up::Hello(hello), None);
    push("hello with everything", Up::Hello(full), None);
    push(
        "view of the open space",
        Up::View {
            zone: "",
            focus: None,
            budget_kb: 0,
        },
        None,
    );
    push(
        "view of a zone",
        Up::View {
            zone: "stage",
            focus: Some((-3, 4000)),
            budget_kb: 16,
        },
        None,
    );
    push(
        "ping",
        Up::Ping {
            id: 65_535,
            t0: 12_345.678,
        },
        None,
    );
    push(
        "rack",
        Up::Rack {
            last_tick: 4_000_000_000,
            age_ms: 513,
        },
        None,
    );
    push("bye", Up::Bye, None);
    push("state", Up::State("{\"name\":\"Ana\"}"), None);
    push(
        "say",
        Up::Say {
            topic: "app:wave",
            key: "1",
            data: b"\"hi\"",
        },
        None,
    );
    push(
        "say nothing",
        Up::Say {
            topic: "preview",
            key: "box/transform",
            data: b"",
        },
        None,
    );
    for (i, (name, pose)) in poses().iter().enumerate() {
        let record = Record::of(pose).expect("finite");
        push(
            name,
            Up::Pose {
                seq: i as u16 * 900,
                t_client: 4_000_000_000 + i as u32,
                record,
            },
            Some(pose),
        );
    }
}

fn downs(cases: &mut Vec<Value>) {
    let id = |n: u8| -> [u8; 16] { std::array::from_fn(|i| i as u8 ^ n) };
    let entry = |handle: u16| Entry {
        handle,
        member: id(handle as u8),
        away: handle.is_multiple_of(2),
        role: 1,
        joined_at: 1_763_900_000_123,
        yjs_client: 4_294_967_295,
        user: "ann",
        name: "Ännchen",
        state: "{\"colour\":\"red\"}",
    };
    let bare = Entry {
        away: false,
        role: 0,
        yjs_client: 0,
        user: "",
        name: "",
        state: "",
        ..entry(513)
    };
    let mut push = |name: &str, payload: Vec<u8>| {
        let value = down_json(&Down::read(&payload).expect(name));
        cases.push(case(name, "down", &payload, &value));
    };
    push(
        "welcome",
        Welcome {
            resumed: true,
            handle: 513,
            member: id(1),
            token: id(2),
            tick_ms: 50,
            tick_now: 4_000_000_000,
            tick0_unix_ms: 1_763_900_000_123.5,
            origin: [1.5, -2.0, 1e6],
            unit_shift: 2,
            grace_ms: 15_000,
            cell_m: 8,
            every: [8, 20],
            budget: 48_000,
            epoch: "e1",
            user: "ann",
            name: "Ännchen",
        }
        .write(),
    );
    push("empty roster", down::roster(0, false, &[]));
    push(
        "roster with more to come",
        down::roster(300, true, &[entry(1), entry(2), bare.clone()]),
    );
    let event = |seq: u64, change: Change<'static>| Event {
        seq,
        at: 1_763_900_000_456,
        handle: 513,
        change,
    };
    let mut events = vec![
        event(7, Change::Joined(bare)),
        event(
            8,
            Change::Suspended {
                heard_at: 1_763_900_000_400,
            },
        ),
        event(9, Change::Resumed),
        event(0, Change::State("{\"x\":1}")),
    ];
    events.extend(
        Reason::ALL
            .iter()
            .zip(10..)
            .map(|(&reason, seq)| event(seq, Change::Left { reason, heard_at: 0 })),
    );
    let mut written = Vec::new();
    events.iter().for_each(|event| event.write(&mut written));
    push("events of every kind", down::events(events.len(), &written));
    push(
        "pong",
        down::pong(65_535, 12_345.678, 1_763_900_000_123.25, 1_763_900_000_123.75),
    );
    push("rate", down::rate(2, 5));
    push(
        "said",
        down::said_all(&[
            Said {
                handle: 1,
                topic: "app:wave",
                key: "1",
                data: b"\"hi\"",
            },
            Said {
                handle: 513,
                topic: "preview",
                key: "box/transform",
                data: b"",
            },
        ]),
    );
    push("empty tick", down::tick_header(7, true, 0, 0, 0).to_vec());
    let mut tick = down::tick_header(4_000_000_000, false, 3, 5, 3).to_vec();
    let all = poses();
    for (i, (_, pose)) in all.iter().enumerate().take(5) {
        let mut record = Record::of(pose).expect("finite");
        record.set_age_ms(i as u32 * 20);
        tick.extend((i as u16 * 300).to_le_bytes());
        tick.extend(record.as_bytes());
    }
    for (i, (_, pose)) in all.iter().enumerate().skip(10).take(3) {
        tick.extend(Record::of(pose).expect("finite").dot(i as u16 * 300));
    }
    push("tick with records and dots", tick);
    push("a kind of a newer protocol", vec![0x99, 1, 2, 3]);
}

fn golden() -> Value {
    let mut cases = Vec::new();
    ups(&mut cases);
    downs(&mut cases);
    Value::from(cases)
}

fn bytes_of(case: &Value) -> Vec<u8> {
    let text = case["hex"].as_str().expect("a case has bytes");
    (0..text.len() / 2)
        .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex"))
        .collect()
}

/// SPEC M2–M7.
#[test]
fn the_golden_messages_are_the_committed_ones() {
    let path = format!("{}/fixtures/presence.json", env!("CARGO_MANIFEST_DIR"));
    let now = golden();
    let lines: Vec<_> = now
        .as_array()
        .expect("cases")
        .iter()
        .map(|case| format!("    {case}"))
        .collect();
    let about = "One WebSocket message of /presence each, who sends it, and what it says.";
    let text = format!(
        "{{\n  \"about\": \"{about}\",\n  \"cases\": [\n{}\n  ]\n}}\n",
        lines.join(",\n")
    );
    if std::env::var_os("THEXR_BLESS").is_some() {
        std::fs::write(&path, &text).expect("the file can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    // Not the texts: the order of keys is a feature of serde_json that other packages of a build may turn on.
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
    assert!(
        read(&committed) == read(&text),
        "presence.json is stale: run with THEXR_BLESS=1"
    );
}

/// SPEC M2, M4.
#[test]
fn the_golden_messages_are_read_and_cut_short_they_are_not() {
    for case in golden().as_array().expect("cases") {
        let bytes = bytes_of(case);
        let payloads: Result<Vec<_>, _> = Payloads::new(&bytes).collect();
        let [payload] = payloads.expect("one message")[..] else {
            panic!("{}", case["name"])
        };
        let up = case["direction"] == "up";
        if up {
            assert_eq!(
                Up::read(payload).expect("read").write(),
                payload,
                "{}",
                case["name"]
            );
        } else {
            assert_eq!(
                down_json(&Down::read(payload).expect("read")),
                case["value"],
                "{}",
                case["name"]
            );
        }
        for cut in 1..payload.len() {
            let unknown = case["value"]["kind"] == "unknown";
            let fails = if up {
                Up::read(&payload[..cut]).is_err()
            } else {
                Down::read(&payload[..cut]).is_err()
            };
            assert!(fails || unknown, "{} cut at {cut}", case["name"]);
        }
    }
}

/// SPEC M6: what Rust packs from the numbers of the file is what the file says.
#[test]
fn every_golden_record_is_a_pose_again() {
    for (name, pose) in poses() {
        let record = Record::of(&pose).expect("finite");
        let mut reader = Reader::new(record.as_bytes());
        assert_eq!(Record::read(&mut reader), Ok(record), "{name}");
        assert!(reader.is_empty(), "{name}");
    }
}
