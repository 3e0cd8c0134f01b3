//! Who may name whom, what nobody may name, how long a file may be. Functions from (path, text) to findings, so that
//! the tables below can show that each rule bites.

use super::source::Source;

/// Over this many lines a file is split by noun.
pub const LINES_MAX: usize = 400;

/// A word that only some files below a folder may say.
struct Word {
    below: &'static str,
    words: &'static [&'static str],
    /// Where it may be said all the same.
    only: &'static [&'static str],
    why: &'static str,
}

const WORDS: &[Word] = &[
    Word {
        below: "server/src/",
        words: &["yrs"],
        only: &["server/src/space/doc.rs", "server/src/space/doc/"],
        why: "only space/doc knows the engine",
    },
    Word {
        below: "server/src/",
        words: &["sqlx"],
        only: &["server/src/store.rs", "server/src/store/"],
        why: "only store speaks SQL",
    },
    Word {
        below: "server/src/",
        words: &["axum", "hyper", "hyper_util", "tower", "tower_http"],
        only: &[
            "server/src/http.rs",
            "server/src/http/",
            "server/src/socket.rs",
            "server/src/socket/",
            "server/src/listen.rs",
            "server/src/webhook/post.rs",
        ],
        why: "only http, socket, listen and the client of webhooks know the web framework",
    },
    Word {
        below: "schema/src/",
        words: &["tokio", "yrs", "sqlx", "axum", "hyper", "std::net", "std::fs"],
        only: &[],
        why: "schema is what bytes and JSON mean: no IO, no engine",
    },
    Word {
        below: "",
        words: &[
            "tokio::spawn",
            "tokio::task::spawn",
            "unbounded_channel",
            "broadcast",
        ],
        only: &[],
        why: "tasks belong to a TaskTracker or a JoinSet; a queue is bounded and loses nothing by timing",
    },
    Word {
        below: "",
        words: &[".unwrap()", "todo!", "dbg!", "println!"],
        only: &[],
        why: "say why it cannot fail with expect, or handle it; stdout is written with care for who stopped reading",
    },
];

/// What each module of the server may take from the root of the crate. A new module gets a line here: where it
/// stands is a decision, not an accident.
const LEAVES: &[&str] = &["clock", "config", "limits", "metrics", "wire"];
const MODULES: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "store", "space", "spaces", "webhook", "listen", "http", "open", "run", "serve", "App",
        ],
    ),
    ("listen", &["App", "http"]),
    (
        "http",
        &[
            "App", "socket", "spaces", "space", "webhook", "journal", "store", "open",
        ],
    ),
    ("socket", &["App", "http", "spaces", "space"]),
    ("spaces", &["space", "store"]),
    ("space", &["store"]),
    ("webhook", &["journal", "store"]),
    ("journal", &["store"]),
    ("store", &[]),
    ("config", &[]),
    ("limits", &[]),
    ("metrics", &[]),
    ("clock", &[]),
    ("wire", &[]),
];

/// Starts of SQL, as it is written here.
const SQL: &[&str] = &[
    "select ",
    "insert into ",
    "insert or ",
    "delete from ",
    "create table ",
    "pragma ",
    "begin immediate",
];

pub fn is_test(path: &str) -> bool {
    path.starts_with("tests/")
        || ["/tests/", "/test/", "/fuzz/", "/examples/"]
            .iter()
            .any(|part| path.contains(part))
        || path.ends_with("/tests.rs")
}

