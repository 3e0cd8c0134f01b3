//! What README.md says that the code says too: paths, close codes, limits, settings, exit codes, endpoints.

use super::{read, tracked};
use std::collections::BTreeSet;
use thexr_schema::close;

fn readme() -> String {
    read("README.md")
}

/// The text between a heading and the next of the same or a higher level.
fn section(text: &str, heading: &str) -> String {
    let level = heading.find(' ').expect("a heading has a space");
    let from = text.find(&format!("\n{heading}\n"));
    let from = from.unwrap_or_else(|| panic!("README.md has no heading {heading:?}")) + heading.len() + 2;
    let lines = text[from..].lines();
    let ends = |line: &&str| {
        let marks = line.bytes().take_while(|b| *b == b'#').count();
        (1..=level).contains(&marks) && line.as_bytes().get(marks) == Some(&b' ')
    };
    lines
        .take_while(|line| !ends(line))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Rows of the tables in a text, without heads and rules; cells without their backquotes.
fn rows(text: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = text.lines().collect();
    let is_rule = |line: &str| line.starts_with("| ---") || line.starts_with("|---");
    lines
        .iter()
        .enumerate()
        .filter(|(at, line)| {
            line.starts_with('|') && !is_rule(line) && !lines.get(at + 1).is_some_and(|next| is_rule(next))
        })
        .map(|(_, line)| {
            line.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().replace('`', ""))
                .collect()
        })
        .collect()
}

/// Paths of a tree drawn with two spaces per level; a name ends at the first space, and several may share a line
/// with commas between them.
fn tree(block: &str) -> Vec<String> {
    let (mut folders, mut paths) = (Vec::<String>::new(), Vec::new());
    for line in block.lines().filter(|line| !line.trim().is_empty()) {
        let depth = (line.len() - line.trim_start().len()) / 2;
        let names = line.trim_start().split("  ").next().expect("split gives one");
        folders.truncate(depth);
        for name in names.split(", ") {
            paths.push(format!("{}{name}", folders.concat()));
        }
        if let Some(folder) = names.split(", ").last().filter(|name| name.ends_with('/')) {
            folders.push(folder.to_owned());
        }
    }
    paths
}

/// The first fenced block.
fn fenced(text: &str) -> &str {
    let after = text.split_once("```").expect("a fenced block").1;
    let body = after.split_once('\n').expect("a line after the fence").1;
    body.split_once("```").expect("the block ends").0
}

#[test]
fn the_map_names_what_exists_and_everything_at_the_top_of_each_crate() {
    let paths = tree(fenced(&section(&readme(), "## Where things are")));
    let files = tracked();
    for path in &paths {
        let exists = files
            .iter()
            .any(|file| file == path || path.ends_with('/') && file.starts_with(path));
        assert!(exists, "README.md: the map names {path}, which does not exist");
    }
    for file in &files {
        let top = ["server/src/", "schema/src/"]
            .iter()
            .any(|dir| file.strip_prefix(dir).is_some_and(|f| !f.contains('/')));
        assert!(
            !top || paths.contains(file),
            "README.md: the map does not name {file}"
        );
    }
}

#[test]
fn the_close_codes_are_those_of_the_code() {
    let told: Vec<_> = rows(&section(&readme(), "## Close codes"))
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let real: Vec<_> = close::ALL
        .iter()
        .map(|c| (c.code.to_string(), c.reason.to_owned()))
        .collect();
    assert_eq!(told, real);
}

/// As the README writes sizes and times.
trait Shown {
    fn shown(&self) -> String;
}

impl Shown for std::time::Duration {
    fn shown(&self) -> String {
        match self.as_millis() {
            ms if ms.is_multiple_of(1000) => format!("{} s", ms / 1000),
            ms => format!("{ms} ms"),
        }
    }
}

macro_rules! shown_numbers {
    ($($kind:ty)*) => {$(
        impl Shown for $kind {
            fn shown(&self) -> String {
                number(*self as f64)
            }
        }
    )*};
}
shown_numbers!(u16 u32 u64 usize f64);

