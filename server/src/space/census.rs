//! Who must be in a space, going by its events. The table of members is kept beside them for speed; this is how it is
//! proved.

use crate::store::{Event, EventKind};
use std::collections::HashMap;

/// What the events say so far.
pub struct Census {
    /// Each member's last word. Who has left is remembered as long as somebody may be there whose join is pruned.
    last: HashMap<String, Word>,
    /// The history begins with the space.
    whole: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Here,
    Away,
    Left,
}

impl Census {
    /// Of a history whose first `base_seq` events are pruned.
    pub fn new(base_seq: i64) -> Self {
        Self {
            last: HashMap::new(),
            whole: base_seq == 0,
        }
    }

    /// Takes the next event into account.
    pub fn event(&mut self, event: &Event) {
        const JOINED: i64 = EventKind::Joined as i64;
        const SUSPENDED: i64 = EventKind::Suspended as i64;
        const RESUMED: i64 = EventKind::Resumed as i64;
        const LEFT: i64 = EventKind::Left as i64;
        let Some(member) = &event.member else { return };
        let word = match event.kind {
            JOINED | RESUMED => Word::Here,
            SUSPENDED => Word::Away,
            LEFT => Word::Left,
            _ => return,
        };
        if word == Word::Left && self.whole {
            self.last.remove(member);
        } else {
            self.last.insert(member.clone(), word);
        }
    }

    /// What is wrong with a table of members (id, away), in words.
    pub fn compare<'a>(&self, table: impl Iterator<Item = (&'a str, bool)>) -> Vec<String> {
        let mut faults = Vec::new();
        let mut missing = self.last.clone();
        missing.retain(|_, word| *word != Word::Left);
        for (member, away) in table {
            missing.remove(member);
            let fault = match (self.last.get(member), away) {
                (Some(Word::Here), false) | (Some(Word::Away), true) => continue,
                (None, _) if !self.whole => continue,
                (Some(Word::Here), true) => "is away, but the events say it is here",
                (Some(Word::Away), false) => "is here, but the events say it is away",
                (Some(Word::Left), _) => "is in the table, but the events say it has left",
                (None, _) => "is in the table, but no event says that it is here",
            };
            faults.push(format!("member {member} {fault}"));
        }
        let mut missing: Vec<String> = missing.into_keys().collect();
        missing.sort_unstable();
        let missing = missing.iter();
        faults
            .extend(missing.map(|member| {
                format!("member {member} is not in the table, but no event says that it left")
            }));
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use thexr_schema::ids::Seq;

    fn census(base: i64, events: &[(EventKind, &str)]) -> Census {
        let mut census = Census::new(base);
        for (kind, member) in events {
            census.event(&Event {
                seq: Seq(1),
                at: 0,
                kind: *kind as i64,
                member: Some((*member).to_owned()),
                user: None,
                payload: Bytes::new(),
                changes: None,
            });
        }
        census
    }

    #[test]
    fn the_table_is_what_the_events_add_up_to() {
        use EventKind::{Edit, Joined, Left, Resumed, Suspended};
        let events = [
            (Joined, "ada"),
            (Joined, "ben"),
            (Edit, "eve"),
            (Suspended, "ben"),
            (Joined, "cy"),
            (Left, "cy"),
            (Suspended, "ada"),
            (Resumed, "ada"),
        ];
        let good = [("ada", false), ("ben", true)];
        let faults =
            |base, table: &[(&str, bool)]| census(base, &events).compare(table.iter().copied()).len();
        for base in [0, 7] {
            assert_eq!(faults(base, &good), 0);
            assert_eq!(faults(base, &good[..1]), 1, "ben is missing");
            assert_eq!(faults(base, &[("ada", true), ("ben", true)]), 1, "ada is here");
            assert_eq!(faults(base, &[good[0], good[1], ("cy", false)]), 1, "cy has left");
        }
        assert_eq!(
            faults(0, &[good[0], good[1], ("dan", false)]),
            1,
            "dan never came"
        );
        assert_eq!(
            faults(7, &[good[0], good[1], ("dan", false)]),
            0,
            "dan came before what is kept"
        );
    }
}
