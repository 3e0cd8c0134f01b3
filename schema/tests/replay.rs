//! The messages that steer a replay, as bytes that both languages agree on.

use serde_json::{Value, json};
use thexr_schema::frame::REPLAY;
use thexr_schema::lib0::Reader;
use thexr_schema::replay::{Order, Position, State, Target, Told};

fn case(name: &str, direction: &str, bytes: &[u8], value: &Value) -> Value {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"name": name, "direction": direction, "hex": hex, "value": value})
}

fn golden() -> Vec<Value> {
    let up = |name, order: Order, value| case(name, "up", &order.write(), &value);
    let seek = |id, to| Order::Seek { id, to };
    let step = |id, back, events| Order::Step { id, back, events };
    let position = Position {
        id: 300,
        seq: 12,
        at: 1_700_000_000_123,
        state: State::Ended,
        speed: 0.25,
        oldest: 3,
        newest: 12,
        range: [1_600_000_000_000, 1_700_000_000_123],
    };
    let told = json!({"kind": "position", "id": 300, "seq": 12, "at": 1_700_000_000_123u64, "state": "ended", "speed": 0.25,
        "oldest": 3, "newest": 12, "start": 1_600_000_000_000u64, "end": 1_700_000_000_123u64});
    let reset = Told::Reset {
        id: 7,
        seq: 200,
        at: 1_700_000_000_000,
    };
    vec![
        up("play", Order::Play, json!({"kind": "play"})),
        up("pause", Order::Pause, json!({"kind": "pause"})),
        up(
            "seek to an event",
            seek(1, Target::Seq(300)),
            json!({"kind": "seek", "id": 1, "seq": 300}),
        ),
        up(
            "seek to a time",
            seek(200, Target::Time(1_700_000_000_000)),
            json!({"kind": "seek", "id": 200, "time": 1_700_000_000_000u64}),
        ),
        up(
            "a step forward",
            step(2, false, 1),
            json!({"kind": "step", "id": 2, "events": 1}),
        ),
        up(
            "steps back",
            step(3, true, 100),
            json!({"kind": "step", "id": 3, "events": -100}),
        ),
        up(
            "speed",
            Order::Speed(64.0),
            json!({"kind": "speed", "speed": 64.0}),
        ),
        case(
            "reset",
            "down",
            &reset.write(),
            &json!({"kind": "reset", "id": 7, "seq": 200, "at": 1_700_000_000_000u64}),
        ),
        case("position", "down", &Told::Position(position).write(), &told),
        case(
            "a kind of a newer protocol",
            "down",
            &Told::Unknown(0x99).write(),
            &json!({"kind": "unknown"}),
        ),
    ]
}

/// SPEC R3, R4.
#[test]
fn the_golden_messages_are_the_committed_ones_and_are_read_again() {
    let path = format!("{}/fixtures/replay.json", env!("CARGO_MANIFEST_DIR"));
    let lines: Vec<String> = golden().iter().map(|case| format!("    {case}")).collect();
    let about = "One message of outer id 103 on /replay each, who sends it, and what it says.";
    let text = format!(
        "{{\n  \"about\": \"{about}\",\n  \"cases\": [\n{}\n  ]\n}}\n",
        lines.join(",\n")
    );
    if std::env::var_os("THEXR_BLESS").is_some() {
        std::fs::write(&path, &text).expect("the file can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    assert!(
        read(&committed) == read(&text),
        "replay.json is stale: run with THEXR_BLESS=1"
    );
    for case in golden() {
        let hex = case["hex"].as_str().expect("bytes");
        let byte = |i: usize| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex");
        let bytes: Vec<u8> = (0..hex.len() / 2).map(byte).collect();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.var_u64(), Ok(REPLAY));
        let payload = reader.bytes().expect("a payload");
        let again = if case["direction"] == "up" {
            Order::read(payload).expect("an order").write()
        } else {
            Told::read(payload).expect("told").write()
        };
        assert_eq!(again, bytes, "{}", case["name"]);
    }
}
