//! What a stored event means to whoever reads the journal, over HTTP or from a webhook: rows into JSON. Must not know
//! who asks.

use crate::clock::rfc3339;
use crate::store::{Event, EventKind, Kinds};
use serde_json::Value;
use thexr_schema::change::Changes;
use thexr_schema::journal::{ForkedFrom, JournalItem};
use thexr_schema::lib0::Reader;
use thexr_schema::track::Header;

/// Names of kinds, as the journal shows them and takes them.
const KINDS: [(EventKind, &str); 9] = [
    (EventKind::Edit, "edit"),
    (EventKind::Joined, "joined"),
    (EventKind::Suspended, "suspended"),
    (EventKind::Resumed, "resumed"),
    (EventKind::Left, "left"),
    (EventKind::Compacted, "compacted"),
    (EventKind::Poses, "poses"),
    (EventKind::Restored, "restored"),
    (EventKind::Forked, "forked"),
];

/// A kind that there is not, in the field of this name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is some of {names}", names = names().join(","))]
pub struct NoKind(&'static str);

fn names() -> Vec<&'static str> {
    KINDS.iter().map(|(_, name)| *name).collect()
}

/// The kinds of these names, which somebody gave in `field`.
pub fn kinds<'a>(field: &'static str, names: impl Iterator<Item = &'a str>) -> Result<Kinds, NoKind> {
    let known = |name: &str| {
        KINDS
            .iter()
            .find(|(_, n)| *n == name.trim())
            .map(|(kind, _)| *kind)
    };
    let found: Result<Vec<EventKind>, NoKind> = names.map(|name| known(name).ok_or(NoKind(field))).collect();
    Ok(Kinds::of(&found?))
}

/// The names of these kinds; `None` when it is what is listed without being asked for.
pub fn names_of(kinds: Kinds) -> Option<Vec<String>> {
    let wanted = KINDS.iter().filter(|(kind, _)| kinds.has(*kind as i64));
    (kinds != Kinds::LISTED).then(|| wanted.map(|(_, name)| (*name).to_owned()).collect())
}

/// What a stored number of a role is called.
pub fn role(number: u64) -> &'static str {
    match number {
        0 => "viewer",
        1 => "editor",
        _ => "admin",
    }
}

/// An event as programs are shown it.
pub fn shown(event: &Event) -> JournalItem {
    let kind = KINDS.iter().find(|(kind, _)| *kind as i64 == event.kind);
    let mut item = JournalItem {
        seq: event.seq.0,
        at: rfc3339(event.at),
        kind: kind.map_or_else(|| format!("kind_{}", event.kind), |(_, name)| (*name).to_owned()),
        member: event.member.clone(),
        user: event.user.clone(),
        ..JournalItem::default()
    };
    if event.kind == EventKind::Edit as i64 {
        item.bytes = Some(event.payload.len() as u64);
        if let Some(changes) = event.changes.as_deref().map(Changes::from_text) {
            item.more_changes = Some(changes.more).filter(|more| *more > 0);
            item.changes = Some(changes.items);
        }
        return item;
    }
    if event.kind == EventKind::Poses as i64 {
        item.bytes = Some(event.payload.len() as u64);
        if let Ok(header) = Header::read(&mut Reader::new(&event.payload)) {
            let time = |ms: u64| rfc3339(i64::try_from(ms).unwrap_or(i64::MAX));
            item.first_at = Some(time(header.first_at));
            item.last_at = Some(time(header.first_at.saturating_add(header.span_ms)));
            item.samples = Some(header.samples);
        }
        return item;
    }
    let note: Value = serde_json::from_slice(&event.payload).unwrap_or_default();
    let text = |key: &str| note[key].as_str().map(str::to_owned);
    item.name = text("name");
    item.reason = text("reason");
    item.role = note["role"].as_u64().map(|n| role(n).to_owned());
    item.last_heard = note["last_heard"].as_i64().map(rfc3339);
    item.restored_seq = note["restored_seq"].as_i64();
    item.forked_from = text("space")
        .zip(note["forked_seq"].as_i64())
        .map(|(space, seq)| ForkedFrom { space, seq });
    item.covered_seq = note["covered_seq"].as_i64();
    item
}
