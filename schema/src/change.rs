//! Owns what an edit changed, in the words of the document (SPEC J2), and the text that the journal stores of it; must
//! not know the engine or the rows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Changes listed per edit; an import of a whole document is not described better by all of them.
pub const CHANGES_MAX: usize = 64;

/// What became of an entity or a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// It was not there before.
    Added,
    /// It has another value; of an entity: another one took its place.
    Changed,
    /// It is not there any more.
    Removed,
    /// Ink was drawn or erased on the entity's whiteboard.
    Strokes,
}

/// One thing that an edit changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The entity.
    pub entity: String,
    /// Its component; absent when the change is about the entity as a whole or its strokes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// What happened.
    pub change: Verb,
    /// Strokes drawn; only with `strokes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<u32>,
    /// Strokes erased; only with `strokes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased: Option<u32>,
}

/// Everything that one edit changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The first [`CHANGES_MAX`], entities before ink before components, each by name.
    pub items: Vec<Change>,
    /// How many there are beyond those.
    pub more: u32,
}

impl Change {
    /// A change of an entity as a whole.
    pub fn entity(entity: &str, change: Verb) -> Self {
        Self {
            entity: entity.to_owned(),
            component: None,
            change,
            added: None,
            erased: None,
        }
    }

    /// A change of one of its components.
    pub fn component(entity: &str, component: &str, change: Verb) -> Self {
        Self {
            component: Some(component.to_owned()),
            ..Self::entity(entity, change)
        }
    }

    /// A change of its ink.
    pub fn strokes(entity: &str, added: u32, erased: u32) -> Self {
        Self {
            added: Some(added),
            erased: Some(erased),
            ..Self::entity(entity, Verb::Strokes)
        }
    }

    /// What lists are sorted by.
    fn order(&self) -> (u8, &str, &str) {
        let rank = match (self.change, &self.component) {
            (Verb::Strokes, _) => 1,
            (_, Some(_)) => 2,
            (_, None) => 0,
        };
        (rank, &self.entity, self.component.as_deref().unwrap_or(""))
    }
}

impl Changes {
    /// Sorts and cuts; `more` were not even listed.
    pub fn of(mut items: Vec<Change>, more: u32) -> Self {
        items.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
        let cut = items.len().saturating_sub(CHANGES_MAX);
        items.truncate(CHANGES_MAX);
        let more = more.saturating_add(u32::try_from(cut).unwrap_or(u32::MAX));
        Self { items, more }
    }

    /// As the journal stores it: a line for each, `+lamp`, `~lamp/light`, `-lamp/light`, `*board 3 1` (strokes drawn and
    /// erased), and `&12` when there are more. Names hold none of these signs (SPEC D2, D3) after their first letter
    /// but `-`, and a line begins with its sign.
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(24 * self.items.len());
        for item in &self.items {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push(match item.change {
                Verb::Added => '+',
                Verb::Changed => '~',
                Verb::Removed => '-',
                Verb::Strokes => '*',
            });
            out.push_str(&item.entity);
            if let Some(component) = &item.component {
                out.push('/');
                out.push_str(component);
            }
            if let (Some(added), Some(erased)) = (item.added, item.erased) {
                let _ = write!(out, " {added} {erased}");
            }
        }
        if self.more > 0 {
            let _ = write!(out, "\n&{}", self.more);
        }
        out
    }

    /// Reads [`Changes::to_text`]; lines that are none are left out.
    pub fn from_text(text: &str) -> Self {
        let mut changes = Self::default();
        for line in text.lines() {
            let Some(sign) = line.chars().next() else { continue };
            let rest = line.get(sign.len_utf8()..).unwrap_or_default();
            let verb = match sign {
                '+' => Verb::Added,
                '~' => Verb::Changed,
                '-' => Verb::Removed,
                '*' => {
                    let mut parts = rest.split(' ');
                    let entity = parts.next().unwrap_or_default();
                    let mut number = || parts.next().and_then(|n| n.parse().ok()).unwrap_or(0);
                    let (added, erased) = (number(), number());
                    changes.items.push(Change::strokes(entity, added, erased));
                    continue;
                }
                '&' => {
                    changes.more = rest.parse().unwrap_or(0);
                    continue;
                }
                _ => continue,
            };
            changes.items.push(match rest.split_once('/') {
                Some((entity, component)) => Change::component(entity, component, verb),
                None => Change::entity(rest, verb),
            });
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SPEC J2.
    #[test]
    fn what_is_stored_is_read_back() {
        let changes = Changes::of(
            vec![
                Change::strokes("board", 3, 1),
                Change::component("-a-b_", "x.y:z-", Verb::Removed),
                Change::component("lamp", "light", Verb::Changed),
                Change::entity("lamp", Verb::Added),
                Change::entity("old", Verb::Removed),
            ],
            0,
        );
        assert_eq!(
            changes.to_text(),
            "+lamp\n-old\n*board 3 1\n--a-b_/x.y:z-\n~lamp/light"
        );
        assert_eq!(Changes::from_text(&changes.to_text()), changes);
        assert_eq!(Changes::from_text(""), Changes::default());
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let all = (0..CHANGES_MAX + 7).map(|n| Change::entity(&format!("e{n:03}"), Verb::Added));
        let changes = Changes::of(all.collect(), 5);
        assert_eq!((changes.items.len(), changes.more), (CHANGES_MAX, 12));
        assert_eq!(Changes::from_text(&changes.to_text()), changes);
    }

    #[test]
    fn what_is_no_line_is_left_out() {
        assert_eq!(
            Changes::from_text("\n?\nü\n*"),
            Changes::of(vec![Change::strokes("", 0, 0)], 0)
        );
    }
}
