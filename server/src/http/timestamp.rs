//! Times as a query gives them; `clock` shows them.

use super::problem::{Code, Problem};

/// A time of a query: RFC 3339, or milliseconds since 1970. `name` is that of the parameter.
pub fn moment(name: &str, text: &str) -> Result<i64, Problem> {
    let number = text.parse::<i64>().ok();
    let millis = || number.filter(|ms| *ms == 0 || (MS_MIN..=MS_MAX).contains(ms));
    millis().or_else(|| parse(text)).ok_or_else(|| {
        let mut what = format!("{name} is a time like 2026-01-31T09:05:00Z, or milliseconds since 1970.");
        if number.is_some_and(|number| (1..MS_MIN).contains(&number)) {
            what.push_str(" This looks like the number of an event.");
        }
        Problem::new(Code::BadQuery, what)
    })
}

/// April 1970: what is less, and not 0, is no time that anybody means.
const MS_MIN: i64 = 10_000_000_000;
/// The year 9999.
const MS_MAX: i64 = 253_402_300_799_999;

/// The reverse of [`crate::clock::rfc3339`], for any offset and any fraction.
fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, len: usize| -> Option<i64> {
        let digits = text.get(from..from + len)?;
        digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let sign = |at: usize, wanted: &[u8]| bytes.get(at).is_some_and(|b| wanted.contains(b));
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (h, m, s) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let signs = sign(4, b"-") && sign(7, b"-") && sign(10, b"Tt ") && sign(13, b":") && sign(16, b":");
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !signs || !(1..=12).contains(&month) || !(1..=days).contains(&day) || h > 23 || m > 59 || s > 60 {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut ms = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let len = fraction.bytes().take_while(u8::is_ascii_digit).count();
        let digits: String = fraction.get(..len.min(3))?.to_owned() + "00";
        ms = digits.get(..3)?.parse().ok().filter(|_| len > 0)?;
        rest = fraction.get(len..)?;
    }
    let offset = match rest {
        "Z" | "z" => 0,
        _ => {
            let at = text.len() - rest.len();
            let (hours, minutes) = (number(at + 1, 2)?, number(at + 4, 2)?);
            let known =
                rest.len() == 6 && sign(at, b"+-") && sign(at + 3, b":") && hours < 24 && minutes < 60;
            let offset = (hours * 60 + minutes) * 60_000;
            known.then_some(if rest.starts_with('-') { -offset } else { offset })?
        }
    };
    // Hinnant's days_from_civil.
    let shifted = year - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(((days * 24 + h) * 60 + m) * 60_000 + s * 1_000 + ms - offset)
}

#[cfg(test)]
mod tests {
    use super::moment;
    use crate::clock::rfc3339;

    /// SPEC J1.
    #[test]
    fn times_of_a_query_are_read_in_any_zone() {
        for ms in [
            0,
            951_782_400_000,
            1_709_251_199_999,
            1_769_850_300_123,
            4_107_542_400_000,
        ] {
            assert_eq!(moment("at", &rfc3339(ms)), Ok(ms));
            assert_eq!(moment("at", &ms.to_string()), Ok(ms));
        }
        for (text, ms) in [
            ("2026-01-31T09:05:00Z", 1_769_850_300_000),
            ("2026-01-31t10:05:00.1234567+01:00", 1_769_850_300_123),
            ("2026-01-31 04:35:00.5-04:30", 1_769_850_300_500),
        ] {
            assert_eq!(moment("at", text), Ok(ms), "{text}");
        }
        for bad in [
            // Numbers of events.
            "1",
            "9999999999",
            "",
            "now",
            "-1",
            "2026-01-31",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T09:05:00",
            "2026-01-31T09:05:00.Z",
            "2026-01-31T09:05:00+1:00",
            "2026-01-31T09:05:00Zü",
            "9".repeat(30).as_str(),
        ] {
            assert!(moment("at", bad).is_err(), "{bad}");
        }
    }
}
