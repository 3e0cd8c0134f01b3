//! What the actor sees to on its own: expiry, schedules, idleness, and what is unsaved at the end.

use super::jobs::Done;
use super::{Actor, Exit};
use crate::limits;
use tokio::time::Instant;

impl Actor {
    pub(super) fn housekeeping(&mut self, now: Instant) -> Option<Exit> {
        self.look_after_cursors(now);
        self.expire_members(now);
        self.compact_if_due(now);
        // Ticks end with the last member, and its track is to be stored all the same: whoever looks then sees all of it.
        let chunk = if self.people.len() == 0 {
            self.track.close()
        } else {
            self.track.close_if_due(now)
        };
        self.pack(chunk);
        // A member that is away is still owed its leave.
        let nobody = self.people.len() == 0 && self.roster.as_ref().is_some_and(|roster| roster.len() == 0);
        let quiet = nobody
            && self.fanout.len() == 0
            && self.saver.is_idle()
            && self.track.is_empty()
            && self.jobs.is_empty();
        if quiet && self.doc.is_some() && now.duration_since(self.idle_since) >= self.context.idle {
            return (self.retire)().then_some(Exit::Idle);
        }
        None
    }

    /// Starts a compaction of our own when the policy asks for one.
    pub(super) fn compact_if_due(&mut self, now: Instant) {
        let policy = &self.context.compaction;
        let since = now.duration_since(self.last_compaction);
        // Joins and leaves are read over when a space is opened: many of them are a long log too.
        let rows = (self.seq.0 - self.row.snap_seq.0) / limits::LOG_ROWS_PER_EDIT;
        let long = self.row.log_rows.max(rows) >= policy.updates
            || self.row.log_bytes >= policy.bytes
            || self.pose_bytes >= limits::POSE_LOG_BYTES
                && self.seq.0 - self.row.snap_seq.0 >= limits::QUIET_LOG_ROWS;
        // Everybody has gone: the next one to come is served from the snapshot as it is stored.
        let left = self.fanout.len() == 0 && self.row.log_bytes >= limits::LEFT_LOG_BYTES;
        let due = long && since >= policy.min_gap
            || self.row.log_rows > 0 && since >= policy.interval
            || left && now.duration_since(self.idle_since) >= limits::HOUSEKEEPING;
        if due && self.compaction.is_none() && self.doc.is_some() {
            self.compact(false, None, now);
        }
    }

    /// After the end of the loop: what the saver holds is made durable, acknowledged and relayed.
    pub(super) async fn drain(&mut self) {
        let deadline = Instant::now() + limits::SHUTDOWN_SAVE;
        let chunk = self.track.close();
        self.pack(chunk);
        self.start_save(deadline);
        while !self.saver.is_idle() || self.packing > 0 {
            let Ok(Some(done)) = tokio::time::timeout_at(deadline, self.jobs.join_next()).await else {
                return;
            };
            if let Ok(done @ (Done::Saved(_) | Done::Packed(_))) = done
                && self.job_done(done, Instant::now()).is_some()
            {
                return;
            }
            self.start_save(deadline);
        }
    }
}
