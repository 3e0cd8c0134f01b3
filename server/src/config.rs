//! The settings: flags, then environment, then a TOML file, then defaults. Secrets never print.

pub mod settings;
pub mod units;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything the server can be told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The data folder.
    pub data: PathBuf,
    /// What admin requests must carry; `None` = the admin endpoints do not exist.
    pub admin_token: Option<Secret>,
    /// Whether the journal says what each edit changed.
    pub journal_changes: bool,
    /// How often a second where people are is written down; 0 = never.
    pub pose_track_hz: u32,
    /// How much of its past a space keeps that is told nothing else.
    pub history: HistoryConfig,
    /// When to compact without being asked.
    pub compaction: CompactionConfig,
    /// How long a space without sockets stays in memory.
    pub idle: Duration,
    /// How long a member whose connection was lost is kept before it counts as gone.
    pub grace: Duration,
    /// Encoded bytes a document may grow to.
    pub doc_bytes_max: usize,
    /// Sockets of the whole process, HTTP and WebSocket together.
    pub connections_max: usize,
    /// Messages per second one connection may send for long, and at once.
    pub message_rate: Rate,
    /// Payload bytes per second one connection may send for long, and at once.
    pub byte_rate: Rate,
    /// How patient webhooks are.
    pub webhook: WebhookConfig,
    /// Origins of other sites whose pages may connect; our own and local ones always may.
    pub origins: Vec<String>,
}

/// A token bucket: `per_second` for long, `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Refill per second.
    pub per_second: f64,
    /// Size of the bucket.
    pub burst: f64,
}

/// How much of its past a space keeps; 0 = all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistoryConfig {
    /// Days.
    pub days: i64,
    /// Bytes of snapshots and sealed events.
    pub bytes: i64,
}

/// When a space is compacted on its own.
#[derive(Debug, Clone)]
pub struct CompactionConfig {
    /// Edits since the snapshot.
    pub updates: i64,
    /// Their bytes.
    pub bytes: i64,
    /// Least time between two compactions that the log's length asks for: under a constant load the log is long
    /// again at once, and a longer log costs less than compacting all the time.
    pub min_gap: Duration,
    /// A space with any edits since the snapshot is compacted this long after the last time.
    pub interval: Duration,
}

/// How patient webhooks are. Not among the settings: the defaults suit any endpoint.
#[derive(Debug, Clone, Copy)]
pub struct WebhookConfig {
    /// Least time between two deliveries of a space that are not full.
    pub gather: Duration,
    /// How long an endpoint may take to answer.
    pub answer: Duration,
    /// Wait after the first failed attempt; doubles.
    pub backoff_first: Duration,
    /// Longest wait.
    pub backoff_max: Duration,
    /// A batch is given up after this many attempts at the earliest …
    pub attempts_min: u32,
    /// … and not before this much time.
    pub give_up: Duration,
}

/// Why the server does not start with these settings: one line that says which setting and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadConfig(pub String);

/// A string that does not print.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes over a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// 256 random bits, safe in a header and a URL.
    pub fn random() -> Self {
        use base64::Engine;
        let bytes: [u8; 32] = rand::random();
        Self(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in time that does not tell how far the two agree.
    pub fn matches(&self, given: &str) -> bool {
        let (ours, given) = (self.0.as_bytes(), given.as_bytes());
        let mut differ = ours.len() ^ given.len();
        for (i, byte) in given.iter().enumerate() {
            differ |= usize::from(byte ^ ours.get(i % ours.len().max(1)).copied().unwrap_or(0));
        }
        differ == 0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4000)),
            data: PathBuf::from("./thexr-data"),
            admin_token: None,
            journal_changes: true,
            pose_track_hz: 1,
            // Nobody's past is thrown away because nobody was asked.
            history: HistoryConfig::default(),
            compaction: CompactionConfig::default(),
            idle: Duration::from_secs(60),
            grace: crate::limits::GRACE,
            doc_bytes_max: 64 << 20,
            connections_max: 10_000,
            message_rate: Rate {
                per_second: 5_000.0,
                burst: 20_000.0,
            },
            byte_rate: Rate {
                per_second: (8 << 20) as f64,
                burst: (32 << 20) as f64,
            },
            webhook: WebhookConfig::default(),
            origins: Vec::new(),
        }
    }
}

impl Default for CompactionConfig {
    fn default() -> Self {
        Self {
            updates: 2_000,
            bytes: 4 << 20,
            min_gap: Duration::from_secs(30),
            interval: Duration::from_secs(600),
        }
    }
}

impl Default for WebhookConfig {
    fn default() -> Self {
        use crate::limits;
        Self {
            gather: limits::WEBHOOK_GATHER,
            answer: limits::WEBHOOK_ANSWER,
            backoff_first: limits::WEBHOOK_BACKOFF_FIRST,
            backoff_max: limits::WEBHOOK_BACKOFF_MAX,
            attempts_min: limits::WEBHOOK_ATTEMPTS_MIN,
            give_up: limits::WEBHOOK_GIVE_UP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_itself_only_and_never_prints() {
        let secret = Secret::new("correct horse");
        assert!(secret.matches("correct horse"));
        for wrong in [
            "",
            "correct hors",
            "correct horsecorrect horse",
            "Correct horse",
            "correct horse\0",
        ] {
            assert!(!secret.matches(wrong), "{wrong:?}");
        }
        assert!(!Secret::new("").matches("x"));
        assert_eq!(format!("{secret:?}"), "***");
    }
}
