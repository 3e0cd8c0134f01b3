//! What happened to a member, read back from the journal: the other end of [`super::Fact::event`].

use crate::store::{Event, EventKind};
use serde::Deserialize;
use thexr_schema::presence::Reason;

/// An event about a member, in its own words.
#[derive(Debug)]
pub struct Recall<'a> {
    /// 32 hexadecimal digits.
    pub member: &'a str,
    /// Who it is, when that is known.
    pub user: Option<&'a str>,
    /// When it was last heard; of what is no loss, when it happened.
    pub heard_at: i64,
    /// What it was.
    pub turn: Turn,
}

/// What it was.
#[derive(Debug)]
pub enum Turn {
    /// It came.
    Joined(Newcomer),
    /// Its connection was lost.
    Suspended,
    /// It came back, with a document of this client id, when it says.
    Resumed(Option<u64>),
    /// It went; without a reason when that is one of a later version.
    Left(Option<Reason>),
}

/// Who came.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Newcomer {
    /// The short number of its poses.
    pub handle: Option<u16>,
    /// Its name.
    pub name: String,
    /// 0 viewer, 1 editor, 2 admin.
    pub role: u8,
    /// The client id of its document; 0 = none.
    pub yjs: u64,
    /// What it said of itself, JSON, when it said something.
    pub state: Option<String>,
}

/// What the other turns carry.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Note {
    last_heard: Option<i64>,
    yjs: Option<u64>,
    reason: String,
}

impl<'a> Recall<'a> {
    /// None when the event is about no member.
    pub fn of(event: &'a Event) -> Option<Self> {
        const JOINED: i64 = EventKind::Joined as i64;
        const SUSPENDED: i64 = EventKind::Suspended as i64;
        const RESUMED: i64 = EventKind::Resumed as i64;
        const LEFT: i64 = EventKind::Left as i64;
        let member = event.member.as_deref()?;
        // What is not as it is written today says nothing more than that it happened.
        let note = || serde_json::from_slice::<Note>(&event.payload).unwrap_or_default();
        let (turn, heard) = match event.kind {
            JOINED => {
                let who = serde_json::from_slice(&event.payload).unwrap_or_default();
                (Turn::Joined(who), None)
            }
            SUSPENDED => (Turn::Suspended, note().last_heard),
            RESUMED => (Turn::Resumed(note().yjs), None),
            LEFT => {
                let note = note();
                let reason = Reason::ALL
                    .into_iter()
                    .find(|reason| reason.as_str() == note.reason);
                (Turn::Left(reason), note.last_heard)
            }
            _ => return None,
        };
        Some(Self {
            member,
            user: event.user.as_deref(),
            heard_at: heard.unwrap_or(event.at).min(event.at),
            turn,
        })
    }

    /// True when it is here after this.
    pub fn is_here(&self) -> bool {
        matches!(self.turn, Turn::Joined(_) | Turn::Resumed(_))
    }

    /// What one that the journal does not reach back to was before this: away when that is what has just ended.
    pub fn was_away(&self) -> bool {
        matches!(
            self.turn,
            Turn::Resumed(_) | Turn::Left(Some(Reason::Grace | Reason::Shutdown))
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Entered, Identity, Roster};
    use super::*;
    use crate::space::ConnId;
    use std::time::Duration;
    use thexr_schema::ids::Seq;
    use tokio::time::Instant;

    fn stored(fact: &super::super::Fact, at: i64) -> Event {
        let new = fact.event();
        Event {
            seq: Seq(1),
            at,
            kind: new.kind as i64,
            member: new.member.as_deref().map(str::to_owned),
            user: new.user.as_deref().map(str::to_owned),
            payload: new.payload,
            changes: None,
        }
    }

    #[test]
    fn what_is_written_of_a_member_is_read_back() {
        let now = Instant::now();
        let (mut roster, _) = Roster::restored(Vec::new(), Duration::from_secs(15), now, 0, 0, 0);
        let who = Identity {
            user: "ana".into(),
            name: "Ana".into(),
            role: 2,
        };
        let Entered::New(joined, token) = roster.enter(ConnId(1), who.clone(), None, 7, "{\"a\":1}", now)
        else {
            panic!("new")
        };
        let event = stored(&joined, 10);
        let recall = Recall::of(&event).expect("about a member");
        assert!(
            recall.user == Some("ana") && recall.heard_at == 10 && recall.is_here() && !recall.was_away()
        );
        let Turn::Joined(newcomer) = recall.turn else {
            panic!("{recall:?}")
        };
        assert_eq!(newcomer.handle, Some(joined.handle));
        assert_eq!((&*newcomer.name, newcomer.role, newcomer.yjs), ("Ana", 2, 7));
        assert_eq!(newcomer.state.as_deref(), Some("{\"a\":1}"));

        let lost = stored(&roster.lost(ConnId(1), 15, now).expect("was here"), 20);
        let lost = Recall::of(&lost).expect("about a member");
        assert!(matches!(lost.turn, Turn::Suspended) && lost.heard_at == 15 && !lost.is_here());
        let Entered::Resumed(back) = roster.enter(ConnId(2), who, Some(token), 9, "{}", now) else {
            panic!("back")
        };
        let back = stored(&back, 25);
        let back = Recall::of(&back).expect("about a member");
        assert!(matches!(back.turn, Turn::Resumed(Some(9))) && back.was_away());
        for reason in Reason::ALL {
            roster.lost(ConnId(2), 26, now);
            let gone = roster.leave(joined.handle, reason, 26, now);
            let Some(gone) = gone else { break };
            let gone = stored(&gone, 30);
            let gone = Recall::of(&gone).expect("about a member");
            assert!(matches!(gone.turn, Turn::Left(Some(r)) if r == reason));
        }
    }

    #[test]
    fn what_cannot_be_read_still_happened() {
        let mut event = Event {
            seq: Seq(1),
            at: 5,
            kind: EventKind::Left as i64,
            member: Some("m".into()),
            user: Some("u".into()),
            payload: "nonsense".into(),
            changes: None,
        };
        let recall = Recall::of(&event).expect("about a member");
        assert!(matches!(recall.turn, Turn::Left(None)) && recall.heard_at == 5);
        event.kind = EventKind::Edit as i64;
        assert!(Recall::of(&event).is_none());
    }
}