fn number(n: f64) -> String {
    for (unit, size) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        let size = f64::from(1_u32 << size);
        if n >= size && n % size == 0.0 {
            return format!("{} {unit}", n / size);
        }
    }
    let digits = format!("{n}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// SPEC L1: nobody has to guess why a number is what it is.
#[test]
fn every_limit_of_the_wire_says_what_is_seen_when_it_is_hit() {
    let text = read("schema/src/limits.rs");
    for block in text.split("\n\n").filter(|block| block.contains("pub const")) {
        assert!(block.starts_with("///") && block.contains("Symptom:"), "{block}");
        assert_eq!(block.matches("pub const").count(), 1, "{block}");
    }
}

#[test]
fn the_limits_are_those_of_the_code() {
    use thexr::limits::*;
    use thexr_schema::limits::*;
    let config = thexr::config::Config::default();
    let real: Vec<(&str, String)> = vec![
        ("WS_MESSAGE_BYTES_MAX", WS_MESSAGE_BYTES_MAX.shown()),
        ("BULK_UPDATE_BYTES_MAX", BULK_UPDATE_BYTES_MAX.shown()),
        ("HTTP_BODY_BYTES_MAX", HTTP_BODY_BYTES_MAX.shown()),
        ("COMPONENT_JSON_BYTES_MAX", COMPONENT_JSON_BYTES_MAX.shown()),
        ("STRING_BYTES_MAX", STRING_BYTES_MAX.shown()),
        ("COMPONENTS_PER_ENTITY_MAX", COMPONENTS_PER_ENTITY_MAX.shown()),
        ("ENTITIES_PER_SPACE_MAX", ENTITIES_PER_SPACE_MAX.shown()),
        ("--doc-bytes-max", config.doc_bytes_max.shown()),
        ("--connections-max", config.connections_max.shown()),
        ("CONNECTIONS_PER_SPACE_MAX", CONNECTIONS_PER_SPACE_MAX.shown()),
        ("--messages-per-second", config.message_rate.per_second.shown()),
        ("--bytes-per-second", config.byte_rate.per_second.shown()),
        (
            "SYNC_STEPS_MAX",
            format!("{SYNC_STEPS_MAX} in {}", SYNC_WINDOW.shown()),
        ),
        ("OUTBOX_BYTES_MAX", OUTBOX_BYTES_MAX.shown()),
        ("WRITE_STALL", WRITE_STALL.shown()),
        ("SILENCE_MAX", SILENCE_MAX.shown()),
    ];
    let told: Vec<_> = rows(&section(&readme(), "## Limits"))
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    for (name, value) in &real {
        let row = told.iter().find(|(n, _)| n == name);
        assert_eq!(row.map(|(_, v)| v), Some(value), "README.md: the limit {name}");
    }
    for (name, _) in &told {
        assert!(
            real.iter().any(|(n, _)| n == name),
            "README.md: no test compares the limit {name}"
        );
    }
}

/// A text names problems as "413 `body_too_large`" and closes as "close 1009 `message_too_big`".
fn wrong_symptoms(text: &str) -> Vec<String> {
    let openapi: serde_json::Value = serde_json::from_str(&read("schema/openapi.json")).expect("JSON");
    let problems = &openapi["components"]["responses"]["Problem"]["x-codes"];
    let words: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && !"_`/".contains(c))
        .filter(|word| !word.is_empty() && !word.starts_with("//"))
        .collect();
    let mut wrong = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let Ok(number) = word.parse::<u16>() else { continue };
        let name = words
            .get(at + 1)
            .and_then(|next| next.strip_prefix('`')?.strip_suffix('`'))
            .filter(|name| !name.contains(|c: char| c.is_ascii_uppercase()));
        let right = if at > 0 && words[at - 1] == "close" {
            let found = close::ALL.iter().find(|close| close.code == number);
            found.is_some_and(|close| name.is_none_or(|name| name == close.reason))
        } else if let (400..600, Some(name)) = (number, name) {
            problems[name]["status"] == number
        } else {
            true
        };
        if !right {
            wrong.push(format!("{number} {}", name.unwrap_or_default()));
        }
    }
    wrong
}

