//! `thexr fsck`: is everything that was acknowledged still there and whole? Reads only; what is damaged is named and
//! left as it is.

mod space;

use super::tool::{self, Place, Progress};
use super::{Failure, exit};
use crate::store::Store;
use serde::Serialize;
use std::fmt;
use std::time::Instant;

const HELP: &str = "\
Checks the database file, then of every space: events numbered 1 to the newest without a gap, checksums, times in
order, every edit past the scanner, every snapshot equal to the edits it replaced (clocks and content), the counts of
the head row, the table of members equal to their joins and leaves, and that the space opens. Of a pruned space: from
the snapshot that its history begins with. Then that webhooks are at events that there are. Nothing is changed. Each finding is one line: space, seq, what.

Ends with 0 when all is good, with 65 when something is damaged. What to do then: keep a copy of the folder; a space
with a damaged event behind its newest snapshot still opens; else take that space from a backup (thexr import), or all of
them: put the copied folder back and run thexr renew-epochs.

Examples:
  thexr fsck                 everything
  thexr fsck lobby --quick   numbers and checksums of one space, no replay
  thexr fsck --json | jq '.problems[].code'
";

/// Flags of `thexr fsck`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{HELP}\n{}", super::EXIT_CODES))]
pub(super) struct Fsck {
    /// One space; without it, all of them
    space: Option<String>,
    /// Do not replay: numbers, checksums and counts only
    #[arg(long)]
    quick: bool,
    /// For programs: one object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, Serialize)]
struct Problem {
    /// The space; none for the file as a whole.
    space: Option<String>,
    /// The event or snapshot.
    seq: Option<i64>,
    /// Stable, for programs.
    code: &'static str,
    /// One line, for people.
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.space, self.seq) {
            (Some(space), Some(seq)) => write!(f, "{space} seq {seq}: {}", self.message),
            (Some(space), None) => write!(f, "{space}: {}", self.message),
            (None, _) => write!(f, "database: {}", self.message),
        }
    }
}

/// What was looked at in a space.
#[derive(Debug, Clone, Serialize)]
struct Looked {
    space: String,
    /// Events seen, in segments and rows.
    events: i64,
    /// Snapshots compared.
    snapshots: i64,
    /// How much is wrong.
    problems: usize,
}

#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    /// False when nothing was replayed.
    replayed: bool,
    spaces: Vec<Looked>,
    problems: Vec<Problem>,
    duration_ms: u64,
}

/// Checks and reports.
pub(super) async fn run(args: Fsck) -> Result<(), Failure> {
    let id = args.space.as_deref().map(tool::space_id).transpose()?;
    let store = args
        .place
        .open("check a copy of the folder, or stop the server first")
        .await?;
    let started = Instant::now();
    let mut progress = Progress::new();
    let mut problems = Vec::new();
    let mut say = |found: Vec<Problem>| -> Result<(), Failure> {
        if !args.json {
            for problem in &found {
                tool::print(&format!("{problem}\n"))?;
            }
        }
        problems.extend(found);
        Ok(())
    };

    progress.at(|| "checking the database file".into());
    let of_file = check_file(&store, args.quick).await;
    progress.clear();
    say(of_file)?;
    let mut spaces = store.check_spaces().await.map_err(tool::store_failed)?;
    if let Some(id) = &id {
        spaces.retain(|space| space.slug == id.as_ref());
        if spaces.is_empty() {
            return Err(Failure::new(exit::NO_INPUT, format!("there is no space {id}")));
        }
    }
    let mut looked = Vec::new();
    for space in &spaces {
        let (seen, found) = space::check(&store, space, args.quick, &mut progress).await;
        progress.clear();
        say(found)?;
        if !args.json {
            tool::print(&format!("{}\n", line(&seen)))?;
        }
        looked.push(seen);
    }
    store.close().await;

    let report = Report {
        ok: problems.is_empty(),
        replayed: !args.quick,
        spaces: looked,
        problems,
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    if args.json {
        tool::print_json(&report)?;
    } else {
        tool::print(&summary(&report))?;
    }
    if report.ok {
        Ok(())
    } else {
        Err(Failure::new(exit::DATA, ""))
    }
}

/// The file itself, rows that belong to nothing, and webhooks.
async fn check_file(store: &Store, quick: bool) -> Vec<Problem> {
    let problem = |code, message| Problem {
        space: None,
        seq: None,
        code,
        message,
    };
    let mut found = Vec::new();
    match store.check_file(quick).await {
        Ok(lines) => found.extend(lines.into_iter().map(|line| problem("file", line))),
        Err(error) => found.push(problem("file", error.to_string())),
    }
    match store.check_strays().await {
        Ok(strays) => found.extend(strays.into_iter().map(|(table, space, rows)| {
            let what =
                format!("{rows} rows of table {table} belong to space id {space}, which does not exist");
            problem("stray_rows", what)
        })),
        Err(error) => found.push(problem("unreadable", error.to_string())),
    }
    match store.check_webhooks().await {
        Ok(rows) => found.extend(rows.into_iter().map(|row| Problem {
            space: row.space,
            seq: row.seq,
            code: "bad_webhook",
            message: row.what,
        })),
        Err(error) => found.push(problem("unreadable", error.to_string())),
    }
    found
}

fn count(n: i64, one: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {one}{s}")
}

fn line(seen: &Looked) -> String {
    let verdict = match seen.problems {
        0 => "ok".to_owned(),
        n => count(n.try_into().unwrap_or(i64::MAX), "problem"),
    };
    let (events, snapshots) = (count(seen.events, "event"), count(seen.snapshots, "snapshot"));
    format!("{}: {events}, {snapshots}, {verdict}", seen.space)
}

fn summary(report: &Report) -> String {
    let spaces = count(report.spaces.len().try_into().unwrap_or(i64::MAX), "space");
    let seconds = report.duration_ms as f64 / 1e3;
    let how = if report.replayed { "" } else { " without replay" };
    if report.ok {
        return format!("Checked {spaces}{how} in {seconds:.1} s: all good.\n");
    }
    let problems = count(report.problems.len().try_into().unwrap_or(i64::MAX), "problem");
    format!("Checked {spaces}{how} in {seconds:.1} s: {problems}. Nothing was changed.\n")
}
