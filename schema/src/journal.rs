//! Owns the JSON of the journal (SPEC J1–J6, J10): what happened in a space, how much and when, who was there and for how long; must not know
//! rows or routes. Times are RFC 3339 in UTC with milliseconds, sizes bytes, durations milliseconds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::Change;

/// One thing that happened. Fields that do not belong to its kind are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JournalItem {
    /// Its number in the space: 1, 2, 3 … without holes.
    pub seq: i64,
    /// When it was written; never earlier than that of the item before.
    pub at: String,
    /// `joined`, `suspended`, `resumed`, `left`, `edit`, `compacted`, `restored`, `forked`, `poses` (where members were; listed only when asked for), or a kind of a later version.
    pub kind: String,
    /// The member it is about or that made it: 32 hexadecimal digits, or the name of a connection (`c12`) behind which
    /// is no member yet: the first edit of somebody who is just coming may be of the connection. Absent for what the
    /// server did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Who that is, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Of `joined`: its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of `joined`: `viewer`, `editor` or `admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Of `left`: `bye`, `grace`, `kicked`, `expired`, `shutdown` or `replaced`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of `suspended` and `left`: when it was last heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard: Option<String>,
    /// Of `edit`: size of the update; of `poses`: as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Of `edit`: what it changed; absent when that was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<Change>>,
    /// Of `edit`: how many changes there are beyond those listed, when there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_changes: Option<u32>,
    /// Of `poses`: when the first sample was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_at: Option<String>,
    /// Of `poses`: when the last one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<String>,
    /// Of `poses`: how many samples there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    /// Of `compacted`: the snapshot holds everything up to this event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covered_seq: Option<i64>,
    /// Of `restored`: the edit before it made the document what it was after this event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_seq: Option<i64>,
    /// Of `forked`: what the space began as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkedFrom>,
}

/// A moment of another space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ForkedFrom {
    /// Its id.
    pub space: String,
    /// After this event.
    pub seq: i64,
}

/// Somebody's time in a space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attendance {
    /// Who.
    pub user: String,
    /// The name it used last.
    pub name: String,
    /// The member, when the list is by member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// When it first came; null when that is older than what the journal keeps.
    pub first_seen: Option<String>,
    /// When it was last heard; null while it is there.
    pub last_heard: Option<String>,
    /// When it had left for good; null while it is there or may come back.
    pub left: Option<String>,
    /// Why the last of its members left: `bye`, `grace`, `kicked`, `expired`, `shutdown` or `replaced`.
    pub reason: Option<String>,
    /// Time it was connected; two tabs at once count once.
    pub total_ms: i64,
    /// How many members it was: tabs, devices, visits.
    pub members: u32,
    /// How often one of them was lost and came back.
    pub reconnects: u32,
}

/// How much happened in a stretch of time, and who was there: what a timeline is drawn from (SPEC J10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Activity {
    /// Where the first bucket begins.
    pub from: String,
    /// The last moment that counts.
    pub to: String,
    /// Before `from` the space was what it was after this event.
    pub seq_from: i64,
    /// At `to` after this one.
    pub seq_to: i64,
    /// The oldest moment that is kept.
    pub oldest_seq: i64,
    /// The newest event of the space.
    pub newest_seq: i64,
    /// How long a bucket is.
    pub bucket_ms: i64,
    /// One after the other, without a gap; the last may reach beyond `to`.
    pub buckets: Vec<ActivityBucket>,
    /// Who was there within that time, in the order in which they came.
    pub members: Vec<ActivityMember>,
    /// Members that were there beyond those listed.
    pub more_members: u32,
    /// Who was there is only known from here on: what is older was too much to look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members_from: Option<String>,
}

/// What happened in a piece of that time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActivityBucket {
    /// Edits.
    pub edits: u64,
    /// Members that were connected at some time of it, those too that are not listed.
    pub members: u32,
    /// The space at its end is what it was after this event.
    pub seq: i64,
}

/// A member's time in a space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActivityMember {
    /// The member.
    pub member: String,
    /// Who that is.
    pub user: String,
    /// The name it came with.
    pub name: String,
    /// When it was there, in order.
    pub spans: Vec<ActivitySpan>,
}

/// From when to when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActivitySpan {
    /// Not before the `from` of the whole.
    pub from: String,
    /// Null: it goes on.
    pub to: Option<String>,
    /// It was lost, and might have come back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub away: bool,
}
