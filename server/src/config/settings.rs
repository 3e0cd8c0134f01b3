//! What can be set, one field per setting: the same struct is read from flags and environment (clap) and from the
//! file (serde), laid over each other, then checked into a [`Config`](super::Config). Must not start anything.

mod check;

pub use check::{ADMIN_TOKEN_BYTES_MIN, INSECURE_OPEN};

use super::units::{ByteSize, Span};
use super::{BadConfig, Secret};
use serde::Deserialize;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

/// One layer of settings; what is `None` is left to the layer below.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where to listen: an IP address and a port (0 = any free one), or localhost:PORT [default: 127.0.0.1:4000]
    #[arg(
        long,
        help_heading = "Address and data",
        value_name = "ADDR:PORT",
        env = "THEXR_LISTEN"
    )]
    pub listen: Option<String>,
    /// The data folder; made when it is missing [default: ./thexr-data]
    #[arg(
        long,
        help_heading = "Address and data",
        value_name = "FOLDER",
        env = "THEXR_DATA"
    )]
    pub data: Option<PathBuf>,
    /// What admin requests must carry, at least 32 bytes; a flag shows in `ps`, so prefer the variable or a file
    #[arg(long, help_heading = "Access", value_name = "TOKEN", env = "THEXR_ADMIN_TOKEN", hide_env_values = true, value_parser = secret)]
    pub admin_token: Option<Secret>,
    /// A file that holds the admin token
    #[arg(
        long,
        help_heading = "Access",
        value_name = "FILE",
        env = "THEXR_ADMIN_TOKEN_FILE"
    )]
    pub admin_token_file: Option<PathBuf>,
    /// Compact a space after this many edits [default: 2000]
    #[arg(
        long,
        help_heading = "Compaction",
        value_name = "N",
        env = "THEXR_COMPACT_UPDATES"
    )]
    pub compact_updates: Option<u64>,
    /// Compact a space after edits of this size [default: 4MiB]
    #[arg(
        long,
        help_heading = "Compaction",
        value_name = "SIZE",
        env = "THEXR_COMPACT_BYTES"
    )]
    pub compact_bytes: Option<ByteSize>,
    /// Least time between two such compactions of a space [default: 30s]
    #[arg(
        long,
        help_heading = "Compaction",
        value_name = "TIME",
        env = "THEXR_COMPACT_MIN_GAP"
    )]
    pub compact_min_gap: Option<Span>,
    /// Compact a space that changed this long after the last time [default: 10m]
    #[arg(
        long,
        help_heading = "Compaction",
        value_name = "TIME",
        env = "THEXR_COMPACT_INTERVAL"
    )]
    pub compact_interval: Option<Span>,
    /// Write down what each edit changed: true or false; without it the journal says that somebody edited, not what
    /// [default: true]
    #[arg(
        long,
        help_heading = "History",
        value_name = "BOOL",
        env = "THEXR_JOURNAL_CHANGES"
    )]
    pub journal_changes: Option<bool>,
    /// Days of its past that a space keeps, unless it is told otherwise, and a part of a day more; 0 = all [default: 0]
    #[arg(long, help_heading = "History", value_name = "N", env = "THEXR_HISTORY_DAYS")]
    pub history_days: Option<u64>,
    /// What the snapshots and sealed events of a space may weigh, unless it is told otherwise (the newest two snapshots
    /// stay, and what came since); 0 = anything [default: 0]
    #[arg(
        long,
        help_heading = "History",
        value_name = "SIZE",
        env = "THEXR_HISTORY_BYTES"
    )]
    pub history_bytes: Option<ByteSize>,
    /// How often a second where people are is written down, for replays: up to 20, or 0 for never [default: 1]
    #[arg(long, help_heading = "History", value_name = "N", env = "THEXR_POSE_TRACK_HZ")]
    pub pose_track_hz: Option<u64>,
    /// How long a space without sockets stays in memory [default: 60s]
    #[arg(long, help_heading = "Limits", value_name = "TIME", env = "THEXR_IDLE")]
    pub idle: Option<Span>,
    /// How long a member whose connection was lost is kept before it has left [default: 15s]
    #[arg(long, help_heading = "Limits", value_name = "TIME", env = "THEXR_GRACE")]
    pub grace: Option<Span>,
    /// What a document may grow to [default: 64MiB]
    #[arg(
        long,
        help_heading = "Limits",
        value_name = "SIZE",
        env = "THEXR_DOC_BYTES_MAX"
    )]
    pub doc_bytes_max: Option<ByteSize>,
    /// Sockets of the whole process [default: 10000]
    #[arg(
        long,
        help_heading = "Limits",
        value_name = "N",
        env = "THEXR_CONNECTIONS_MAX"
    )]
    pub connections_max: Option<u64>,
    /// Messages one connection may send for long; four times that at once [default: 5000]
    #[arg(
        long,
        help_heading = "Limits",
        value_name = "N",
        env = "THEXR_MESSAGES_PER_SECOND"
    )]
    pub messages_per_second: Option<u64>,
    /// Bytes one connection may send for long; four times that at once [default: 8MiB]
    #[arg(
        long,
        help_heading = "Limits",
        value_name = "SIZE",
        env = "THEXR_BYTES_PER_SECOND"
    )]
    pub bytes_per_second: Option<ByteSize>,
    /// A site whose pages may connect, such as `https://example.com`; may be given again (in the variable: commas)
    #[arg(
        long,
        help_heading = "Access",
        value_name = "ORIGIN",
        env = "THEXR_ORIGIN",
        value_delimiter = ','
    )]
    pub origin: Option<Vec<String>>,
    /// What to log, such as info or thexr=debug; RUST_LOG works too [default: info]
    #[arg(long, help_heading = "Logs", value_name = "FILTER", env = "THEXR_LOG")]
    pub log: Option<String>,
    /// How to log: text or json [default: text]
    #[arg(long, help_heading = "Logs", value_name = "FORMAT", env = "THEXR_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
}

fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object per line.
    Json,
}

impl std::str::FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("text or json"),
        }
    }
}

impl Settings {
    /// Reads a TOML file. Keys are the flags' names with `_`; an unknown one is an error, not a typo that does
    /// nothing.
    pub fn read(file: &Path) -> Result<Self, BadConfig> {
        let shown = file.display();
        let text = std::fs::read_to_string(file)
            .map_err(|error| BadConfig(format!("cannot read the config file {shown}: {error}")))?;
        toml::from_str(&text).map_err(|error: toml::de::Error| {
            // Not its Display: that quotes the line, and the line may be the token.
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = 1 + text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count();
            BadConfig(format!("{shown}:{line}: {}", one_line(error.message())))
        })
    }

    /// These settings, and where they say nothing, those of the layer below.
    pub fn over(self, under: Self) -> Self {
        // A token from above replaces a file from below and the other way round.
        let token_here = self.admin_token.is_some() || self.admin_token_file.is_some();
        let (token, file) = if token_here {
            (self.admin_token, self.admin_token_file)
        } else {
            (under.admin_token, under.admin_token_file)
        };
        Self {
            listen: self.listen.or(under.listen),
            data: self.data.or(under.data),
            admin_token: token,
            admin_token_file: file,
            compact_updates: self.compact_updates.or(under.compact_updates),
            compact_bytes: self.compact_bytes.or(under.compact_bytes),
            compact_min_gap: self.compact_min_gap.or(under.compact_min_gap),
            compact_interval: self.compact_interval.or(under.compact_interval),
            journal_changes: self.journal_changes.or(under.journal_changes),
            history_days: self.history_days.or(under.history_days),
            history_bytes: self.history_bytes.or(under.history_bytes),
            pose_track_hz: self.pose_track_hz.or(under.pose_track_hz),
            idle: self.idle.or(under.idle),
            grace: self.grace.or(under.grace),
            doc_bytes_max: self.doc_bytes_max.or(under.doc_bytes_max),
            connections_max: self.connections_max.or(under.connections_max),
            messages_per_second: self.messages_per_second.or(under.messages_per_second),
            bytes_per_second: self.bytes_per_second.or(under.bytes_per_second),
            origin: self.origin.or(under.origin),
            log: self.log.or(under.log),
            log_format: self.log_format.or(under.log_format),
        }
    }
}

/// Joins the lines of a message.
pub(crate) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
