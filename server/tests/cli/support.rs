//! A data folder filled through the library, the program run on it, and SQL to damage it.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use thexr::metrics::Metrics;
use thexr::space::doc::edit::{Edit, Edited};
use thexr::space::doc::{CheckedUpdate, Keep, SpaceDoc};
use thexr::store::{EventKind, MemberRow, NewEvent, OpenError, RosterChange, Store};
use tokio_util::task::TaskTracker;

/// A folder of its own per test, gone afterwards.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("thexr-cli-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).expect("makes a folder");
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program, told nothing by the environment it is tested in.
pub fn thexr(folder: &Folder) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thexr"));
    let ours = std::env::vars_os().map(|(name, _)| name);
    for name in ours.filter(|name| name.to_string_lossy().starts_with("THEXR_")) {
        command.env_remove(name);
    }
    for name in ["RUST_LOG", "DATABASE_URL", "NATS_URL"] {
        command.env_remove(name);
    }
    command
        .current_dir(&folder.0)
        .env("THEXR_DATA", folder.data())
        .stdin(Stdio::null());
    command
}

/// Runs to the end.
pub fn run(folder: &Folder, args: &[&str]) -> Output {
    for _ in 0..100 {
        let output = thexr(folder).args(args).output().expect("runs");
        // As in `open`: a lock that a process of another test holds until it runs.
        if code(&output) != 75 {
            return output;
        }
        block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
    }
    thexr(folder).args(args).output().expect("runs")
}

pub fn code(output: &Output) -> i32 {
    output.status.code().expect("ended by itself")
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// What went wrong, after seeing that it is one line with our name in front.
pub fn complaint(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).expect("text");
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    text.strip_prefix("thexr: ")
        .unwrap_or_else(|| panic!("{text}"))
        .trim_end()
        .to_owned()
}

pub fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// An update that sets a component of `entity`.
fn put(doc: &mut SpaceDoc, entity: String) -> bytes::Bytes {
    let text = format!("entity {entity}");
    say(doc, entity, &text)
}

fn say(doc: &mut SpaceDoc, entity: String, text: &str) -> bytes::Bytes {
    let edit = Edit::Put {
        value: json!({"value": text}),
        component: "text".into(),
        entity,
    };
    match doc.edit(&edit) {
        Edited::Done(update) => update,
        other => panic!("{edit:?} gave {other:?}"),
    }
}

/// The second edit of a client whose first one nobody has.
pub fn gap() -> Vec<u8> {
    let mut doc = SpaceDoc::new(5);
    put(&mut doc, "first".into());
    put(&mut doc, "second".into()).to_vec()
}

/// Opens the database of a folder that no program has open.
pub async fn open(data: &Path) -> Store {
    let tracker = TaskTracker::new();
    loop {
        match Store::open(data, Arc::new(Metrics::default()), &tracker).await {
            // A process that another test is just starting holds a copy of our old lock until it runs.
            Err(OpenError::Locked(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
            opened => break opened.expect("opens"),
        }
    }
}

/// Appends these events to a space, made when it is missing.
pub fn append(data: &Path, space: &str, events: Vec<NewEvent>) {
    block_on(async {
        let store = open(data).await;
        let id = space.parse().expect("a space id");
        let row = match store.space(&id).await.expect("reads") {
            Some(row) => row,
            None => store.create(&id, space).await.expect("creates"),
        };
        for some in events.chunks(100) {
            store.append(row.key, some.to_vec()).await.expect("appends");
        }
        store.close().await;
    });
}

/// Puts `edits` edits of entities into a space, made when it is missing.
pub fn fill(data: &Path, space: &str, edits: std::ops::Range<u32>) {
    // A writer of its own per call: clocks start at 0.
    let mut doc = SpaceDoc::new(u64::from(edits.start) + 100);
    let events = edits.map(|n| NewEvent::edit(put(&mut doc, format!("e{n}"))));
    append(data, space, events.collect());
}

/// Two clients overwrite one component in turn, so often that the snapshot is kept in Yjs v2.
pub fn overwrite(data: &Path, space: &str, times: u32) {
    let mut docs = [SpaceDoc::new(7), SpaceDoc::new(8)];
    let events = (0..times).map(|n| {
        let update = say(&mut docs[0], "e".into(), &n.to_string());
        let checked = CheckedUpdate::parse(update.clone()).expect("is an update");
        docs[1].apply(&checked, Keep::Received).expect("fits");
        docs.swap(0, 1);
        NewEvent::edit(update)
    });
    append(data, space, events.collect());
}

/// Something that a member did, written with its row.
pub fn member(kind: EventKind, member: &str) -> NewEvent {
    let row = MemberRow {
        member: member.into(),
        handle: u16::from(member.as_bytes()[0]),
        user: "ada".into(),
        name: "Ada".into(),
        role: 1,
        yjs: 0,
        token: vec![7; 32],
        joined_at: 0,
        away: kind == EventKind::Suspended,
        heard_at: 1_700_000_000_000,
        state: "{}".into(),
    };
    let roster = match kind {
        EventKind::Left => RosterChange::Drop,
        _ => RosterChange::Put(Box::new(row)),
    };
    NewEvent {
        member: Some(member.into()),
        roster: Some(roster),
        ..NewEvent::note(
            kind,
            Some("ada".into()),
            &json!({"handle": 1, "name": "Ada", "role": 1, "yjs": 0}),
        )
    }
}

/// Runs SQL on the database, as a fault would.
pub fn damage(folder: &Folder, sql: &'static str) {
    use sqlx::Connection;
    block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.data().join("thexr.db"));
        let mut connection = sqlx::SqliteConnection::connect_with(&options)
            .await
            .expect("opens");
        let done = sqlx::query(sql).execute(&mut connection).await.expect("runs");
        assert!(done.rows_affected() > 0, "{sql} hit nothing");
        connection.close().await.expect("closes");
    });
}

/// A number in the database.
pub fn number(folder: &Folder, sql: &'static str) -> i64 {
    use sqlx::{Connection, Row};
    block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.data().join("thexr.db"));
        let mut connection = sqlx::SqliteConnection::connect_with(&options)
            .await
            .expect("opens");
        let row = sqlx::query(sql).fetch_one(&mut connection).await.expect("a row");
        connection.close().await.expect("closes");
        row.get(0)
    })
}
