//! `thexr export --bundle` and `import --bundle`: all of a space, elsewhere or again, or nothing at all.

use super::support::{
    self, Folder, append, code, complaint, damage, fill, json_of, member, number, run, stdout,
};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use thexr::space::bundle::{self, Wish};
use thexr::store::{Event, EventKind, Kinds, SpaceRow, Store};
use thexr_schema::ids::Seq;

/// A space with a past: sealed and unsealed events, three snapshots, one of them in Yjs v2, and two members.
pub fn folder() -> Folder {
    let folder = Folder::new();
    fill(&folder.data(), "lobby", 0..20);
    assert_eq!(code(&run(&folder, &["compact", "lobby"])), 0);
    support::overwrite(&folder.data(), "lobby", 300);
    let (ada, ben, cy) = ("a".repeat(32), "b".repeat(32), "c".repeat(32));
    let events = [
        (EventKind::Joined, &ada),
        (EventKind::Joined, &ben),
        (EventKind::Joined, &cy),
        (EventKind::Suspended, &ben),
        (EventKind::Left, &cy),
    ];
    append(
        &folder.data(),
        "lobby",
        events.map(|(kind, id)| member(kind, id)).to_vec(),
    );
    assert_eq!(code(&run(&folder, &["compact", "lobby"])), 0);
    fill(&folder.data(), "lobby", 40..45);
    fill(&folder.data(), "other", 0..3);
    assert!(number(&folder, "select count(*) from snapshot where format = 2") > 0);
    assert!(number(&folder, "select count(*) from segment") > 1);
    folder
}

/// The bundle of `lobby`, beside its data.
pub fn exported(folder: &Folder) -> (String, Vec<u8>) {
    let file = folder.path("lobby.thexr").to_str().expect("text").to_owned();
    let output = run(folder, &["export", "lobby", "--bundle", "-o", &file, "--json"]);
    assert_eq!(code(&output), 0);
    let bytes = std::fs::read(&file).expect("is there");
    assert_eq!(json_of(&output)["bytes"], bytes.len());
    (file, bytes)
}

/// Everything of a space that can be compared: its row, its document, its events.
pub fn whole(folder: &Folder, space: &str) -> (SpaceRow, Value, Vec<Event>) {
    let document = run(folder, &["export", space, "--format", "json"]);
    let (row, events) = support::block_on(async {
        let store = support::open(&folder.data()).await;
        let row = store
            .space(&space.parse().expect("an id"))
            .await
            .expect("reads")
            .expect("is there");
        let (mut events, mut seen) = (Vec::new(), Seq(-1));
        loop {
            let page = store
                .history(row.key, seen, 500, Kinds::ALL)
                .await
                .expect("reads");
            if page.seen == seen {
                break;
            }
            seen = page.seen;
            events.extend(page.events);
        }
        store.close().await;
        (row, events)
    });
    (row, json_of(&document), events)
}

#[test]
fn a_space_moves_with_its_past() {
    let (from, to) = (folder(), Folder::new());
    let (file, _) = exported(&from);
    let output = run(&to, &["import", "--bundle", &file, "--json"]);
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    let said = json_of(&output);
    let ((was, document, history), (is, again, mut events)) = (whole(&from, "lobby"), whole(&to, "lobby"));
    assert_eq!(again, document);
    assert_eq!(
        (said["was"].as_str(), said["left"].as_u64()),
        (Some(&*was.epoch), Some(2))
    );
    assert_eq!(said["epoch"].as_str(), Some(&*is.epoch));
    assert_ne!(
        is.epoch, was.epoch,
        "who has the old one must not merge into this one"
    );
    assert_eq!(
        (&is.name, is.created_at, is.base_seq, is.snap_seq),
        (&was.name, was.created_at, was.base_seq, was.snap_seq)
    );
    assert_eq!((is.log_rows, is.log_bytes), (was.log_rows, was.log_bytes));

    // Who was there has left, after all that happened; nobody is there.
    let left = events.split_off(history.len());
    assert_eq!(format!("{events:?}"), format!("{history:?}"));
    assert_eq!((left.len(), is.seq.0), (2, was.seq.0 + 2));
    for event in &left {
        let payload: Value = serde_json::from_slice(&event.payload).expect("JSON");
        assert_eq!(
            (event.kind, &payload["reason"]),
            (EventKind::Left as i64, &json!("shutdown"))
        );
        assert!(event.at >= history.last().expect("events").at);
    }
    assert_eq!(number(&to, "select count(*) from member"), 0);
    let counts = |folder| {
        (
            number(folder, "select count(*) from snapshot"),
            number(folder, "select count(*) from segment"),
        )
    };
    assert_eq!(counts(&to), counts(&from));
    assert_eq!(code(&run(&to, &["fsck"])), 0);

    // What came in goes out again, and lives on.
    let (second, _) = exported(&to);
    assert_eq!(
        code(&run(&to, &["import", "--bundle", &second, "--as", "copy"])),
        0
    );
    assert_eq!(whole(&to, "copy").1, document);
    fill(&to.data(), "copy", 90..95);
    assert_eq!(code(&run(&to, &["compact", "copy"])), 0);
    assert_eq!(code(&run(&to, &["fsck"])), 0);
}

