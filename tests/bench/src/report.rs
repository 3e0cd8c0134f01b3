//! Rows of figures: medians of repetitions, a table for people, one JSON object per row for programs.

use crate::machine::Verdict;
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::path::Path;

/// One row: text columns say what was measured, number columns carry their unit in their name.
#[derive(Debug, Clone, PartialEq)]
pub struct Row(Map<String, Value>);

impl Row {
    /// A row of this benchmark and case.
    pub fn new(bench: &str, case: &str) -> Self {
        Self(Map::new()).text("bench", bench).text("case", case)
    }

    /// Adds what was measured.
    pub fn text(mut self, key: &str, value: &str) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    /// Adds a figure.
    pub fn number(mut self, key: &str, value: f64) -> Self {
        self.0.insert(key.into(), round(value));
        self
    }

    /// A figure of this row.
    pub fn get(&self, key: &str) -> Option<f64> {
        self.0.get(key)?.as_f64()
    }
}

/// Four significant digits: more would claim what was not measured.
fn round(value: f64) -> Value {
    if !value.is_finite() {
        return Value::Null;
    }
    let magnitude = if value == 0.0 {
        0
    } else {
        value.abs().log10().floor() as i32
    };
    let places = (3 - magnitude).max(0);
    let factor = 10f64.powi(places);
    let rounded = (value * factor).round() / factor;
    if rounded.fract() == 0.0 && rounded.abs() < 1e15 {
        Value::from(rounded as i64)
    } else {
        Value::from(rounded)
    }
}

/// The median of a list; NaN of an empty one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// Folds repetitions of the same rows into medians. `spread_percent` is how far the repetitions of the first figure
/// lie apart: what a difference must exceed to mean anything.
pub fn fold(repetitions: &[Vec<Row>]) -> Result<Vec<Row>> {
    let first = repetitions.first().context("no repetition")?;
    ensure!(
        repetitions.iter().all(|rows| rows.len() == first.len()),
        "repetitions gave different rows"
    );
    let mut folded = Vec::new();
    for (i, row) in first.iter().enumerate() {
        let mut out = Row(Map::new());
        let mut spread = None;
        for (key, value) in &row.0 {
            if value.is_string() {
                // What some repetitions say otherwise (a limit that was hit) must not get lost.
                let mut texts: Vec<&str> = repetitions
                    .iter()
                    .filter_map(|rows| rows[i].0.get(key)?.as_str())
                    .collect();
                texts.dedup();
                out = out.text(key, &texts.join(", "));
                continue;
            }
            let values: Vec<f64> = repetitions.iter().filter_map(|rows| rows[i].get(key)).collect();
            let middle = median(values.clone());
            if spread.is_none() && values.len() > 1 && middle > 0.0 {
                let (low, high) = values
                    .iter()
                    .fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
                spread = Some((high - low) / middle * 100.0);
            }
            out = out.number(key, middle);
        }
        out = out.number("reps", repetitions.len() as f64);
        if let Some(spread) = spread {
            out = out.number("spread_percent", spread.round());
        }
        folded.push(out);
    }
    Ok(folded)
}

/// The rows as tables: rows with the same columns share one.
pub fn table(rows: &[Row]) -> String {
    let mut out = String::new();
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let same = |row: &&Row| row.0.keys().eq(first.0.keys());
        let n = rest.iter().take_while(same).count();
        let (these, others) = rest.split_at(n);
        rest = others;
        let columns: Vec<Vec<String>> = first
            .0
            .keys()
            .map(|key| {
                let cells = these.iter().map(|row| cell(&row.0[key]));
                std::iter::once(key.replace('_', " ")).chain(cells).collect()
            })
            .collect();
        // A header of several words would make the table too wide: one word per line.
        let heads: Vec<Vec<&str>> = columns.iter().map(|c| c[0].split(' ').collect()).collect();
        let widths: Vec<usize> = (0..columns.len())
            .map(|c| {
                let head = heads[c].iter().map(|w| w.len()).max().unwrap_or(0);
                columns[c][1..]
                    .iter()
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or(0)
                    .max(head)
            })
            .collect();
        let height = heads.iter().map(Vec::len).max().unwrap_or(0);
        let mut line = |cells: &dyn Fn(usize) -> String| {
            let text: Vec<String> = (0..columns.len())
                .map(|c| {
                    let left = first.0.values().nth(c).is_some_and(Value::is_string);
                    let (cell, width) = (cells(c), widths[c]);
                    if left {
                        format!("{cell:<width$}")
                    } else {
                        format!("{cell:>width$}")
                    }
                })
                .collect();
            let _ = writeln!(out, "{}", text.join("  ").trim_end());
        };
        for h in 0..height {
            line(&|c| {
                (h + heads[c].len())
                    .checked_sub(height)
                    .map_or("", |w| heads[c][w])
                    .to_owned()
            });
        }
        line(&|c| "-".repeat(widths[c]));
        for row in 0..these.len() {
            line(&|c| columns[c][row + 1].clone());
        }
        out.push('\n');
    }
    out
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".into(),
        other => other.to_string(),
    }
}

/// Writes one JSON object per line; each also says on which machine it came to be.
pub fn write_json(file: &Path, rows: &[Row], verdict: &Verdict) -> Result<()> {
    let mut out = String::new();
    for row in rows {
        let row = row
            .clone()
            .number("cores", verdict.cores as f64)
            .number("load_average_1m", verdict.load_average)
            .number("other_cpu_percent", verdict.other_cpu_percent.round());
        let _ = writeln!(out, "{}", Value::Object(row.0));
    }
    std::fs::write(file, out).with_context(|| format!("writing {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_become_medians_with_their_spread() {
        let rows = |ms: f64| {
            vec![
                Row::new("a", "b")
                    .text("server", "thexr")
                    .number("latency_p99_ms", ms),
            ]
        };
        let folded = fold(&[rows(2.0), rows(10.0), rows(4.0)]).expect("same rows");
        assert_eq!(folded[0].get("latency_p99_ms"), Some(4.0));
        assert_eq!(folded[0].get("spread_percent"), Some(200.0));
        assert!(fold(&[rows(1.0), Vec::new()]).is_err());
    }

    #[test]
    fn figures_have_four_digits_and_columns_line_up() {
        let row = Row::new("a", "long case")
            .number("x_ms", 1.234_567)
            .number("y", 123_456.7);
        assert_eq!((row.get("x_ms"), row.get("y")), (Some(1.235), Some(123_457.0)));
        let text = table(&[row.clone(), row]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[3], "a      long case  1.235  123457");
        assert_eq!(lines[1], "bench  case          ms       y");
    }
}