/// Everything that is wrong with one Rust file, as `path:line: what`.
pub fn rust(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push(format!(
            "{path}:1: the first line says what the module owns (//! …)"
        ));
    }
    if is_test(path) || path.ends_with("/build.rs") {
        return found;
    }
    let source = Source::read(text).without_tests();
    for rule in WORDS {
        let may = !path.starts_with(rule.below) || rule.only.iter().any(|only| path.starts_with(only));
        let words = rule.words.iter().filter(|_| !may);
        for (word, line) in
            words.flat_map(|word| source.lines_with(word).into_iter().map(move |line| (word, line)))
        {
            found.push(format!("{path}:{line}: {word}: {}", rule.why));
        }
    }
    let Some(inner) = path.strip_prefix("server/src/") else {
        return found;
    };
    if !inner.starts_with("store") {
        for (line, string) in &source.strings {
            let text = string.trim_start();
            if SQL.iter().any(|sql| text.starts_with(sql))
                || text.starts_with("update ") && text.contains(" set ")
            {
                found.push(format!("{path}:{line}: SQL outside of store"));
            }
        }
    }
    let module = inner
        .trim_end_matches(".rs")
        .split('/')
        .next()
        .expect("split gives one");
    if ["lib", "main"].contains(&module) {
        return found;
    }
    match MODULES.iter().find(|(name, _)| *name == module) {
        None => found.push(format!(
            "{path}: module {module} has no line in tests/it/tidy/rules.rs: what may it import?"
        )),
        Some((_, below)) => {
            let depth = inner.matches('/').count() + 1;
            let mut names = source.crate_names(depth);
            names.retain(|name| name != module && !LEAVES.contains(&&**name) && !below.contains(&&**name));
            found.extend(
                names
                    .iter()
                    .map(|name| format!("{path}: {module} must not name crate::{name}")),
            );
        }
    }
    found
}

/// What a TypeScript file of the package imports: yjs, lib0 and its own files, nothing else.
pub fn typescript(path: &str, text: &str) -> Vec<String> {
    if !path.starts_with("client-js/src/") {
        return Vec::new();
    }
    text.lines()
        .enumerate()
        .filter(|(_, line)| {
            line.starts_with("import ") || line.starts_with("export ") || line.starts_with("} from ")
        })
        .filter_map(|(at, line)| {
            let from = line.split_once(" from '")?.1.split('\'').next()?;
            let may = from == "yjs" || from.starts_with("lib0/") || from.starts_with("./");
            (!may).then(|| {
                format!(
                    "{path}:{}: the package depends on yjs and lib0 only, not on {from}",
                    at + 1
                )
            })
        })
        .collect()
}

/// Files that nobody reads from top to bottom: made by a program, or data.
fn is_made(path: &str) -> bool {
    path.ends_with(".gen.ts") || path.contains("/fixtures/")
}

pub fn too_long(path: &str, text: &str) -> Option<String> {
    let kinds = ["rs", "ts", "tsx", "mjs", "js", "css", "sql", "sh"];
    let kind = path.rsplit('.').next().unwrap_or_default();
    let lines = text.lines().count();
    let counts = (kinds.contains(&kind) || text.starts_with("#!")) && !is_made(path);
    (counts && lines > LINES_MAX).then(|| format!("{path}: {lines} lines; over {LINES_MAX} split it by noun"))
}

/// Folders of the machine somebody wrote this on.
pub fn local_paths(path: &str, text: &str) -> Vec<String> {
    let folders = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
    ];
    // `./home/` is a folder of ours.
    let outside = |before: &str| !before.ends_with(|c: char| c.is_alphanumeric() || "._-".contains(c));
    let is_local = |line: &str| {
        folders
            .iter()
            .any(|f| line.match_indices(f).any(|(at, _)| outside(&line[..at])))
    };
    text.lines()
        .enumerate()
        .filter(|(_, line)| is_local(line))
        .map(|(at, _)| format!("{path}:{}: a path of one machine", at + 1))
        .collect()
}

#[cfg(test)]
mod tables {
    use super::*;

