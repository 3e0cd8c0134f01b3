//! `thexr fsck` on data that was damaged on purpose. The sound space beside the damaged one stays sound.

use super::support::{Folder, append, code, damage, fill, json_of, member, run, stdout};
use thexr::store::{EventKind, NewEvent};
use thexr_schema::lib0::write_var;

/// Two spaces; `lobby` has a compacted past (events 1 to 20 sealed, 21 the compaction), a second snapshot, and five
/// edits after it (33 to 37).
fn folder() -> Folder {
    let folder = Folder::new();
    fill(&folder.data(), "lobby", 0..20);
    assert_eq!(code(&run(&folder, &["compact", "lobby"])), 0);
    fill(&folder.data(), "lobby", 20..30);
    assert_eq!(code(&run(&folder, &["compact", "lobby"])), 0);
    fill(&folder.data(), "lobby", 40..45);
    fill(&folder.data(), "sound", 0..3);
    folder
}

/// Runs fsck on the damaged folder: `(seq, code)` of what it found in `lobby`.
fn findings(sql: &[&'static str]) -> Vec<(Option<i64>, String)> {
    let folder = folder();
    for statement in sql {
        damage(&folder, statement);
    }
    let output = run(&folder, &["fsck", "--json"]);
    assert_eq!(code(&output), 65, "{}", stdout(&output));
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report = json_of(&output);
    assert_eq!(report["ok"], false);
    let sound = report["spaces"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|s| s["space"] == "sound");
    assert_eq!(sound.expect("checked all the same")["problems"], 0);
    let problems = report["problems"].as_array().expect("a list").iter();
    problems
        .map(|p| {
            assert_eq!(p["space"], "lobby", "{p}");
            (p["seq"].as_i64(), p["code"].as_str().expect("text").to_owned())
        })
        .collect()
}

fn has(found: &[(Option<i64>, String)], seq: i64, code: &str) {
    assert!(
        found.iter().any(|(s, c)| *s == Some(seq) && c == code),
        "{seq} {code} in {found:?}"
    );
}

#[test]
fn sound_data_is_all_good() {
    let folder = folder();
    for args in [&["fsck"][..], &["fsck", "--quick"], &["fsck", "lobby"]] {
        let output = run(&folder, args);
        assert_eq!(code(&output), 0, "{}", stdout(&output));
        assert!(
            stdout(&output).contains("lobby: 37 events, 2 snapshots, ok"),
            "{}",
            stdout(&output)
        );
        assert!(stdout(&output).contains("all good"));
    }
    assert_eq!(code(&run(&folder, &["fsck", "nowhere"])), 66);
}

#[test]
fn a_flipped_bit_is_found_and_named_in_one_line() {
    let flip = "update event set payload = cast(x'ff' || substr(payload, 2) as blob) where seq = 35";
    let found = findings(&[flip]);
    has(&found, 35, "damaged_event");
    has(&found, 37, "does_not_open");

    let folder = folder();
    damage(&folder, flip);
    for args in [&["fsck"][..], &["fsck", "--quick"]] {
        let output = run(&folder, args);
        assert_eq!(code(&output), 65);
        let said = stdout(&output);
        assert!(
            said.lines()
                .any(|line| line.starts_with("lobby seq 35: the event is damaged")),
            "{said}"
        );
        assert!(said.contains("sound: 3 events, 0 snapshots, ok"), "{said}");
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn missing_rows_are_found_wherever_they_were() {
    has(
        &findings(&["delete from event where seq = 34"]),
        34,
        "missing_event",
    );
    has(&findings(&["delete from event where seq = 37"]), 37, "wrong_head");
    has(
        &findings(&["delete from segment where first_seq = 1"]),
        1,
        "missing_event",
    );
    has(
        &findings(&["delete from snapshot where seq = 31"]),
        31,
        "missing_snapshot",
    );
    let found = findings(&["delete from head where space_id = 1"]);
    assert_eq!(found, [(None, "no_head".to_owned())]);
}

#[test]
fn a_snapshot_that_is_not_its_history_is_found() {
    // The older snapshot's row takes the place of the newest: checksum and hash fit, the content is too old.
    let found = findings(&[
        "update snapshot set body = o.body, crc = o.crc, hash = o.hash, raw_len = o.raw_len, format = o.format
         from (select * from snapshot where seq = 20) o where snapshot.seq = 31",
    ]);
    has(&found, 31, "wrong_snapshot");
    has(&found, 37, "wrong_content");
    has(
        &findings(&["update snapshot set hash = zeroblob(32) where seq = 20"]),
        20,
        "wrong_snapshot",
    );
    has(
        &findings(&["update snapshot set body = zeroblob(9) where seq = 20"]),
        20,
        "damaged_snapshot",
    );
    has(
        &findings(&["update snapshot set format = 9 where seq = 31"]),
        31,
        "damaged_snapshot",
    );
    has(
        &findings(&["update snapshot set raw_len = 1 << 60 where seq = 31"]),
        31,
        "damaged_snapshot",
    );
}

#[test]
fn damage_that_carries_a_good_checksum_is_found_by_replay() {
    // Two edits change places: both whole, each with its checksum.
    let found = findings(&[
        "update event set seq = 900 where seq = 34",
        "update event set seq = 34 where seq = 35",
        "update event set seq = 35 where seq = 900",
    ]);
    has(&found, 34, "bad_edit");
    // An edit that is no update, with the checksum of those bytes (kind 1 and byte 05).
    let crc = "update event set payload = x'05', crc = 2165896290 where seq = 35";
    let found = findings(&[crc]);
    has(&found, 35, "bad_edit");
}

#[test]
fn numbers_times_and_counts_are_checked() {
    has(
        &findings(&["update event set seq = 12 where seq = 36"]),
        12,
        "duplicate_event",
    );
    has(
        &findings(&["update event set at = 5 where seq = 36"]),
        36,
        "time_backwards",
    );
    has(
        &findings(&["update segment set body = zeroblob(9) where first_seq = 1"]),
        1,
        "damaged_segment",
    );
    has(
        &findings(&["update segment set raw_len = 9 where first_seq = 1"]),
        1,
        "damaged_segment",
    );
    for column in [
        "update head set log_rows = 4 where space_id = 1",
        "update head set log_bytes = log_bytes + 1 where space_id = 1",
        "update head set sealed_seq = 3 where space_id = 1",
        "update head set at = at + 1 where space_id = 1",
    ] {
        let found = findings(&[column]);
        assert_eq!(found, [(Some(37), "wrong_head".to_owned())], "{column}");
    }
}

#[test]
fn a_file_that_is_no_database_is_damage() {
    let folder = folder();
    std::fs::write(
        folder.data().join("thexr.db"),
        "not a database, but long enough to look at",
    )
    .expect("writes");
    let output = run(&folder, &["fsck"]);
    assert_eq!(code(&output), 65);
}

/// Regression: a restore of a large document is one edit of the server's own, and larger than what comes from the net may be.
#[test]
fn an_edit_that_no_client_could_send_is_sound() {
    let folder = folder();
    let structs = thexr_schema::limits::STRUCTS_PER_UPDATE_MAX + 1;
    // One client, so many structs from clock 0 on, each of one clock that was collected; nothing deleted.
    let mut update = vec![1];
    write_var(&mut update, u64::from(structs));
    update.extend([77, 0]);
    update.extend([0, 1].repeat(structs as usize));
    update.push(0);
    append(&folder.data(), "sound", vec![NewEvent::edit(update.into())]);
    let output = run(&folder, &["fsck"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    let file = folder.path("sound.thexr").to_str().expect("text").to_owned();
    assert_eq!(
        code(&run(&folder, &["export", "sound", "--bundle", "-o", &file])),
        0
    );
    assert_eq!(
        code(&run(&folder, &["import", "--bundle", &file, "--as", "copy"])),
        0,
        "as import sees it"
    );
}

#[test]
fn rows_of_no_space_are_found_in_every_table() {
    for (table, sql) in [
        (
            "member",
            "insert into member values (77, 'm', 1, 'u', 'n', 1, 0, x'', 0, 0, 0, '{}')",
        ),
        (
            "event",
            "insert into event (space_id, seq, at, kind, payload, crc) values (77, 1, 0, 1, x'', 0)",
        ),
        (
            "segment",
            "insert into segment values (77, 1, 1, 0, 0, 0, x'', 0, 1, 0, 0)",
        ),
        (
            "snapshot",
            "insert into snapshot values (77, 1, 0, 1, 0, x'', x'', 0)",
        ),
    ] {
        let folder = folder();
        damage(&folder, sql);
        let output = run(&folder, &["fsck", "--json"]);
        let report = json_of(&output);
        assert_eq!(code(&output), 65);
        let problem = &report["problems"][0];
        assert_eq!(problem["code"], "stray_rows", "{report}");
        assert!(
            problem["message"]
                .as_str()
                .is_some_and(|text| text.contains(table)),
            "{report}"
        );
    }
}

#[test]
fn the_table_of_members_is_compared_with_the_events() {
    let folder = folder();
    let (ada, ben) = ("a".repeat(32), "b".repeat(32));
    let events = [
        (EventKind::Joined, &ada),
        (EventKind::Joined, &ben),
        (EventKind::Suspended, &ben),
    ];
    let events = events.map(|(kind, id)| member(kind, id));
    append(&folder.data(), "lobby", events.to_vec());
    assert_eq!(code(&run(&folder, &["fsck"])), 0);
    for (sql, says) in [
        (
            "update member set away = 0",
            "is here, but the events say it is away",
        ),
        (
            "insert into member select space_id, 'm', 9, user, name, role, yjs, token, 0, away, 0, state from member limit 1",
            "no event says that it is here",
        ),
        ("delete from member where away = 0", "no event says that it left"),
    ] {
        damage(&folder, sql);
        for args in [&["fsck"][..], &["fsck", "--quick"]] {
            let output = run(&folder, args);
            assert_eq!(
                (code(&output), stdout(&output).contains(says)),
                (65, true),
                "{}",
                stdout(&output)
            );
        }
    }
}

#[test]
fn what_a_segment_says_of_itself_is_true() {
    has(
        &findings(&["update segment set kinds = 4 where first_seq = 1"]),
        1,
        "wrong_kinds",
    );
    has(
        &findings(&["update segment set edits = edits + 1 where first_seq = 1"]),
        1,
        "wrong_kinds",
    );
    has(
        &findings(&["update segment set format = 9 where first_seq = 1"]),
        1,
        "damaged_segment",
    );
    has(
        &findings(&["update segment set format = 1 where first_seq = 1"]),
        1,
        "damaged_segment",
    );
    let folder = folder();
    damage(
        &folder,
        "update segment set kinds = -1, edits = null where first_seq = 1",
    );
    assert_eq!(code(&run(&folder, &["fsck"])), 0, "not known is not wrong");
}

#[test]
fn a_pruned_history_begins_with_a_snapshot() {
    // As pruning leaves it: the base first, the segments before it later.
    let prune = "update head set base_seq = 20 where space_id = 1";
    let pruned = || {
        let folder = folder();
        damage(&folder, prune);
        folder
    };
    let folder = pruned();
    for args in [&["fsck"][..], &["fsck", "--quick"]] {
        let output = run(&folder, args);
        let said = stdout(&output);
        assert_eq!(code(&output), 0, "{said}");
        assert!(said.contains("lobby: 17 events, 2 snapshots, ok"), "{said}");
    }
    damage(&folder, "delete from segment where first_seq = 1");
    assert_eq!(code(&run(&folder, &["fsck"])), 0);
    has(
        &findings(&[prune, "delete from snapshot where seq = 20"]),
        20,
        "missing_snapshot",
    );
    has(
        &findings(&["update head set base_seq = 21 where space_id = 1"]),
        21,
        "missing_snapshot",
    );
    has(
        &findings(&[prune, "delete from segment where first_seq > 20"]),
        21,
        "missing_event",
    );
    has(
        &findings(&["update head set base_seq = 35 where space_id = 1"]),
        35,
        "wrong_head",
    );
}
