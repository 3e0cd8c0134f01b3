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
}

impl Changes {
    /// Reads [`ChangeLines::take`]; lines that are none are left out.
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
                Some(("", component)) => {
                    let Some(before) = changes.items.last() else {
                        continue;
                    };
                    Change::component(&before.entity, component, verb)
                }
                Some((entity, component)) => Change::component(entity, component, verb),
                None => Change::entity(rest, verb),
            });
        }
        changes
    }
}

/// The changes of one edit while they are being noted, as the text that the journal stores: a line for each, `+lamp`,
/// `~lamp/light`, `-lamp/light`, `*board 3 1` (strokes drawn and erased), and `&12` when there are more. Names hold none
/// of these signs (SPEC D2, D3) after their first letter but `-`, and a line begins with its sign. A component of the
/// entity of the line before it goes without that name: `+lamp`, `+/light`.
///
/// Every edit of a space goes through one of these, so it keeps its memory and lists nothing twice.
#[derive(Debug, Default)]
pub struct ChangeLines {
    /// Names and numbers, one behind the other.
    text: String,
    lines: Vec<Line>,
    more: u32,
}

/// Where a line is in the text; a component follows its entity behind a `/`.
#[derive(Debug, Clone, Copy)]
struct Line {
    verb: Verb,
    start: usize,
    entity_end: usize,
    end: usize,
}

impl ChangeLines {
    /// An entity as a whole.
    pub fn entity(&mut self, entity: &str, verb: Verb) {
        let start = self.text.len();
        self.text.push_str(entity);
        self.line(verb, start, self.text.len());
    }

    /// One of its components.
    pub fn component(&mut self, entity: &str, component: &str, verb: Verb) {
        let start = self.text.len();
        self.text.push_str(entity);
        let entity_end = self.text.len();
        self.text.push('/');
        self.text.push_str(component);
        self.line(verb, start, entity_end);
    }

    /// Its ink.
    pub fn strokes(&mut self, entity: &str, added: u32, erased: u32) {
        let start = self.text.len();
        self.text.push_str(entity);
        let entity_end = self.text.len();
        let _ = write!(self.text, " {added} {erased}");
        self.line(Verb::Strokes, start, entity_end);
    }

    fn line(&mut self, verb: Verb, start: usize, entity_end: usize) {
        let end = self.text.len();
        self.lines.push(Line {
            verb,
            start,
            entity_end,
            end,
        });
    }

    /// How many are noted.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// True when none is.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// One more that is not noted.
    pub fn skip(&mut self) {
        self.more = self.more.saturating_add(1);
    }

    /// The text: the first [`CHANGES_MAX`], entities before ink before components, each by name. Begins anew.
    pub fn take(&mut self) -> String {
        let text = &self.text;
        if self.lines.len() > 1 {
            self.lines.sort_unstable_by_key(|line| {
                let rank = match line.verb {
                    Verb::Strokes => 1,
                    _ if line.entity_end < line.end => 2,
                    _ => 0,
                };
                (
                    rank,
                    &text[line.start..line.entity_end],
                    &text[line.entity_end..line.end],
                )
            });
        }
        let cut = self.lines.len().saturating_sub(CHANGES_MAX);
        let more = self.more.saturating_add(u32::try_from(cut).unwrap_or(u32::MAX));
        let mut out = String::with_capacity(self.text.len() + 2 * self.lines.len());
        let mut before = "";
        for line in self.lines.iter().take(CHANGES_MAX) {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push(match line.verb {
                Verb::Added => '+',
                Verb::Changed => '~',
                Verb::Removed => '-',
                Verb::Strokes => '*',
            });
            let entity = &text[line.start..line.entity_end];
            let same = line.verb != Verb::Strokes && line.entity_end < line.end && entity == before;
            out.push_str(&text[if same { line.entity_end } else { line.start }..line.end]);
            before = entity;
        }
        if more > 0 {
            let _ = write!(out, "\n&{more}");
        }
        self.text.clear();
        self.lines.clear();
        self.more = 0;
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SPEC J2.
    #[test]
    fn what_is_noted_is_stored_in_order_and_read_back() {
        let mut lines = ChangeLines::default();
        for _ in 0..2 {
            lines.strokes("board", 3, 1);
            lines.component("-a-b_", "x.y:z-", Verb::Removed);
            lines.component("lamp", "light", Verb::Changed);
            lines.component("lamp", "shape", Verb::Added);
            lines.component("-a", "z", Verb::Added);
            lines.entity("lamp", Verb::Added);
            lines.entity("old", Verb::Removed);
            let text = lines.take();
            assert_eq!(
                text,
                "+lamp\n-old\n*board 3 1\n+-a/z\n--a-b_/x.y:z-\n~lamp/light\n+/shape"
            );
            let all = Changes {
                items: vec![
                    Change::entity("lamp", Verb::Added),
                    Change::entity("old", Verb::Removed),
                    Change::strokes("board", 3, 1),
                    Change::component("-a", "z", Verb::Added),
                    Change::component("-a-b_", "x.y:z-", Verb::Removed),
                    Change::component("lamp", "light", Verb::Changed),
                    Change::component("lamp", "shape", Verb::Added),
                ],
                more: 0,
            };
            assert_eq!(Changes::from_text(&text), all);
        }
        assert_eq!(lines.take(), "");
        lines.entity("lamp", Verb::Added);
        lines.component("lamp", "light", Verb::Added);
        assert_eq!(lines.take(), "+lamp\n+/light");
        assert_eq!(Changes::from_text(""), Changes::default());
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let mut lines = ChangeLines::default();
        for n in (0..CHANGES_MAX + 7).rev() {
            lines.entity(&format!("e{n:03}"), Verb::Added);
        }
        (0..5).for_each(|_| lines.skip());
        let changes = Changes::from_text(&lines.take());
        assert_eq!((changes.items.len(), changes.more), (CHANGES_MAX, 12));
        assert_eq!(changes.items[0], Change::entity("e000", Verb::Added));
        lines.entity("next", Verb::Added);
        assert_eq!(lines.take(), "+next", "what was cut is not told again");
    }

    #[test]
    fn what_is_no_line_is_left_out() {
        let changes = Changes {
            items: vec![Change::strokes("", 0, 0)],
            more: 0,
        };
        assert_eq!(Changes::from_text("+/light\n\n?\nü\n*"), changes);
    }
}
