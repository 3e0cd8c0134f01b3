//! `/api/v1/spaces/{space}/attendance`: who was there, from when to when, as JSON or as a table.

use super::document::{accepted, quality};
use super::input::{InSpace, Query};
use super::problem::{Code, Problem};
use super::space::row;
use super::timestamp::moment;
use crate::clock::{now_ms, rfc3339};
use crate::space::roster::{Recall, Turn};
use crate::store::{Event, Kinds};
use crate::{App, limits};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use thexr_schema::api::Page;
use thexr_schema::ids::Seq;
use thexr_schema::journal::Attendance;
use thexr_schema::presence::Reason;

/// What to count, and how.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    by: By,
    format: Option<Format>,
}

/// What one line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    #[default]
    User,
    Member,
}

/// The form of the answer; without it the Accept header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Json,
    Csv,
}

/// `GET …/attendance`
pub async fn show(
    State(app): State<App>,
    InSpace(id): InSpace,
    Query(which): Query<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let row = row(&app, &id).await?;
    let from = which.from.as_deref().map(|at| moment("from", at)).transpose()?;
    let to = which.to.as_deref().map(|at| moment("to", at)).transpose()?;
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(Problem::new(Code::BadQuery, "from is after to."));
    }
    let now = now_ms();
    let to = to.unwrap_or(now).min(now);
    // Nobody has been there in the future.
    let mut sheet = Sheet::new(which.by, from.unwrap_or(i64::MIN).min(to), to);
    let mut after = Seq::ZERO;
    loop {
        let stretch = app
            .spaces
            .store()
            .history(row.key, after, limits::JOURNAL_PAGE_EVENTS, Kinds::MEMBERS)
            .await?;
        if stretch.seen == after {
            break;
        }
        after = stretch.seen;
        stretch.events.iter().for_each(|event| sheet.take(event));
        if sheet.rows.len() > limits::ATTENDANCE_ROWS_MAX {
            sheet.rows.retain(|_, line| line.seen || line.open > 0);
        }
        if sheet.rows.len() > limits::ATTENDANCE_ROWS_MAX {
            let what = "More people than fit in one list: ask for a shorter time with from and to.";
            return Err(Problem::new(Code::BadQuery, what));
        }
    }
    let items = sheet.finish();
    let csv = match which.format {
        Some(format) => format == Format::Csv,
        None => {
            let accept = accepted(&headers);
            quality(&accept, "text/csv") > quality(&accept, "application/json")
        }
    };
    let vary = [(header::VARY, "accept")];
    if csv {
        let name = format!("attachment; filename=\"{id}-attendance.csv\"");
        let form = [
            (
                header::CONTENT_TYPE,
                "text/csv; charset=utf-8; header=present".to_owned(),
            ),
            (header::CONTENT_DISPOSITION, name),
        ];
        return Ok((vary, form, table(&items)).into_response());
    }
    Ok((vary, axum::Json(Page { items, next: None })).into_response())
}

/// Lines by what they are about, filled event by event.
struct Sheet {
    by: By,
    from: i64,
    to: i64,
    rows: BTreeMap<String, Line>,
    /// Members that have not left: their line, and whether they are here or away.
    open: HashMap<String, (String, bool)>,
}

#[derive(Default)]
struct Line {
    user: String,
    name: String,
    member: Option<String>,
    /// When it first came; none when the journal does not reach back so far.
    first: Option<i64>,
    last_heard: i64,
    left: Option<(i64, &'static str)>,
    total: i64,
    members: u32,
    reconnects: u32,
    /// Members that are here, and since when one is.
    here: u32,
    since: i64,
    /// Members that have not left.
    open: u32,
    /// Something happened to it within the time asked for.
    seen: bool,
}

impl Sheet {
    fn new(by: By, from: i64, to: i64) -> Self {
        Self {
            by,
            from,
            to,
            rows: BTreeMap::new(),
            open: HashMap::new(),
        }
    }

