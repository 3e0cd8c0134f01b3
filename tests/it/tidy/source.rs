//! Rust text taken apart far enough to ask what a file names: code without comments and strings, without its tests.
//! No parser: what is written in this repository is laid out by rustfmt.

/// A file's code and its string literals.
pub struct Source {
    /// The text with every comment, string and character blanked; lines stay where they were.
    pub code: String,
    /// The contents of the string literals, each with its line number.
    pub strings: Vec<(usize, String)>,
}

impl Source {
    pub fn read(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut code = bytes.to_vec();
        let mut strings = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let len = if rest.starts_with(b"//") {
                rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
            } else if rest.starts_with(b"/*") {
                comment(rest)
            } else if let Some((open, hashes)) = raw(bytes, at) {
                let close = [&b"\""[..], &b"#".repeat(hashes)].concat();
                let body = find(&rest[open..], &close).unwrap_or(rest.len() - open);
                strings.push((line(bytes, at), lossy(&rest[open..open + body])));
                (open + body + close.len()).min(rest.len())
            } else if rest[0] == b'"' {
                let body = escaped(&rest[1..], b'"');
                strings.push((line(bytes, at), lossy(&rest[1..1 + body])));
                (body + 2).min(rest.len())
            } else if rest[0] == b'\'' && is_char(&text[at + 1..]) {
                (escaped(&rest[1..], b'\'') + 2).min(rest.len())
            } else {
                at += 1;
                continue;
            };
            blank(&mut code[at..at + len]);
            at += len;
        }
        Self {
            code: lossy(&code),
            strings,
        }
    }

    /// Leaves out everything that is compiled for tests only.
    pub fn without_tests(mut self) -> Self {
        let mut code = std::mem::take(&mut self.code).into_bytes();
        let mut from = 0;
        while let Some(found) = find(&code[from..], b"#[cfg(test)]") {
            let start = from + found;
            let end = start + item(&code[start..]);
            let lines = line(&code, start)..=line(&code, end);
            self.strings.retain(|(line, _)| !lines.contains(line));
            blank(&mut code[start..end]);
            from = end;
        }
        self.code = lossy(&code);
        self
    }

    /// Line numbers where `path` stands as a whole: `yrs`, `tokio::spawn`, `.unwrap()`.
    pub fn lines_with(&self, path: &str) -> Vec<usize> {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let inside =
            |a: Option<char>, b: Option<char>| matches!((a, b), (Some(a), Some(b)) if part(a) && part(b));
        self.code
            .match_indices(path)
            .filter(|(at, _)| {
                let (before, after) = (&self.code[..*at], &self.code[at + path.len()..]);
                !inside(before.chars().next_back(), path.chars().next())
                    && !inside(path.chars().next_back(), after.chars().next())
            })
            .map(|(at, _)| line(self.code.as_bytes(), at))
            .collect()
    }

    /// What the file takes from the root of its crate: `crate::a::b` and `crate::{a, b::c}` both name `a`.
    /// `depth` is how many `super::` lead to the root.
    pub fn crate_names(&self, depth: usize) -> Vec<String> {
        let code: String = self.code.split_whitespace().collect::<Vec<_>>().join(" ");
        let code = code.replace(&"super::".repeat(depth.max(1)), "crate::");
        let mut names = Vec::new();
        for (at, found) in code.match_indices("crate::") {
            let rest = &code[at + found.len()..];
            match rest.strip_prefix('{') {
                Some(group) => names.extend(group_names(group)),
                None => names.push(word(rest)),
            }
        }
        names.retain(|name| !name.is_empty());
        names.sort();
        names.dedup();
        names
    }
}

/// The first word of each part of `a, b::{c, d}, e}`.
fn group_names(group: &str) -> Vec<String> {
    let (mut depth, mut names, mut first) = (0_u32, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => first = true,
            c if first && !c.is_whitespace() => {
                names.push(word(&group[at..]));
                first = false;
            }
            _ => {}
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// Length of the item that starts with an attribute: to its `;`, or to the end of its block.
fn item(code: &[u8]) -> usize {
    let mut depth = 0_i32;
    for (at, byte) in code.iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth <= 0 {
                    return at + 1;
                }
            }
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

fn comment(bytes: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if bytes[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// Where the body of a raw string starts, and its hashes: `r"`, `r#"`, `br##"`.
fn raw(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let inside_a_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    let rest = &bytes[at..];
    let skip = if rest.starts_with(b"br") {
        2
    } else {
        usize::from(rest[0] == b'r')
    };
    if skip == 0 || inside_a_word {
        return None;
    }
    let hashes = rest[skip..].iter().take_while(|b| **b == b'#').count();
    (rest.get(skip + hashes) == Some(&b'"')).then_some((skip + hashes + 1, hashes))
}

/// Length of the text before the closing quote.
fn escaped(bytes: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// After a `'`: a character, not a lifetime.
fn is_char(rest: &str) -> bool {
    let mut chars = rest.chars();
    match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    }
}

fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn line(bytes: &[u8], at: usize) -> usize {
    1 + bytes[..at].iter().filter(|b| **b == b'\n').count()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn comments_strings_and_characters_are_no_code() {
    let cases = [
        ("a // yrs\nb", "a       \nb"),
        ("a /* yrs /* x */ yrs */ b", "a                       b"),
        (r#"f("yrs \" yrs") + 1"#, "f(            ) + 1"),
        (r###"f(r#"a "yrs" b"#)"###, "f(              )"),
        ("fn f<'a>(c: &'a str) { '\\'' }", "fn f<'a>(c: &'a str) {      }"),
        ("for r in x { 'y' }", "for r in x {     }"),
    ];
    for (text, code) in cases {
        assert_eq!(Source::read(text).code, code, "{text}");
    }
    let strings = Source::read("a(\"one\");\nb(r#\"two\"#)").strings;
    assert_eq!(strings, [(1, "one".into()), (2, "two".into())]);
}

#[test]
fn what_is_compiled_for_tests_only_is_left_out() {
    let text =
        "use a;\n#[cfg(test)]\nmod tests {\n fn f() { x(\"s\") }\n}\nuse b;\n#[cfg(test)]\nmod t;\nuse c;";
    let source = Source::read(text).without_tests();
    let words: Vec<_> = source.code.split_whitespace().collect();
    assert_eq!(words, ["use", "a;", "use", "b;", "use", "c;"]);
    assert!(source.strings.is_empty());
}

#[test]
fn names_are_found_as_a_whole_only() {
    let source =
        Source::read("use yrs::Doc;\nlet yrs_like = 1;\nx.unwrap();\nx.unwrap_or(1);\ntokio::spawn(f);");
    assert_eq!(source.lines_with("yrs"), [1]);
    assert_eq!(source.lines_with(".unwrap()"), [3]);
    assert_eq!(source.lines_with("tokio::spawn"), [5]);
}

#[test]
fn what_a_file_takes_from_its_crate_is_seen_however_it_is_written() {
    let source = Source::read("use crate::{App, store::{self, Row}, limits};\nfn f() { crate::http::x() }");
    assert_eq!(source.crate_names(1), ["App", "http", "limits", "store"]);
    let source = Source::read("use super::super::spaces::Spaces;\nuse super::near;");
    assert_eq!(source.crate_names(2), ["spaces"]);
}
