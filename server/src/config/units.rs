//! Sizes and times as people write them: `4MiB`, `30s`. A bare number is bytes or seconds.

use serde::{Deserialize, Deserializer};
use std::str::FromStr;
use std::time::Duration;

/// Longest time a setting may hold: timers beyond it could overflow the clock.
const SPAN_MAX: Duration = Duration::from_secs(3_650 * 86_400);

/// A number of bytes: `67108864`, `64MiB`, `64MB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub u64);

/// A length of time: `30`, `30s`, `500ms`, `10m`, `1h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// Splits `12kB` into 12 and `kB`.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = split(text).and_then(|(n, unit)| {
            let factor = match unit {
                "" | "B" => 1,
                "kB" | "KB" => 1_000,
                "MB" => 1_000_000,
                "GB" => 1_000_000_000,
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                "GiB" => 1 << 30,
                _ => return None,
            };
            n.checked_mul(factor)
        });
        parsed
            .map(Self)
            .ok_or_else(|| "a size is a number with B, kB, MB, GB, KiB, MiB or GiB, such as 64MiB".into())
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (n, unit) = split(text).ok_or("a time is a number with ms, s, m, h or d, such as 30s")?;
        let millis = match unit {
            "ms" => Some(n),
            "" | "s" => n.checked_mul(1_000),
            "m" => n.checked_mul(60_000),
            "h" => n.checked_mul(3_600_000),
            "d" => n.checked_mul(86_400_000),
            _ => return Err("a time is a number with ms, s, m, h or d, such as 30s".into()),
        };
        let span = millis.map(Duration::from_millis).filter(|span| *span <= SPAN_MAX);
        span.map(Self)
            .ok_or_else(|| "a time is at most 3650 days".to_owned())
    }
}

/// In a file both are a number or a string.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a number, or a string with a unit such as \"64MiB\" or \"30s\""
)]
enum Written {
    Number(u64),
    Text(String),
}

impl Written {
    fn parse<'de, T: FromStr<Err = String>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        let text = match Self::deserialize(from)? {
            Self::Number(n) => n.to_string(),
            Self::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Written::parse(from)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Written::parse(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_read_as_written() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("512", Some(512)),
            ("4MiB", Some(4 << 20)),
            ("4 MiB", Some(4 << 20)),
            ("2kB", Some(2_000)),
            ("", None),
            ("MiB", None),
            ("-1", None),
            ("1.5MiB", None),
            ("4mib", None),
            ("99999999999999999999", None),
            ("18446744073709551615GiB", None),
        ] {
            assert_eq!(text.parse().ok(), bytes.map(ByteSize), "{text:?}");
        }
        for (text, millis) in [
            ("30", Some(30_000)),
            ("30s", Some(30_000)),
            ("500ms", Some(500)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("3650d", Some(315_360_000_000)),
            ("3651d", None),
            ("18446744073709551615d", None),
            ("soon", None),
            ("5 weeks", None),
            ("-5s", None),
        ] {
            assert_eq!(
                text.parse().ok(),
                millis.map(|m| Span(Duration::from_millis(m))),
                "{text:?}"
            );
        }
    }
}