#[test]
fn a_living_space_is_replaced_only_when_told_so() {
    let folder = folder();
    let (file, _) = exported(&folder);
    let before = whole(&folder, "lobby");
    let output = run(&folder, &["import", "--bundle", &file]);
    assert_eq!(
        (code(&output), complaint(&output).contains("--replace")),
        (73, true)
    );
    assert_eq!(format!("{:?}", whole(&folder, "lobby")), format!("{before:?}"));

    fill(&folder.data(), "lobby", 60..62);
    assert_ne!(whole(&folder, "lobby").1, before.1);
    let output = run(&folder, &["import", "--bundle", &file, "--replace"]);
    assert_eq!(
        (code(&output), stdout(&output).contains("lobby: 26 entities")),
        (0, true)
    );
    let after = whole(&folder, "lobby");
    assert_eq!(after.1, before.1);
    assert_ne!(after.0.epoch, before.0.epoch);
    // Of the old one nothing is left but its tombstone.
    assert_eq!(code(&run(&folder, &["fsck"])), 0);
    assert_eq!(number(&folder, "select count(distinct space_id) from event"), 2);
}

#[test]
fn a_bundle_goes_through_a_pipe_and_is_wanted_by_name() {
    let folder = folder();
    let piped = run(&folder, &["export", "lobby", "--bundle"]);
    let to = Folder::new();
    let mut import = support::thexr(&to);
    let mut child = import
        .args(["import", "--bundle", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("runs");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(&piped.stdout)
        .expect("writes");
    assert!(child.wait().expect("ends").success());
    assert_eq!(whole(&to, "lobby").1, whole(&folder, "lobby").1);
    for (args, expected) in [
        (&["export", "nowhere", "--bundle"][..], 66),
        (&["export", "lobby", "--bundle", "--format", "json"], 64),
        (&["import", "--bundle", "nowhere.thexr"], 66),
        (&["import", "--bundle", "x", "--as", "Not A Space"], 64),
        (&["import", "--replace", "lobby", "x"], 64),
        (&["import", "lobby"], 64),
    ] {
        assert_eq!(code(&run(&folder, args)), expected, "{args:?}");
    }
}

/// Imports bytes over the living `lobby` of a folder, and says how that was refused.
async fn refused(store: &Store, bytes: &[u8]) -> String {
    let wish = Wish {
        id: None,
        replace: true,
    };
    let done = async { bundle::Import::open(bytes, &wish)?.run(store).await };
    match done.await {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.to_string(),
    }
}

/// Where each record begins, and the end of the last.
fn records(bytes: &[u8]) -> Vec<usize> {
    let mut starts = vec![15];
    while let Some(len) = bytes
        .get(starts[starts.len() - 1] + 1..)
        .and_then(|rest| rest.first_chunk())
    {
        let next = starts[starts.len() - 1] + 9 + u32::from_le_bytes(*len) as usize;
        if next > bytes.len() {
            break;
        }
        starts.push(next);
    }
    starts
}

#[test]
fn a_file_that_is_damaged_or_cut_off_changes_nothing() {
    let folder = folder();
    let (_, bytes) = exported(&folder);
    let before = format!("{:?}", whole(&folder, "lobby"));
    support::block_on(async {
        let store = support::open(&folder.data()).await;
        let starts = records(&bytes);
        assert!(starts.len() > 8, "{starts:?}");
        for (n, start) in starts.iter().enumerate() {
            // A bit of each part of a record: kind, length, checksum, body, and what follows.
            for at in [0, 1, 4, 5, 9, 12, 40]
                .map(|part| start + part)
                .into_iter()
                .filter(|at| *at < bytes.len())
            {
                let mut flipped = bytes.clone();
                flipped[at] ^= 4;
                refused(&store, &flipped).await;
            }
            for cut in [*start, start + 3, start + 9, start + 20]
                .into_iter()
                .filter(|at| *at < bytes.len())
            {
                let said = refused(&store, &bytes[..cut]).await;
                assert!(said.contains("cut off"), "record {n}: {said}");
            }
        }
        let mut flipped = bytes.clone();
        *flipped.last_mut().expect("bytes") ^= 1;
        assert!(
            refused(&store, &flipped)
                .await
                .contains("does not match its checksum")
        );
        assert!(
            refused(&store, &bytes[..bytes.len() - 1])
                .await
                .contains("cut off")
        );
        assert!(
            refused(&store, &[&bytes[..], b"\n"].concat())
                .await
                .contains("follows the end")
        );
        assert!(refused(&store, b"").await.contains("no bundle"));
        assert!(
            refused(&store, b"SQLite format 3\0 and more")
                .await
                .contains("no bundle")
        );
        assert!(
            refused(&store, b"thexr bundle 2\nand more")
                .await
                .contains("newer")
        );
        store.close().await;
    });
    assert_eq!(format!("{:?}", whole(&folder, "lobby")), before);
    assert_eq!(code(&run(&folder, &["fsck"])), 0);

    let file = folder.path("cut.thexr");
    std::fs::write(&file, &bytes[..bytes.len() / 2]).expect("writes");
    let output = run(
        &folder,
        &["import", "--bundle", file.to_str().expect("text"), "--replace"],
    );
    let line = complaint(&output);
    assert_eq!(
        (code(&output), line.contains("cut off; no space was changed")),
        (65, true),
        "{line}"
    );
}

/// What is whole, with good checksums, but is no space: made by exporting one that was damaged on purpose.
#[test]
fn a_bundle_that_does_not_add_up_is_refused() {
    for (sql, says) in [
        (
            &["update snapshot set hash = zeroblob(32) where seq = 20"][..],
            "does not match its hash",
        ),
        (
            &["delete from snapshot where seq = (select snap_seq from head where space_id = 1)"],
            "is missing",
        ),
        (
            &["update snapshot set seq = 19 where seq = 20"],
            "is not what the events give",
        ),
        (
            &["update head set seq = seq + 1 where space_id = 1"],
            "the events end at",
        ),
        (
            &["delete from event where seq = (select max(seq) - 1 from event where space_id = 1)"],
            "follows event",
        ),
        (
            &[
                "update event set at = 5 where space_id = 1 and seq = (select max(seq) from event where space_id = 1)",
            ],
            "the time of event",
        ),
        (&["delete from segment where first_seq = 1"], "follows event"),
        (
            &["update head set base_seq = 19 where space_id = 1"],
            "is missing",
        ),
        (
            &["update head set snap_seq = 20 where space_id = 1"],
            "no snapshot covers it",
        ),
        // An edit that is no update, with the checksum of those bytes.
        (
            &[
                "update event set payload = x'05', changes = null, crc = 2165896290 where seq = (select max(seq) from event where space_id = 1)",
            ],
            "the scanner refuses",
        ),
        (
            &["update member set away = 0"],
            "is here, but the events say it is away",
        ),
        (&["update event set kind = 90 where seq = 330"], "checksum"),
        (&["update space set keep_days = -1"], "negative"),
        (&["update space set name = 'a' || char(10)"], "display name"),
        (&["update space set created_at = 1 << 60"], "beyond all times"),
    ] {
        let folder = folder();
        for statement in sql {
            damage(&folder, statement);
        }
        let file = folder.path("lobby.thexr");
        let file = file.to_str().expect("text");
        let output = run(&folder, &["export", "lobby", "--bundle", "-o", file]);
        let line = if code(&output) == 0 {
            let to = Folder::new();
            let output = run(&to, &["import", "--bundle", file]);
            assert_eq!(code(&output), 65, "{sql:?}");
            let nothing = !to.data().exists() || number(&to, "select count(*) from space") == 0;
            assert!(nothing, "{sql:?} left something");
            complaint(&output)
        } else {
            assert!(!Path::new(file).exists() && !folder.path("lobby.thexr.partial").exists());
            complaint(&output)
        };
        assert!(line.contains(says), "{sql:?}: {line}");
    }
}
