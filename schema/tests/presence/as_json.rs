//! The messages of `/presence` as the JSON of the golden file.

use serde_json::{Value, json};
use thexr_schema::presence::{Change, Dot, Down, Entry, Event, Joint, Pose, Up, id_text};

/// Bytes as the golden file has them.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn joint_json(joint: &Joint) -> Value {
    json!({"pos": joint.pos, "rot": joint.rot})
}

/// What is absent is left out, so that a TypeScript pose equals it.
pub fn pose_json(pose: &Pose) -> Value {
    let mut value = json!({"head": joint_json(&pose.head)});
    for (name, hand) in [("left", &pose.left), ("right", &pose.right)] {
        let Some(hand) = hand else { continue };
        value[name] = joint_json(&hand.joint);
        for (flag, held) in [("grip", hand.grip), ("trigger", hand.trigger)] {
            if held {
                value[name][flag] = json!(true);
            }
        }
    }
    if let Some(aux) = pose.aux {
        value["aux"] = json!(aux);
    }
    if pose.teleport {
        value["teleport"] = json!(true);
    }
    value
}

fn entry_json(entry: &Entry<'_>) -> Value {
    json!({
        "handle": entry.handle, "member": id_text(&entry.member), "away": entry.away, "role": entry.role,
        "joinedAt": entry.joined_at, "yjsClient": entry.yjs_client, "user": entry.user, "name": entry.name,
        "state": entry.state,
    })
}

fn event_json(event: &Event<'_>) -> Value {
    let (kind, rest) = match &event.change {
        Change::Joined(entry) => ("joined", json!({"entry": entry_json(entry)})),
        Change::Left { reason, heard_at } => {
            ("left", json!({"reason": reason.as_str(), "heardAt": heard_at}))
        }
        Change::Suspended { heard_at } => ("suspended", json!({"heardAt": heard_at})),
        Change::Resumed => ("resumed", json!({})),
        Change::State(state) => ("state", json!({"state": state})),
    };
    let mut value = json!({"kind": kind, "seq": event.seq, "at": event.at, "handle": event.handle});
    for (key, part) in rest.as_object().into_iter().flatten() {
        value[key] = part.clone();
    }
    value
}

fn dot_json(dot: &Dot) -> Value {
    json!({"handle": dot.handle, "pos": dot.pos, "yaw": dot.yaw})
}

/// What a client says; of a POSE also the pose before it was packed.
pub fn up_json(up: &Up<'_>, pose: Option<&Pose>) -> Value {
    match up {
        Up::Hello(hello) => json!({
            "kind": "hello", "caps": hello.caps, "hz": hello.want_hz, "budget": hello.budget_kb,
            "yjsClient": hello.yjs_client, "token": hello.token.as_ref().map(id_text), "state": hello.state,
        }),
        Up::Pose {
            seq,
            t_client,
            record,
        } => json!({
            "kind": "pose", "seq": seq, "t": t_client, "record": hex(record.as_bytes()),
            "pose": pose.map(pose_json), "decoded": pose_json(&record.pose()),
        }),
        Up::View {
            zone,
            focus,
            budget_kb,
        } => {
            json!({"kind": "view", "zone": zone, "focus": focus, "budget": budget_kb})
        }
        Up::Ping { id, t0 } => json!({"kind": "ping", "id": id, "t0": t0}),
        Up::Rack { last_tick, age_ms } => json!({"kind": "rack", "tick": last_tick, "age": age_ms}),
        Up::Bye => json!({"kind": "bye"}),
        Up::State(state) => json!({"kind": "state", "state": state}),
        Up::Say { topic, key, data } => json!({"kind": "say", "topic": topic, "key": key, "data": hex(data)}),
        Up::Unknown(kind) => json!({"kind": "unknown", "id": kind}),
    }
}

/// What the server says.
pub fn down_json(down: &Down<'_>) -> Value {
    match down {
        Down::Welcome(w) => json!({
            "kind": "welcome", "resumed": w.resumed, "handle": w.handle, "member": id_text(&w.member),
            "token": id_text(&w.token), "tickMs": w.tick_ms, "tickNow": w.tick_now, "tick0": w.tick0_unix_ms,
            "origin": w.origin, "unitShift": w.unit_shift, "graceMs": w.grace_ms, "cellM": w.cell_m,
            "every": w.every, "budget": w.budget, "epoch": w.epoch, "user": w.user, "name": w.name,
        }),
        Down::Roster { as_of, more, entries } => json!({
            "kind": "roster", "asOf": as_of, "more": more,
            "entries": entries.iter().map(entry_json).collect::<Vec<_>>(),
        }),
        Down::Events(events) => {
            json!({"kind": "events", "events": events.iter().map(event_json).collect::<Vec<_>>()})
        }
        Down::Tick(tick) => json!({
            "kind": "tick", "tick": tick.tick, "full": tick.full, "shed": tick.shed,
            "records": tick.records().map(|(handle, record)| json!({
                "handle": handle, "ageMs": record.age_ms(), "pose": pose_json(&record.pose()),
            })).collect::<Vec<_>>(),
            "dots": tick.dots().map(|dot| dot_json(&dot)).collect::<Vec<_>>(),
        }),
        Down::Pong { id, t0, t_rx, t_tx } => {
            json!({"kind": "pong", "id": id, "t0": t0, "received": t_rx, "sent": t_tx})
        }
        Down::Rate { shed, hz } => json!({"kind": "rate", "shed": shed, "hz": hz}),
        Down::Said(said) => json!({"kind": "said", "said": said.iter().map(|one| json!({
            "handle": one.handle, "topic": one.topic, "key": one.key, "data": hex(one.data),
        })).collect::<Vec<_>>()}),
        Down::Unknown(kind) => json!({"kind": "unknown", "id": kind}),
    }
}
