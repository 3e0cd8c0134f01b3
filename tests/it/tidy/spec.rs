//! Rules of `schema/SPEC.md` and the tests that quote them.

use super::rules::is_test;
use std::collections::BTreeSet;

/// Rules that no test can quote yet, each with the reason. A rule that is quoted must not stay here.
pub const UNQUOTED: &[(&str, &str)] = &[];

/// The ids that SPEC.md defines: `- **W1** …`.
pub fn defined(spec: &str) -> BTreeSet<String> {
    let starts = spec.lines().filter_map(|line| line.strip_prefix("- **"));
    starts
        .filter_map(|rest| rest.split_once("**"))
        .map(|(id, _)| id.to_owned())
        .collect()
}

/// The ids that a text quotes: `SPEC W1, W3–W5` and `[W1]`.
pub fn quoted(text: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for (at, found) in text.match_indices("SPEC ") {
        list(&text[at + found.len()..], &mut ids);
    }
    for (at, _) in text.match_indices('[') {
        if let Some((id, rest)) = id(&text[at + 1..])
            && rest.starts_with(']')
        {
            ids.insert(format!("{}{}", id.0, id.1));
        }
    }
    ids
}

/// The part of a file that tests something.
pub fn tests_of<'a>(path: &str, text: &'a str) -> &'a str {
    if is_test(path) {
        return text;
    }
    text.find("#[cfg(test)]").map_or("", |at| &text[at..])
}

/// Reads `W1, W3–W5 and K1 to K3` as far as it goes.
fn list(mut text: &str, ids: &mut BTreeSet<String>) {
    let mut from = None;
    while let Some(((letter, number), rest)) = id(text) {
        let first = match from {
            Some((start, first)) if start == letter => first,
            _ => number,
        };
        ids.extend((first..=number).map(|number| format!("{letter}{number}")));
        let next = [
            ("–", true),
            ("-", true),
            (" to ", true),
            (", ", false),
            (" and ", false),
            (" · ", false),
        ];
        let Some((sep, is_range)) = next.iter().find(|(sep, _)| rest.starts_with(sep)) else {
            return;
        };
        from = is_range.then_some((letter, number));
        text = &rest[sep.len()..];
    }
}

/// `W12` at the start of a text.
fn id(text: &str) -> Option<((char, u32), &str)> {
    let letter = text.chars().next().filter(char::is_ascii_uppercase)?;
    let digits = text[1..].bytes().take_while(u8::is_ascii_digit).count();
    Some(((letter, text[1..1 + digits].parse().ok()?), &text[1 + digits..]))
}

#[test]
fn quotes_are_read_as_people_write_them() {
    let cases: &[(&str, &[&str])] = &[
        ("/// SPEC W1.", &["W1"]),
        ("/// SPEC S6, A3: a gap", &["A3", "S6"]),
        ("// SPEC U1–U3; corpus rows 48–84", &["U1", "U2", "U3"]),
        ("// (SPEC W2 to W4, A1)", &["A1", "W2", "W3", "W4"]),
        ("it('[W7] skips it')", &["W7"]),
        ("SPEC.md and SPEC ids, a[I1+x], W9", &[]),
        ("SPEC D3).", &["D3"]),
    ];
    for (text, ids) in cases {
        assert_eq!(
            quoted(text).iter().map(String::as_str).collect::<Vec<_>>(),
            *ids,
            "{text}"
        );
    }
    assert_eq!(
        defined("- **W1** a **W2** b\n- **W12** c")
            .into_iter()
            .collect::<Vec<_>>(),
        ["W1", "W12"]
    );
}

#[test]
fn only_tests_count_as_quotes() {
    assert_eq!(
        tests_of("schema/src/ids.rs", "//! SPEC D1\n#[cfg(test)]\nmod tests {}"),
        "#[cfg(test)]\nmod tests {}"
    );
    assert_eq!(tests_of("schema/src/ids.rs", "//! SPEC D1"), "");
    assert_eq!(tests_of("tests/it/sync.rs", "//! SPEC D1"), "//! SPEC D1");
}