    fn take(&mut self, event: &Event) {
        let Some(told) = Recall::of(event).filter(|_| event.at <= self.to) else {
            return;
        };
        let Some(user) = told.user else { return };
        let key = match self.by {
            By::User => user,
            By::Member => told.member,
        };
        let joins = matches!(told.turn, Turn::Joined(_));
        let line = self.rows.entry(key.to_owned()).or_insert_with(|| Line {
            user: user.to_owned(),
            member: (self.by == By::Member).then(|| told.member.to_owned()),
            first: joins.then_some(event.at),
            ..Line::default()
        });
        let known = self.open.remove(told.member);
        let was_here = match &known {
            Some((_, here)) => *here,
            None => {
                line.members += 1;
                line.open += 1;
                let here = !joins && !told.was_away();
                if here {
                    line.came(if self.from == i64::MIN {
                        event.at
                    } else {
                        self.from
                    });
                }
                here
            }
        };
        match (was_here, told.is_here()) {
            (false, true) => line.came(event.at),
            (true, false) => line.went(told.heard_at, self.from, self.to),
            _ => {}
        }
        line.seen |= event.at >= self.from;
        line.last_heard = line.last_heard.max(told.heard_at);
        line.left = None;
        match &told.turn {
            Turn::Joined(who) => who.name.clone_into(&mut line.name),
            Turn::Resumed(_) => line.reconnects += u32::from(event.at >= self.from),
            Turn::Suspended => {}
            Turn::Left(reason) => {
                line.open = line.open.saturating_sub(1);
                let reason = reason.map_or("", Reason::as_str);
                line.left = (line.open == 0).then_some((event.at, reason));
                return;
            }
        }
        let place = (key.to_owned(), told.is_here());
        self.open.insert(told.member.to_owned(), place);
    }

    fn finish(mut self) -> Vec<Attendance> {
        let (from, to) = (self.from, self.to);
        let mut lines: Vec<Line> = std::mem::take(&mut self.rows).into_values().collect();
        lines.retain(|line| line.seen || line.here > 0);
        lines.sort_by_key(|line| (line.first, line.since));
        let shown = |mut line: Line| {
            let here = line.here > 0;
            if here {
                line.here = 1;
                line.went(to, from, to);
            }
            let (left, reason) = line.left.map_or((None, None), |(at, reason)| {
                (Some(rfc3339(at)), Some(reason.to_owned()))
            });
            Attendance {
                user: line.user,
                name: line.name,
                member: line.member,
                first_seen: line.first.map(rfc3339),
                last_heard: (!here).then(|| rfc3339(line.last_heard)),
                left,
                reason,
                total_ms: line.total,
                members: line.members,
                reconnects: line.reconnects,
            }
        };
        lines.into_iter().map(shown).collect()
    }
}

impl Line {
    fn came(&mut self, at: i64) {
        if self.here == 0 {
            self.since = at;
        }
        self.here += 1;
    }

