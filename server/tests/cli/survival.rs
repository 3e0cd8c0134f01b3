//! What is left of a space: after pruning, and after an import that was killed.

use super::bundle::{exported, folder, whole};
use super::support::{self, Folder, code, damage, fill, number, run, stdout};
use std::process::Stdio;
use std::time::Duration;
use thexr::config::HistoryConfig;
use thexr::space::retention;
use thexr_schema::ids::Seq;

#[test]
fn a_pruned_space_moves_too() {
    let (from, to) = (folder(), Folder::new());
    damage(&from, "update head set base_seq = 20 where space_id = 1");
    damage(
        &from,
        "update space set keep_days = 7, keep_bytes = 1000 where slug = 'lobby'",
    );
    let (file, _) = exported(&from);
    assert_eq!(code(&run(&to, &["import", "--bundle", &file])), 0);
    let (was, is) = (whole(&from, "lobby"), whole(&to, "lobby"));
    assert_eq!((is.1, is.0.base_seq), (was.1, Seq(20)));
    assert_eq!(format!("{:?}", &is.2[..was.2.len()]), format!("{:?}", was.2));
    assert_eq!(
        number(&to, "select keep_days * 10000 + keep_bytes from space"),
        71_000
    );
    assert_eq!(code(&run(&to, &["fsck"])), 0);
}

/// Pruned as the server does it, a space passes fsck, moves, and passes it there.
#[test]
fn what_pruning_leaves_is_whole() {
    let (from, to) = (folder(), Folder::new());
    let moved = support::block_on(async {
        let store = support::open(&from.data()).await;
        let row = store
            .space(&"lobby".parse().expect("an id"))
            .await
            .expect("reads")
            .expect("is there");
        let policy = HistoryConfig { days: 0, bytes: 1 };
        let moved = retention::run(&store, row.key, policy, i64::MAX / 2).await;
        store.close().await;
        moved.expect("prunes")
    });
    assert!(moved);
    assert!(number(&from, "select base_seq from head where space_id = 1") >= 20);
    assert_eq!(
        number(&from, "select count(*) from segment where first_seq = 1"),
        0
    );
    let output = run(&from, &["fsck"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    let (file, _) = exported(&from);
    assert_eq!(code(&run(&to, &["import", "--bundle", &file])), 0);
    assert_eq!(whole(&to, "lobby").1, whole(&from, "lobby").1);
    assert_eq!(code(&run(&to, &["fsck"])), 0);
}

/// Killed at any time, an import that replaces leaves the old space or the new one.
#[test]
fn a_killed_import_leaves_the_old_space_or_the_new_one() {
    let folder = folder();
    let (file, _) = exported(&folder);
    fill(&folder.data(), "lobby", 60..62);
    let (mut old, mut new) = (0, 0);
    let waits = [0, 5, 10, 20, 40, 80, 160, 320].map(Some);
    for wait in waits.into_iter().chain([None]) {
        let before = whole(&folder, "lobby").0.epoch;
        let mut import = support::thexr(&folder);
        let import = import.args(["import", "--bundle", &file, "--replace"]);
        let mut child = import.stdout(Stdio::null()).spawn().expect("runs");
        if let Some(wait) = wait {
            let wait = Duration::from_millis(wait);
            support::block_on(async { tokio::time::sleep(wait).await });
            let _ = child.kill();
        }
        child.wait().expect("ends");
        let output = run(&folder, &["fsck"]);
        assert_eq!(code(&output), 0, "{}", stdout(&output));
        if whole(&folder, "lobby").0.epoch == before {
            old += 1;
        } else {
            new += 1;
        }
    }
    assert!(old > 0 && new > 0, "{old} {new}");
}
