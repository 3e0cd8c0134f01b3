//! What can be set, one field per setting: the same struct is read from flags and environment (clap) and from the
//! file (serde), laid over each other, then checked into a [`Config`]. Must not start anything.

use super::units::{ByteSize, Span};
use super::{BadConfig, Config, Rate, Secret};
use serde::Deserialize;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Least length of the admin token: shorter ones can be guessed.
pub const ADMIN_TOKEN_BYTES_MIN: usize = 32;
/// What `THEXR_INSECURE_OPEN` must say.
pub const INSECURE_OPEN: &str = "i-understand";
/// A burst is this many seconds' worth of the lasting rate.
const BURST_SECONDS: f64 = 4.0;
/// Sockets beyond this are more than one process can have descriptors for.
const CONNECTIONS_MAX: u64 = 1_000_000;
/// A document beyond this cannot be encoded: lengths are 32 bits in places.
const DOC_BYTES_MAX: u64 = 2 << 30;

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

    /// Checks everything and fills in the defaults. `insecure_open` is the value of `THEXR_INSECURE_OPEN`.
    pub fn check(&self, insecure_open: Option<&str>) -> Result<Config, BadConfig> {
        let mut config = Config::default();
        if let Some(listen) = &self.listen {
            config.listen = address(listen)?;
        }
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        folder(&config.data)?;
        config.admin_token = self.token()?;
        let signed = |name, value| limit(name, value, i64::MAX.unsigned_abs()).map(u64::cast_signed);
        let compaction = &mut config.compaction;
        set(&mut compaction.updates, self.compact_updates, |n| {
            signed("compact-updates", n)
        })?;
        set(&mut compaction.bytes, self.compact_bytes, |n| {
            signed("compact-bytes", n.0)
        })?;
        set(&mut compaction.min_gap, self.compact_min_gap, |t| {
            time("compact-min-gap", t)
        })?;
        set(&mut compaction.interval, self.compact_interval, |t| {
            time("compact-interval", t)
        })?;
        set(&mut config.idle, self.idle, |t| time("idle", t))?;
        set(&mut config.grace, self.grace, |t| time("grace", t))?;
        set(&mut config.doc_bytes_max, self.doc_bytes_max, |n| {
            limit("doc-bytes-max", n.0, DOC_BYTES_MAX).map(to_usize)
        })?;
        set(&mut config.connections_max, self.connections_max, |n| {
            limit("connections-max", n, CONNECTIONS_MAX).map(to_usize)
        })?;
        set(&mut config.message_rate, self.messages_per_second, |n| {
            limit("messages-per-second", n, u64::MAX).map(rate)
        })?;
        set(&mut config.byte_rate, self.bytes_per_second, |n| {
            limit("bytes-per-second", n.0, u64::MAX).map(rate)
        })?;
        if let Some(origins) = &self.origin {
            for origin in origins {
                config.origins.push(check_origin(origin)?);
            }
        }
        let open = insecure_open == Some(INSECURE_OPEN);
        if !config.listen.ip().is_loopback() && config.admin_token.is_none() && !open {
            return Err(BadConfig(format!(
                "{} can be reached from other machines and no key is set: set THEXR_ADMIN_TOKEN, \
                 listen on 127.0.0.1, or set THEXR_INSECURE_OPEN={INSECURE_OPEN}",
                config.listen
            )));
        }
        Ok(config)
    }

    fn token(&self) -> Result<Option<Secret>, BadConfig> {
        let from_file;
        let token = match (&self.admin_token, &self.admin_token_file) {
            (Some(_), Some(_)) => {
                return Err(BadConfig(
                    "both an admin token and an admin token file are set: keep one".into(),
                ));
            }
            (Some(token), None) => token.expose(),
            (None, Some(file)) => {
                from_file = std::fs::read_to_string(file).map_err(|error| {
                    BadConfig(format!(
                        "cannot read the admin token file {}: {error}",
                        file.display()
                    ))
                })?;
                from_file.trim()
            }
            (None, None) => return Ok(None),
        };
        if token.len() < ADMIN_TOKEN_BYTES_MIN {
            return Err(BadConfig(format!(
                "the admin token has {} bytes; it needs at least {ADMIN_TOKEN_BYTES_MIN} \
                 (openssl rand -hex 32 makes one)",
                token.len()
            )));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadConfig(
                "the admin token may hold visible ASCII only: it is sent in a header".into(),
            ));
        }
        Ok(Some(Secret::new(token)))
    }
}

/// Replaces `slot` when something is given and passes.
fn set<T, G>(
    slot: &mut T,
    given: Option<G>,
    check: impl FnOnce(G) -> Result<T, BadConfig>,
) -> Result<(), BadConfig> {
    if let Some(given) = given {
        *slot = check(given)?;
    }
    Ok(())
}

fn limit(name: &str, value: u64, max: u64) -> Result<u64, BadConfig> {
    match value {
        0 => Err(BadConfig(format!(
            "{name} is 0: a limit cannot be switched off, give a large one instead"
        ))),
        n if n > max => Err(BadConfig(format!("{name} is {n}: at most {max}"))),
        n => Ok(n),
    }
}

fn time(name: &str, value: Span) -> Result<Duration, BadConfig> {
    let millis = u64::try_from(value.0.as_millis()).unwrap_or(u64::MAX);
    limit(name, millis, u64::MAX).map(Duration::from_millis)
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn rate(per_second: u64) -> Rate {
    let per_second = per_second as f64;
    Rate {
        per_second,
        burst: BURST_SECONDS * per_second,
    }
}

fn address(text: &str) -> Result<SocketAddr, BadConfig> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric.parse().map_err(|_| {
        BadConfig(format!(
            "listen is {text:?}: it must be an IP address and a port, such as 127.0.0.1:4000 or [::]:4000, or localhost:4000"
        ))
    })
}

/// The folder may be missing, but what is there must not be something else.
fn folder(data: &Path) -> Result<(), BadConfig> {
    if data.exists() && !data.is_dir() {
        return Err(BadConfig(format!(
            "data is {}, which is not a folder",
            data.display()
        )));
    }
    let db = data.join("thexr.db");
    if db.is_dir() {
        return Err(BadConfig(format!(
            "{} is a folder where the database should be",
            db.display()
        )));
    }
    Ok(())
}

/// `scheme://host[:port]`, as browsers send it.
fn check_origin(text: &str) -> Result<String, BadConfig> {
    let bad = || {
        BadConfig(format!(
            "origin is {text:?}: it must be like https://example.com or http://192.168.1.7:8080"
        ))
    };
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .ok_or_else(bad)?;
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b".-:[]".contains(&c);
    if host.is_empty() || !host.bytes().all(plain) {
        return Err(bad());
    }
    Ok(text.to_owned())
}

/// Joins the lines of a message.
pub(crate) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
