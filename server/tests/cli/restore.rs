//! What comes back from a backup is another history: for the clients that saw the first, and for webhooks.

use super::bundle::{exported, folder, whole};
use super::support::{self, Folder, code, complaint, damage, json_of, number, run, stdout};
use std::collections::BTreeSet;

/// The epochs of the two spaces.
fn epochs(folder: &Folder) -> BTreeSet<String> {
    ["lobby", "other"]
        .map(|space| whole(folder, space).0.epoch)
        .into()
}

#[test]
fn a_folder_that_was_put_back_gets_new_epochs() {
    let folder = folder();
    damage(
        &folder,
        "insert into space (slug, name, epoch, created_at, deleted_at) values ('gone', 'Gone', 'old', 0, 1)",
    );
    let (before, (was, document, history)) = (epochs(&folder), whole(&folder, "lobby"));
    let output = run(&folder, &["renew-epochs"]);
    assert_eq!(
        (code(&output), &*stdout(&output)),
        (0, "2 spaces have a new epoch\n")
    );
    let after = epochs(&folder);
    assert_eq!(
        (after.len(), before.intersection(&after).count()),
        (2, 0),
        "{after:?}"
    );
    assert!(
        after
            .iter()
            .all(|epoch| epoch.len() == before.first().map_or(0, String::len))
    );
    assert_eq!(
        number(&folder, "select count(*) from space where epoch = 'old'"),
        1
    );

    // All else is as it was.
    let (is, again, events) = whole(&folder, "lobby");
    assert_eq!(
        (is.seq, again, format!("{events:?}")),
        (was.seq, document, format!("{history:?}"))
    );
    assert_eq!(code(&run(&folder, &["fsck"])), 0);

    let output = run(&folder, &["renew-epochs", "--json"]);
    assert_eq!((code(&output), json_of(&output)["spaces"].as_u64()), (0, Some(2)));
    assert_eq!(epochs(&folder).intersection(&after).count(), 0);

    // Not under a running server, and not where nothing is.
    support::block_on(async {
        let store = support::open(&folder.data()).await;
        let output = support::thexr(&folder)
            .arg("renew-epochs")
            .output()
            .expect("runs");
        assert_eq!(
            (code(&output), complaint(&output).contains("stop the server")),
            (75, true)
        );
        store.close().await;
    });
    let nothing = run(&Folder::new(), &["renew-epochs"]);
    assert_eq!(
        (code(&nothing), complaint(&nothing).contains("there is no")),
        (66, true)
    );
}

#[test]
fn what_is_no_bundle_makes_no_folder() {
    let (from, to) = (folder(), Folder::new());
    let (file, bytes) = exported(&from);
    for (bad, says) in [
        (&b"SQLite format 3\0 and more"[..], "no bundle"),
        (b"thexr bundle 2\nand more", "newer"),
        (&bytes[..200], "cut off"),
    ] {
        std::fs::write(&file, bad).expect("writes");
        let output = run(&to, &["import", "--bundle", &file]);
        assert_eq!(
            (code(&output), complaint(&output).contains(says)),
            (65, true),
            "{says}"
        );
        assert!(!to.data().exists(), "{says}: a folder was made");
    }
}

/// Hooks of the server and of `lobby`; both have been told something of it.
fn hook(folder: &Folder) {
    for sql in [
        "insert into webhook (id, space_id, url, secret, kinds, created_at)
         values ('server', null, 'http://localhost:9/', 'a secret of the server', -1, 0),
                ('lobby', (select id from space where slug = 'lobby'), 'http://localhost:9/', 'a secret of lobby', -1, 0)",
        "insert into webhook_cursor (webhook_id, space_id, seq, looked_seq)
         select w.id, s.id, 5, 7 from webhook w, space s where s.slug = 'lobby'",
        "insert into webhook_dead (webhook_id, space_id, first_seq, last_seq, attempts, error, at)
         select 'lobby', id, 1, 3, 20, 'x', 0 from space where slug = 'lobby'",
    ] {
        damage(folder, sql);
    }
}

/// What a webhook has still to be told of a space.
fn untold(folder: &Folder, hook: &str, space: &str) -> (i64, i64) {
    support::block_on(async {
        let store = support::open(&folder.data()).await;
        let row = store.space(&space.parse().expect("an id")).await.expect("reads");
        let row = row.expect("is there");
        let cursor = store.webhook_cursor(hook, row.key).await.expect("reads");
        store.close().await;
        (cursor.seq.0, row.seq.0)
    })
}

/// SPEC N1.
#[test]
fn what_happened_elsewhere_is_no_news_to_webhooks() {
    let folder = folder();
    hook(&folder);
    let (file, _) = exported(&folder);
    let was = whole(&folder, "lobby").0.seq.0;
    assert_eq!(
        code(&run(&folder, &["import", "--bundle", &file, "--as", "copy"])),
        0
    );
    // Only the two leaves, which were written here.
    assert_eq!(untold(&folder, "server", "copy"), (was, was + 2));
    // The other space's hook is not told, and nothing else has moved.
    assert_eq!(
        number(
            &folder,
            "select count(*) from webhook_cursor where webhook_id = 'lobby'"
        ),
        1
    );
    assert_eq!(untold(&folder, "server", "lobby").0, 5);
    assert_eq!(code(&run(&folder, &["fsck"])), 0);
}

/// SPEC N9.
#[test]
fn a_space_that_is_replaced_keeps_its_webhooks() {
    let folder = folder();
    hook(&folder);
    let (file, _) = exported(&folder);
    let was = whole(&folder, "lobby").0.seq.0;
    let output = run(&folder, &["import", "--bundle", &file, "--replace"]);
    assert_eq!(code(&output), 0);
    assert!(
        stdout(&output).contains(", 1 webhook goes on"),
        "{}",
        stdout(&output)
    );
    for hook in ["server", "lobby"] {
        assert_eq!(untold(&folder, hook, "lobby"), (was, was + 2), "{hook}");
    }
    let same = "select count(*) from webhook w join space s on s.id = w.space_id
        where w.id = 'lobby' and secret = 'a secret of lobby' and s.slug = 'lobby' and s.deleted_at is null";
    assert_eq!(number(&folder, same), 1);
    // What they were not told of the space that is gone is gone with it.
    assert_eq!(number(&folder, "select count(*) from webhook_cursor"), 2);
    assert_eq!(number(&folder, "select count(*) from webhook_dead"), 0);
    assert_eq!(code(&run(&folder, &["fsck"])), 0);

    let again = run(&folder, &["import", "--bundle", &file, "--replace", "--json"]);
    assert_eq!(json_of(&again)["webhooks"], 1);
}
