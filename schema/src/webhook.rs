//! Owns the JSON of webhooks (SPEC N1–N8): what administrators say and are shown, and what an endpoint is sent; must not
//! know rows, routes or sockets. Times are RFC 3339 in UTC with milliseconds, durations milliseconds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::journal::JournalItem;

/// A webhook to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWebhook {
    /// Where deliveries go: http:// or https://.
    pub url: String,
    /// The space it is of; without it, every space of the server, those that come later too.
    #[serde(default)]
    pub space: Option<String>,
    /// What it is told of, by the journal's names of kinds; without it, everything that the journal lists,
    /// kinds of later versions too.
    #[serde(default)]
    pub kinds: Option<Vec<String>>,
    /// What deliveries are signed with, 16 to 256 bytes; without it, one is made up.
    #[serde(default)]
    pub secret: Option<String>,
    /// Begin behind this event of each space that there is (0 = with all that is kept); without it, with what comes.
    #[serde(default)]
    pub after: Option<i64>,
}

/// A webhook as it is shown; its secret is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookInfo {
    /// Its id.
    pub id: String,
    /// The space it is of; null = every space of the server.
    pub space: Option<String>,
    /// Where deliveries go.
    pub url: String,
    /// What it is told of; null = everything that the journal lists.
    pub kinds: Option<Vec<String>>,
    /// `active` or `paused`.
    pub state: String,
    /// When it was made.
    pub created_at: String,
    /// When a delivery was last taken.
    pub told_at: Option<String>,
    /// What went wrong last. Once a delivery was taken again it is null, or which events were pruned before they were told, until
    /// the webhook, not being paused, is set active once more.
    pub error: Option<String>,
    /// When that was.
    pub error_at: Option<String>,
}

/// A webhook that was just made: the only time its secret is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewWebhook {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: WebhookInfo,
    /// What its deliveries are signed with.
    pub secret: String,
}

/// Pauses a webhook or goes on with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetWebhook {
    /// `active` or `paused`.
    pub state: String,
}

/// A batch that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// Its number.
    pub id: i64,
    /// The space.
    pub space: String,
    /// The first event of the batch.
    pub first_seq: i64,
    /// The last.
    pub last_seq: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong last.
    pub error: String,
    /// When it was given up, or last tried since.
    pub at: String,
    /// True while it waits to be tried again.
    pub due: bool,
}

/// What was asked for with `…/dead-letters/retry`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RetriedDeadLetters {
    /// So many will be tried once more, one after the other, in order.
    pub due: u64,
}

/// What came of a ping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pinged {
    /// The endpoint took it (2xx).
    pub taken: bool,
    /// What it answered; null when it did not.
    pub status: Option<u16>,
    /// Why there was no answer.
    pub error: Option<String>,
    /// How long that took.
    pub took_ms: u64,
    /// The delivery's id.
    pub delivery: String,
}

/// What an endpoint is sent: everything of the hook's kinds that happened in a space from one event to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// The webhook's id.
    pub webhook: String,
    /// The delivery's id: the same on every attempt.
    pub delivery: String,
    /// The space.
    pub space: String,
    /// Its epoch: numbers of another epoch are other events.
    pub epoch: String,
    /// The batch begins with this event: one more than `last_seq` of the batch before.
    pub first_seq: i64,
    /// And ends with this one.
    pub last_seq: i64,
    /// What happened, as the journal shows it; events of other kinds are not in it.
    pub items: Vec<JournalItem>,
}

/// What an endpoint is sent to try it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ping {
    /// The webhook's id; null from the command line.
    pub webhook: Option<String>,
    /// The delivery's id.
    pub delivery: String,
    /// Always true.
    pub ping: bool,
}
