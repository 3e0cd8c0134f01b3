//! Who is there, as one client has been told (SPEC M8): kept only where a benchmark compares what clients know.

use std::collections::BTreeMap;
use thexr_schema::presence::{Change, Down, Id};

/// What a client knows of the members.
#[derive(Default)]
pub struct Roster {
    members: BTreeMap<u16, (Id, bool)>,
    /// The roster's last part has come.
    pub whole: bool,
    /// What the roster showed already.
    as_of: u64,
    newest_seq: u64,
    /// Events told since the counts were last taken.
    pub told: Told,
    /// Events that the roster had shown already: told once for everybody, and skipped by the newest members.
    pub again: u32,
    /// Events that were not newer than one before, or about nobody.
    pub faults: u32,
}

/// Numbers of events.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Came.
    pub joined: u32,
    /// Went.
    pub left: u32,
    /// Lost.
    pub suspended: u32,
    /// Back.
    pub resumed: u32,
}

impl Roster {
    /// Takes in a ROSTER or EVENTS.
    pub fn take_in(&mut self, down: &Down<'_>) {
        match down {
            Down::Roster { as_of, more, entries } => {
                if self.whole {
                    // A second roster replaces the first.
                    self.members.clear();
                }
                self.whole = !more;
                self.as_of = *as_of;
                let members = entries.iter().map(|e| (e.handle, (e.member, e.away)));
                self.members.extend(members);
            }
            Down::Events(events) => {
                for event in events {
                    if event.seq > 0 && event.seq <= self.as_of {
                        self.again += 1;
                        continue;
                    }
                    if let (0, Change::Joined(entry)) = (event.seq, &event.change) {
                        // It is there, and told as it is now (SPEC M8).
                        self.faults += u32::from(!self.members.contains_key(&event.handle));
                        self.members.insert(event.handle, (entry.member, entry.away));
                        continue;
                    }
                    if event.seq > 0 {
                        self.faults += u32::from(event.seq <= self.newest_seq);
                        self.newest_seq = event.seq;
                    }
                    self.change(event.handle, &event.change);
                }
            }
            _ => {}
        }
    }

    fn change(&mut self, handle: u16, change: &Change<'_>) {
        let known = self.members.get(&handle).copied();
        match change {
            Change::Joined(entry) => {
                self.told.joined += 1;
                self.again += u32::from(known.is_some());
                self.members.insert(handle, (entry.member, entry.away));
                return;
            }
            Change::Left { .. } => {
                self.told.left += 1;
                self.members.remove(&handle);
            }
            Change::Suspended { .. } => {
                self.told.suspended += 1;
                self.set_away(handle, true);
            }
            Change::Resumed => {
                self.told.resumed += 1;
                self.set_away(handle, false);
            }
            Change::State(_) => {}
        }
        self.faults += u32::from(known.is_none());
    }

    /// A roster may be ahead of the events that follow it: then they tell what it showed.
    fn set_away(&mut self, handle: u16, away: bool) {
        if let Some(member) = self.members.get_mut(&handle) {
            self.again += u32::from(member.1 == away);
            member.1 = away;
        }
    }

    /// How many members it holds, and how many of them are away.
    pub fn count(&self) -> (usize, usize) {
        (self.members.len(), self.members.values().filter(|m| m.1).count())
    }

    /// True when both know the same members in the same state.
    pub fn is_like(&self, other: &Self) -> bool {
        self.members == other.members
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thexr_schema::presence::{Entry, Event};

    #[test]
    fn events_after_a_roster_are_counted_and_faults_are_seen() {
        let entry = |handle: u16| Entry {
            handle,
            member: [handle as u8; 16],
            away: false,
            role: 1,
            joined_at: 0,
            yjs_client: 0,
            user: "u",
            name: "n",
            state: "{}",
        };
        let event = |seq, handle, change| Event {
            seq,
            at: 0,
            handle,
            change,
        };
        let mut roster = Roster::default();
        for (more, handle) in [(true, 1), (false, 2)] {
            roster.take_in(&Down::Roster {
                as_of: 5,
                more,
                entries: vec![entry(handle)],
            });
        }
        roster.take_in(&Down::Events(vec![
            event(5, 2, Change::Joined(entry(2))),
            event(6, 3, Change::Joined(entry(3))),
            event(7, 1, Change::Suspended { heard_at: 0 }),
            event(8, 1, Change::Resumed),
            event(9, 2, Change::Suspended { heard_at: 0 }),
        ]));
        assert_eq!((roster.count(), roster.faults, roster.again), ((3, 1), 0, 1));
        assert_eq!(
            roster.told,
            Told {
                joined: 1,
                left: 0,
                suspended: 2,
                resumed: 1
            }
        );
        roster.take_in(&Down::Events(vec![event(9, 4, Change::Resumed)]));
        assert_eq!(roster.faults, 2);
    }
}
