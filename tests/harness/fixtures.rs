//! The golden files of `schema/fixtures`, made with real yjs.

use serde_json::Value;

/// One case of a file.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is, in words.
    pub name: String,
    /// The row of the corpus it stands for, 0 for none.
    pub row: u64,
    /// True when the bytes are accepted.
    pub ok: bool,
    /// The fault code of those that are not.
    pub fault: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Everything else.
    pub json: Value,
}

/// The cases of `schema/fixtures/{file}.json`.
///
/// # Panics
/// When there is no such file.
pub fn cases(file: &str) -> Vec<Case> {
    let path = format!("{}/../schema/fixtures/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the golden file is there");
    let value: Value = serde_json::from_str(&text).expect("the golden file is JSON");
    let cases = value["cases"].as_array().expect("it has cases");
    cases
        .iter()
        .map(|case| Case {
            name: case["name"].as_str().unwrap_or_default().to_owned(),
            row: case["row"].as_u64().unwrap_or(0),
            ok: case["ok"].as_bool().unwrap_or(false),
            fault: case["fault"].as_str().unwrap_or_default().to_owned(),
            bytes: unhex(case["hex"].as_str().expect("a case has bytes")),
            json: case.clone(),
        })
        .collect()
}

/// The case of this name.
///
/// # Panics
/// When there is none.
pub fn case(file: &str, name: &str) -> Case {
    let found = cases(file).into_iter().find(|case| case.name == name);
    found.unwrap_or_else(|| panic!("{file} has no case {name:?}"))
}

/// Bytes of hex text; spaces are skipped.
///
/// # Panics
/// On anything else.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("a hex digit") as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
