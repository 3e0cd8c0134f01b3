//! Every rule this crate holds is quoted by a test, and every quoted rule exists.

use std::collections::BTreeSet;

fn read(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).expect("the file is there")
}

fn rules() -> BTreeSet<String> {
    let spec = read("SPEC.md");
    spec.split("- **")
        .skip(1)
        .filter_map(|rule| rule.split("**").next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_rules_of_each_letter_are_numbered_without_holes() {
    let rules = rules();
    for letter in "WSAUKDPLH".chars() {
        let count = rules.iter().filter(|rule| rule.starts_with(letter)).count();
        assert!(count > 0, "no rule {letter}");
        for number in 1..=count {
            assert!(
                rules.contains(&format!("{letter}{number}")),
                "{letter}{number} is missing"
            );
        }
    }
}

/// SPEC K2, U1: codes and words in the text are those in the code.
#[test]
fn the_text_names_every_close_code() {
    let spec = read("SPEC.md");
    for close in thexr_schema::close::ALL {
        assert!(
            spec.contains(&format!("{} `{}`", close.code, close.reason)),
            "{close}"
        );
    }
}

/// Fault codes that no golden file shows would be codes nobody knows how to get.
#[test]
fn every_fault_code_has_a_golden_case() {
    let files = ["updates", "frames", "state_vectors", "awareness", "strokes"];
    let all: String = files
        .iter()
        .map(|name| read(&format!("fixtures/{name}.json")))
        .collect();
    for code in thexr_schema::FaultCode::ALL {
        assert!(
            all.contains(&format!("\"fault\":\"{}\"", code.as_str())),
            "{code}"
        );
    }
}