    #[test]
    fn each_rule_bites_where_it_should_and_nowhere_else() {
        let cases = [
            ("server/src/space/doc.rs", "use yrs::Doc;", 0),
            ("server/src/space/doc/edit.rs", "use yrs::Doc;", 0),
            ("server/src/space/actor.rs", "use yrs::Doc;", 1),
            ("server/src/space/documents.rs", "use yrs::Doc;", 1),
            (
                "server/src/store/read.rs",
                "use sqlx::Row; const Q: &str = \"select 1\";",
                0,
            ),
            ("server/src/cli/tool.rs", "use sqlx::Row;", 1),
            (
                "server/src/http/space.rs",
                "const Q: &str = \"select seq from space\";",
                1,
            ),
            (
                "server/src/http/space.rs",
                "const Q: &str = \"update space set seq = 1\";",
                1,
            ),
            (
                "server/src/http/space.rs",
                "const Q: &str = \"update refused\";",
                0,
            ),
            ("server/src/socket/reader.rs", "use axum::body::Body;", 0),
            ("server/src/space/lanes.rs", "use axum::body::Body;", 1),
            ("schema/src/frame.rs", "use tokio::sync::mpsc;", 1),
            ("server/src/spaces.rs", "fn f() { tokio::spawn(x) }", 1),
            (
                "server/src/spaces.rs",
                "fn f() { tracker.spawn(x); spawn_blocking(y) }",
                0,
            ),
            ("server/src/spaces.rs", "use tokio::sync::broadcast;", 1),
            ("client-js/embed/src/lib.rs", "fn f() { x.unwrap() }", 1),
            (
                "server/src/spaces.rs",
                "#[cfg(test)]\nmod tests { fn f() { x.unwrap() } }",
                0,
            ),
            ("server/src/http/tests.rs", "fn f() { x.unwrap() }", 0),
            ("server/src/store/read.rs", "use crate::space::doc;", 1),
            (
                "server/src/space/load.rs",
                "use crate::{spaces::Spaces, store::Store};",
                1,
            ),
            (
                "server/src/space/load.rs",
                "use crate::{limits, store::Store};",
                0,
            ),
            ("server/src/space.rs", "use super::http;", 1),
            ("server/src/space/actor.rs", "use super::doc;", 0),
            ("server/src/space/actor.rs", "use super::super::socket;", 1),
            ("server/src/limits.rs", "use crate::store;", 1),
            ("server/src/newcomer.rs", "", 1),
            ("server/src/newcomer/part.rs", "", 1),
        ];
        for (path, text, count) in cases {
            let found = rust(path, &format!("//! Doc.\n{text}"));
            assert_eq!(found.len(), count, "{path}: {text}: {found:?}");
        }
        assert_eq!(
            rust("tests/harness/lib.rs", "use yrs::Doc;").len(),
            1,
            "no doc line"
        );
    }

    #[test]
    fn the_package_imports_yjs_and_lib0_only() {
        let cases = [
            (
                "client-js/src/a.ts",
                "import * as Y from 'yjs'\nimport { x } from './b.js'",
                0,
            ),
            ("client-js/src/a.ts", "import * as e from 'lib0/encoding'", 0),
            ("client-js/src/a.ts", "import { z } from 'zod'", 1),
            ("client-js/src/a.ts", "export { z } from '../app/z.js'", 1),
            ("client-js/src/a.ts", "import {\n  a,\n} from 'react'", 1),
            ("client-js/test/a.ts", "import { z } from 'zod'", 0),
        ];
        for (path, text, count) in cases {
            assert_eq!(typescript(path, text).len(), count, "{path}: {text}");
        }
    }

    #[test]
    fn long_files_and_paths_of_one_machine_are_found() {
        let long = "x\n".repeat(LINES_MAX + 1);
        for (path, is_too_long) in [
            ("server/src/a.rs", true),
            ("client-js/app/src/css/a.css", true),
            ("client-js/src/schema.gen.ts", false),
            ("schema/fixtures/make.mjs", false),
            ("Cargo.lock", false),
        ] {
            assert_eq!(too_long(path, &long).is_some(), is_too_long, "{path}");
        }
        assert!(too_long("tests/run", &format!("#!/bin/bash\n{long}")).is_some());
        assert!(too_long("a.rs", &"x\n".repeat(LINES_MAX)).is_none());
        assert_eq!(local_paths("a", concat!("fine\n/ro", "ot/x\n")).len(), 1);
        assert!(local_paths("a", concat!("network/x ./ho", "me/x /tmp/try")).is_empty());
    }
}