#[test]
fn what_is_seen_at_a_limit_is_what_the_code_answers() {
    let limits = section(&readme(), "## Limits");
    for text in [limits, read("schema/src/limits.rs"), read("server/src/limits.rs")] {
        assert_eq!(wrong_symptoms(&text), [""; 0]);
    }
    assert_eq!(
        wrong_symptoms("413 `too_large`, 413 `body_too_large`, close 1009 `too_big`, close 4999, 422 or"),
        ["413 too_large", "1009 too_big", "4999 "]
    );
}

/// What stands between `before` and `after` in a text, each time.
fn between(text: &str, before: &str, after: &str) -> BTreeSet<String> {
    let rest = text.split(before).skip(1);
    rest.filter_map(|part| part.split_once(after))
        .map(|(inner, _)| inner.to_owned())
        .collect()
}

#[test]
fn every_setting_is_listed_and_nothing_else() {
    let mut real = between(&read("server/src/config/settings.rs"), "env = \"", "\"");
    let serve = read("server/src/cli/serve.rs");
    real.extend(between(&serve, "env = \"", "\""));
    real.extend(
        between(&serve, "env(\"THEXR", "\"")
            .iter()
            .map(|rest| format!("THEXR{rest}")),
    );
    let told: BTreeSet<_> = rows(&section(&readme(), "## Settings"))
        .into_iter()
        .map(|row| row[1].clone())
        .collect();
    assert_eq!(told, real);
}

#[test]
fn every_exit_code_is_listed_and_nothing_else() {
    let real = between(&read("server/src/cli.rs"), ": u8 = ", ";");
    let settings = section(&readme(), "## Settings");
    let list = settings.split_once("Exit codes: ").expect("the list").1;
    let told: BTreeSet<_> = list.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert_eq!(told, real);
}

#[test]
fn every_endpoint_is_listed_and_nothing_else() {
    let openapi: serde_json::Value = serde_json::from_str(&read("schema/openapi.json")).expect("JSON");
    let mut real = BTreeSet::new();
    for (path, item) in openapi["paths"].as_object().expect("paths") {
        let methods = item.as_object().expect("methods").keys();
        real.extend(
            methods
                .filter(|m| *m != "parameters")
                .map(|m| format!("{} {path}", m.to_uppercase())),
        );
    }
    let mut told = BTreeSet::new();
    for row in rows(&section(&readme(), "## HTTP")) {
        let paths = || row[1].split(", ");
        told.extend(
            row[0]
                .split(", ")
                .flat_map(|method| paths().map(move |path| format!("{method} {path}"))),
        );
    }
    assert_eq!(told, real);
}

#[test]
fn readers_of_the_readme_read_it_right() {
    let text = "\n# A\n\n## B\nx\n| a | b |\n| --- | --- |\n| `c` | d |\n### C\ny\n## D\nz\n";
    assert_eq!(
        section(text, "## B"),
        "x\n| a | b |\n| --- | --- |\n| `c` | d |\n### C\ny\n"
    );
    assert_eq!(rows(text), [["c", "d"]]);
    assert_eq!(fenced("a\n```text\nb\nc\n```\n"), "b\nc\n");
    assert_eq!(
        tree("a.toml  x\nb.rs, b/  y\n  c/  z\n    d, e  w\nf"),
        ["a.toml", "b.rs", "b/", "b/c/", "b/c/d", "b/c/e", "f"]
    );
    for (n, text) in [
        (4096.0, "4 KiB"),
        (36_000.0, "36,000"),
        (1_000_000.0, "1,000,000"),
        (512.0, "512"),
    ] {
        assert_eq!(number(n), text);
    }
}
