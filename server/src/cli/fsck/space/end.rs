//! What is compared when the walk has come to its end: the head row, the members, and what opens.

use super::Walk;
use crate::space::load;
use crate::store::Head;
use crate::store::{SpaceKey, Store, StoreError};

impl Walk {
    /// The table of members against the events.
    pub(super) async fn members(&mut self, store: &Store, key: SpaceKey) -> Result<(), StoreError> {
        if self.holes {
            return Ok(());
        }
        let rows = store.members(key).await?;
        let table = rows.iter().map(|row| (row.member.as_str(), row.away));
        for fault in self.census.compare(table) {
            self.problem(None, "wrong_member", fault);
        }
        Ok(())
    }

    /// The head row against what was counted.
    pub(super) fn head(&mut self, head: Head, sealed: i64) {
        let last = self.expected - 1;
        let facts = [
            ("its newest event", head.seq, last),
            ("its time", head.at, self.at),
            ("its last sealed event", head.sealed_seq, sealed),
            (
                "its count of edits since the snapshot",
                head.log_rows,
                self.log_rows,
            ),
            (
                "its bytes of edits since the snapshot",
                head.log_bytes,
                self.log_bytes,
            ),
        ];
        for (what, says, found) in facts {
            if says != found {
                self.problem(
                    head.seq,
                    "wrong_head",
                    format!("the head says {what} is {says}, found {found}"),
                );
            }
        }
    }

    /// Opens the space as the server does, and compares with the replay of its whole history.
    pub(super) async fn opens(&mut self, store: &Store, key: SpaceKey) {
        let newest = self.expected - 1;
        let opened = match load::read(store, key).await {
            Ok((_, stored)) => load::build(0, &stored),
            Err(error) => Err(error),
        };
        match (opened, &self.replay) {
            (Err(error), _) => {
                self.problem(
                    newest,
                    "does_not_open",
                    format!("the space does not open: {error}"),
                );
            }
            (Ok(doc), Some(replay))
                if doc.clocks() != replay.clocks() || doc.content_hash() != replay.content_hash() =>
            {
                let what = "the space opens with other content than its history gives";
                self.problem(newest, "wrong_content", what);
            }
            (Ok(_), _) => {}
        }
    }
}
