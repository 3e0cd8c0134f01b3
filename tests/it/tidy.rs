//! The house rules as tests: lengths, imports, words nobody may say, rules with a test, a README that tells the truth.

#[path = "tidy/readme.rs"]
mod readme;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/spec.rs"]
mod spec;

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("tests/ lives in the repository").to_owned()
}

/// Every file that is tracked, or new and not ignored: a file counts before it is committed.
fn tracked() -> Vec<String> {
    let git = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git runs");
    assert!(git.status.success(), "{}", String::from_utf8_lossy(&git.stderr));
    let text = String::from_utf8(git.stdout).expect("paths are UTF-8");
    let files: Vec<String> = text
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect();
    files
        .into_iter()
        .filter(|path| root().join(path).is_file())
        .collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All text files with their text.
fn texts() -> Vec<(String, String)> {
    let files = tracked().into_iter();
    files
        .filter_map(|path| Some((path.clone(), std::fs::read_to_string(root().join(path)).ok()?)))
        .collect()
}

fn none(found: Vec<String>) {
    assert!(
        found.is_empty(),
        "{} findings:\n  {}",
        found.len(),
        found.join("\n  ")
    );
}

#[test]
fn files_are_short_enough_to_read() {
    none(
        texts()
            .iter()
            .filter_map(|(path, text)| rules::too_long(path, text))
            .collect(),
    );
}

#[test]
fn imports_go_down_and_each_library_has_one_home() {
    let files = texts();
    let rust = files.iter().filter(|(path, _)| path.ends_with(".rs"));
    let mut found: Vec<_> = rust.flat_map(|(path, text)| rules::rust(path, text)).collect();
    let typescript = files.iter().filter(|(path, _)| path.ends_with(".ts"));
    found.extend(typescript.flat_map(|(path, text)| rules::typescript(path, text)));
    none(found);
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    let files = texts()
        .into_iter()
        .filter(|(path, _)| !path.ends_with("-lock.json"));
    none(
        files
            .flat_map(|(path, text)| rules::local_paths(&path, &text))
            .collect(),
    );
}

#[test]
fn the_top_level_stays_as_small_as_it_is() {
    let may = [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "server",
        "schema",
        "client-js",
        "migrations",
        "tests",
    ];
    let tops = tracked()
        .into_iter()
        .map(|path| path.split('/').next().unwrap_or_default().to_owned());
    none(
        tops.filter(|top| !top.starts_with('.') && !may.contains(&&**top))
            .collect(),
    );
}

/// SPEC.md is only worth what its tests hold.
#[test]
fn every_rule_is_quoted_by_a_test_and_every_quote_is_a_rule() {
    let defined = spec::defined(&read("schema/SPEC.md"));
    let is_code = |path: &str| {
        [".rs", ".ts", ".tsx", ".mjs"]
            .iter()
            .any(|kind| path.ends_with(kind))
    };
    let files: Vec<_> = texts()
        .into_iter()
        .filter(|(path, _)| is_code(path) && !path.contains("it/tidy/spec.rs"))
        .collect();
    let tested: Vec<String> = files
        .iter()
        .flat_map(|(path, text)| spec::quoted(spec::tests_of(path, text)))
        .collect();
    let mut found = Vec::new();
    for id in &defined {
        let excused = spec::UNQUOTED.iter().any(|(unquoted, _)| unquoted == id);
        match (tested.contains(id), excused) {
            (false, false) => found.push(format!(
                "no test quotes {id} (write SPEC {id} above the test that holds it)"
            )),
            (true, true) => found.push(format!("{id} has a test now: take it out of UNQUOTED")),
            _ => {}
        }
    }
    for (path, text) in &files {
        let unknown = spec::quoted(text).into_iter().filter(|id| !defined.contains(id));
        found.extend(unknown.map(|id| format!("{path} quotes {id}, which SPEC.md does not define")));
    }
    none(found);
}
