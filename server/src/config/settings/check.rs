//! Settings into a [`Config`]: every value is judged here, and what is wrong is said in one line.

use super::super::units::Span;
use super::super::{BadConfig, Config, Rate, Secret};
use super::Settings;
use crate::limits::{HISTORY_DAYS_MAX, POSE_TRACK_HZ_MAX};
use std::net::SocketAddr;
use std::path::Path;
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

impl Settings {
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
        set(&mut config.journal_changes, self.journal_changes, Ok)?;
        // 0 is all of it: a past that is kept whole is no danger but to the disk.
        set(&mut config.history.days, self.history_days, |n| match n {
            0 => Ok(0),
            n => limit("history-days", n, HISTORY_DAYS_MAX).map(u64::cast_signed),
        })?;
        set(&mut config.history.bytes, self.history_bytes, |n| match n.0 {
            0 => Ok(0),
            n => signed("history-bytes", n),
        })?;
        set(&mut config.pose_track_hz, self.pose_track_hz, |n| match n {
            // The one limit of its kind that may be 0: without a track nothing grows.
            0 => Ok(0),
            n => limit("pose-track-hz", n, POSE_TRACK_HZ_MAX).map(|n| n as u32),
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