    /// Only the time within the bounds counts.
    fn went(&mut self, at: i64, from: i64, to: i64) {
        self.here = self.here.saturating_sub(1);
        if self.here == 0 {
            self.total += (at.clamp(from, to) - self.since.clamp(from, to)).max(0);
        }
    }
}

/// RFC 4180.
fn table(lines: &[Attendance]) -> String {
    let mut out = String::from(
        "user,name,member,first_seen,last_heard,left,reason,total_seconds,members,reconnects\r\n",
    );
    for line in lines {
        let total = format!("{}.{:03}", line.total_ms / 1_000, line.total_ms % 1_000);
        let (members, reconnects) = (line.members.to_string(), line.reconnects.to_string());
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        let fields = [
            line.user.clone(),
            line.name.clone(),
            optional(&line.member),
            optional(&line.first_seen),
            optional(&line.last_heard),
            optional(&line.left),
            optional(&line.reason),
            total,
            members,
            reconnects,
        ];
        let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
        out.push_str(&fields.join(","));
        out.push_str("\r\n");
    }
    out
}

/// Names come from strangers: a spreadsheet would run one that begins like a formula.
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let field = if formula {
        format!("'{field}")
    } else {
        field.to_owned()
    };
    // Always quoted: in some countries a spreadsheet takes the semicolon for the comma.
    format!("\"{}\"", field.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::EventKind;
    use serde_json::{Value, json};

    fn event(at: i64, kind: EventKind, member: &str, user: &str, note: Value) -> Event {
        Event {
            seq: Seq(1),
            at,
            kind: kind as i64,
            member: Some(member.into()),
            user: Some(user.into()),
            payload: note.to_string().into(),
            changes: None,
        }
    }

    /// Two tabs of Ana, one of which is lost and comes back, and Ben, who never does.
    fn story() -> Vec<Event> {
        use EventKind::{Joined, Left, Resumed, Suspended};
        vec![
            event(1_000, Joined, "a1", "ana", json!({"name": "Ana"})),
            event(2_000, Joined, "a2", "ana", json!({"name": "Ana L"})),
            event(3_000, Joined, "b1", "ben", json!({"name": "Ben"})),
            event(5_000, Suspended, "b1", "ben", json!({"last_heard": 4_000})),
            event(
                6_000,
                Left,
                "a1",
                "ana",
                json!({"reason": "bye", "last_heard": 6_000}),
            ),
            event(7_000, Suspended, "a2", "ana", json!({"last_heard": 7_000})),
            event(9_000, Resumed, "a2", "ana", json!({})),
            event(
                20_000,
                Left,
                "b1",
                "ben",
                json!({"reason": "grace", "last_heard": 4_000}),
            ),
        ]
    }

    fn sheet(by: By, from: i64, to: i64) -> Vec<Attendance> {
        let mut sheet = Sheet::new(by, from, to);
        story().iter().for_each(|event| sheet.take(event));
        sheet.finish()
    }

    /// SPEC J5.
    #[test]
    fn two_tabs_count_once_and_the_time_away_does_not() {
        let lines = sheet(By::User, i64::MIN, 30_000);
        let [ana, ben] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert_eq!((&*ana.name, ana.members, ana.reconnects), ("Ana L", 2, 1));
        assert_eq!(ana.total_ms, 6_000 + 21_000);
        assert_eq!((&ana.left, &ana.last_heard), (&None, &None));
        assert_eq!((ben.total_ms, ben.reason.as_deref()), (1_000, Some("grace")));
        assert_eq!(ben.last_heard.as_deref(), Some("1970-01-01T00:00:04.000Z"));
        assert_eq!(ben.left.as_deref(), Some("1970-01-01T00:00:20.000Z"));
        let members = sheet(By::Member, i64::MIN, 30_000);
        assert_eq!(
            members.iter().map(|m| m.total_ms).collect::<Vec<_>>(),
            [5_000, 26_000, 1_000]
        );
    }

    /// SPEC J5.
    #[test]
    fn only_the_time_asked_for_counts() {
        let lines = sheet(By::User, 6_500, 10_000);
        assert_eq!(lines.len(), 1, "Ben was away then: {lines:?}");
        assert_eq!(lines[0].total_ms, 500 + 1_000);
    }

    /// SPEC J5.
    #[test]
    fn a_member_older_than_the_journal_counts_from_where_that_begins() {
        let mut sheet = Sheet::new(By::User, i64::MIN, 30_000);
        story().iter().skip(3).for_each(|event| sheet.take(event));
        let lines = sheet.finish();
        assert!(lines.iter().all(|line| line.first_seen.is_none()));
        assert_eq!(
            lines
                .iter()
                .find(|line| line.user == "ana")
                .map(|line| line.members),
            Some(2)
        );
    }

    #[test]
    fn a_name_is_no_formula_and_no_line() {
        assert_eq!(quoted("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\"");
        assert_eq!(quoted("a\"b\nc,d"), "\"a\"\"b\nc,d\"");
        assert_eq!(quoted("Ana"), "\"Ana\"");
    }
}
