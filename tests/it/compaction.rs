//! Compaction: design §8. The log becomes a snapshot and sealed history, and nobody who edits notices.

use serde_json::{Value, json};
use std::time::Duration;
use thexr::space::Trouble;
use thexr_schema::ids::SpaceId;
use thexr_tests::plan::Op;
use thexr_tests::rows::Rows;
use thexr_tests::server::ADMIN_TOKEN;
use thexr_tests::value::stroke;
use thexr_tests::{Client, Plan, Process, Server, env_number, eventually, http};

const SPACE: &str = "hall";

async fn written(server: &Server, edits: usize) -> Client {
    let client = Client::connect(server.addr(), SPACE).await;
    for i in 0..edits {
        client.set("box", "n", &json!(i));
        client.push_stroke("box", &stroke(&format!("s{i}"), 3));
    }
    client.saved().await;
    client
}

/// Design §8: live editing does not stop; no event is lost, doubled or left out.
#[tokio::test]
async fn nothing_is_lost_while_people_write() {
    let server = Server::start().await;
    let mut writers = tokio::task::JoinSet::new();
    for w in 0..3 {
        let addr = server.addr();
        writers.spawn(async move {
            let client = Client::connect(addr, SPACE).await;
            for i in 0..200 {
                client.set(&format!("e{}", i % 7), &format!("by{w}"), &json!(i));
                if i % 20 == 0 {
                    client.saved().await;
                }
            }
            client.saved().await;
            client
        });
    }
    let mut done = 0;
    while !writers.is_empty() {
        let id: SpaceId = SPACE.parse().expect("an id");
        let compacted = server
            .on_spaces(move |spaces| async move { spaces.get(&id).await?.compact(false).await })
            .await;
        done += usize::from(compacted.is_ok());
        if let Some(client) = writers.try_join_next() {
            let client = client.expect("no panic");
            let content = server.content(SPACE).await;
            drop(client);
            drop(content);
        }
    }
    assert!(done > 0, "no compaction ran meanwhile");
    server.compact(SPACE, false).await;
    let content = server.content(SPACE).await;
    let fresh = Client::connect(server.addr(), SPACE).await;
    fresh.agrees_with(&content).await;
    let rows = Rows::open(&server.folder()).await;
    let history = rows.whole_history(SPACE).await;
    assert_eq!(
        history.values().filter(|(kind, _)| *kind == 1).count(),
        600,
        "one row per update"
    );
    assert_eq!(rows.stored(SPACE).await, content);
    assert_eq!(
        rows.snapshots(SPACE).await.last().map(|s| s.content.clone()),
        Some(content)
    );
}

/// Design §8: the snapshot is the document at the seq it covers, and its hash says so.
#[tokio::test]
async fn a_snapshot_is_what_the_log_makes_and_carries_its_hash() {
    let server = Server::start().await;
    let client = written(&server, 30).await;
    let result = server.compact(SPACE, false).await;
    client.set("box", "n", &json!("later"));
    client.saved().await;
    let rows = Rows::open(&server.folder()).await;
    let [snapshot] = &rows.snapshots(SPACE).await[..] else {
        panic!("one snapshot")
    };
    let history = rows.whole_history(SPACE).await;
    let edits = history
        .iter()
        .filter(|(seq, (kind, _))| **seq <= snapshot.seq && *kind == 1)
        .map(|(_, (_, payload))| &payload[..]);
    let replayed = thexr::space::doc::SpaceDoc::from_stored(9, None, edits).expect("joins up");
    assert_eq!(snapshot.content, thexr_tests::value::of_space(&replayed));
    assert_eq!(snapshot.hash, snapshot.content.hash);
    assert_eq!(result.covered_seq, snapshot.seq);
    assert_eq!((result.rows_before, result.rows_after), (60, 0));
    let hex: String = snapshot.hash.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(result.hash, hex);
}

/// Design §8: the snapshot before stays, the one before that goes.
#[tokio::test]
async fn one_older_snapshot_is_kept() {
    let server = Server::start().await;
    let client = written(&server, 5).await;
    let mut covered = Vec::new();
    for i in 0..4 {
        covered.push(server.compact(SPACE, false).await.covered_seq);
        client.set("box", "round", &json!(i));
        client.saved().await;
    }
    let rows = Rows::open(&server.folder()).await;
    let kept: Vec<i64> = rows.snapshots(SPACE).await.iter().map(|s| s.seq).collect();
    assert_eq!(kept, covered[2..]);
}

/// Design §8: rows that a snapshot covers are sealed, none is dropped.
#[tokio::test]
async fn sealed_segments_and_rows_are_the_full_history() {
    let server = Server::start().await;
    let client = written(&server, 40).await;
    let rows = Rows::open(&server.folder()).await;
    let before = rows.whole_history(SPACE).await;
    server.compact(SPACE, false).await;
    client.set("box", "n", &json!("later"));
    client.saved().await;
    let head = rows.head(SPACE).await;
    assert_eq!(head.sealed_seq, head.snap_seq);
    assert!(
        rows.events(SPACE).await.keys().all(|seq| *seq > head.snap_seq),
        "a covered row is left"
    );
    let after = rows.whole_history(SPACE).await;
    assert!(
        before.iter().all(|(seq, event)| after.get(seq) == Some(event)),
        "an event has changed"
    );
    assert_eq!(
        after.len(),
        before.len() + 2,
        "the compaction itself and the edit after it"
    );
    assert_eq!(
        (head.log_rows, rows.number("select count(*) from segment").await),
        (1, 1)
    );
}

/// Design §8: the answer to a second call is 409.
#[tokio::test]
async fn a_second_compaction_at_the_same_time_is_refused() {
    let server = Server::start().await;
    let _client = written(&server, 20).await;
    let id: SpaceId = SPACE.parse().expect("an id");
    let both = server.on_spaces(move |spaces| async move {
        let space = spaces.get(&id).await?;
        let other = space.clone();
        Ok::<_, Trouble>(futures_util::future::join(space.compact(false), other.compact(false)).await)
    });
    let (first, second) = both.await.expect("the space is there");
    assert!(first.is_ok());
    assert_eq!(second.err(), Some(Trouble::AlreadyCompacting));
}

/// Design §8: `dry_run=true` estimates.
#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let server = Server::start().await;
    let _client = written(&server, 20).await;
    let rows = Rows::open(&server.folder()).await;
    let (head, events) = (rows.head(SPACE).await, rows.events(SPACE).await);
    let estimate = server.compact(SPACE, true).await;
    assert!(estimate.dry_run && estimate.rows_after == estimate.rows_before);
    assert_eq!((rows.head(SPACE).await, rows.events(SPACE).await), (head, events));
    assert!(rows.snapshots(SPACE).await.is_empty());
    let real = server.compact(SPACE, false).await;
    assert_eq!(
        (estimate.covered_seq, &estimate.hash),
        (real.covered_seq, &real.hash)
    );
    // The keys of objects are encoded in any order.
    let (estimated, stored) = (estimate.snapshot_bytes_after, real.snapshot_bytes_after);
    assert!(
        estimated.abs_diff(stored) < stored / 5,
        "{estimated} estimated, {stored} stored"
    );
}

/// Regression: a dry run counted as the last compaction, so an operator's dashboard kept the log from being folded.
#[tokio::test]
async fn dry_runs_do_not_postpone_the_automatic_compaction() {
    let server = Server::with(|config| {
        config.compaction.updates = 10;
        config.compaction.min_gap = Duration::from_secs(2);
    })
    .await;
    let _client = written(&server, 20).await;
    let rows = Rows::open(&server.folder()).await;
    eventually("a snapshot", async || {
        let path = format!("/api/v1/admin/spaces/{SPACE}/compact?dry_run=true");
        let status = server.admin("POST", &path, b"").await.status;
        assert!([200, 409].contains(&status), "{status}");
        (rows.head(SPACE).await.snap_seq > 0).then_some(())
    })
    .await;
}

/// Design §8: without edits since the last one there is nothing to do, and nothing is done.
#[tokio::test]
async fn compacting_twice_in_a_row_changes_nothing_the_second_time() {
    let server = Server::start().await;
    let _client = written(&server, 20).await;
    let first = server.compact(SPACE, false).await;
    let rows = Rows::open(&server.folder()).await;
    let (head, history) = (rows.head(SPACE).await, rows.whole_history(SPACE).await);
    for dry_run in [true, false] {
        let again = server.compact(SPACE, dry_run).await;
        assert_eq!((again.rows_before, again.rows_after), (0, 0));
        assert_eq!((&again.hash, again.covered_seq), (&first.hash, first.covered_seq));
        assert_eq!(
            (again.snapshot_bytes_before, again.snapshot_bytes_after),
            (first.snapshot_bytes_after, first.snapshot_bytes_after)
        );
    }
    assert_eq!(
        (rows.head(SPACE).await, rows.whole_history(SPACE).await),
        (head, history)
    );
}

/// Regression: the snapshot that was built and thrown away was reported as written.
#[tokio::test]
async fn a_space_that_nobody_edited_gets_no_snapshot() {
    let server = Server::start().await;
    Client::connect(server.addr(), SPACE).await.saved().await;
    let result = server.compact(SPACE, false).await;
    assert_eq!(
        (result.snapshot_bytes_before, result.snapshot_bytes_after),
        (0, 0)
    );
    assert!(result.hash.is_empty() && result.summary.starts_with("Nothing to compact"));
}

/// Design §8: by the length of the log.
#[tokio::test]
async fn a_long_log_is_compacted_without_being_asked() {
    let server = Server::with(|config| {
        config.compaction.updates = 50;
        config.compaction.min_gap = Duration::ZERO;
    })
    .await;
    let client = written(&server, 40).await;
    server
        .metric_is("thexr_compactions_total{result=\"done\"}", |n| n >= 1.0)
        .await;
    let rows = Rows::open(&server.folder()).await;
    assert!(rows.head(SPACE).await.log_rows < 50);
    assert_eq!(rows.stored(SPACE).await, client.content());
}

/// Design §8: by the clock, when there is anything to do.
#[tokio::test]
async fn a_short_log_is_compacted_after_a_while() {
    let server = Server::with(|config| config.compaction.interval = Duration::from_millis(100)).await;
    let client = written(&server, 1).await;
    server
        .metric_is("thexr_compactions_total{result=\"done\"}", |n| n >= 1.0)
        .await;
    let rows = Rows::open(&server.folder()).await;
    assert_eq!(rows.head(SPACE).await.log_rows, 0);
    assert_eq!(rows.stored(SPACE).await, client.content());
}

/// The endpoint: names are fixed (design §12), so is who may call it.
#[tokio::test]
async fn the_admin_endpoint_compacts() {
    let server = Server::start().await;
    let _client = written(&server, 10).await;
    let path = "/api/v1/admin/spaces/hall/compact";
    assert_eq!(
        http::request(server.addr(), "POST", path, &[], b"").await.status,
        401
    );
    let dry = server.admin("POST", &format!("{path}?dry_run=true"), b"").await;
    assert_eq!(
        (dry.status, dry.json()["dry_run"].clone()),
        (200, json!(true)),
        "{}",
        dry.text()
    );
    let real = server.admin("POST", path, b"").await;
    assert_eq!(
        (real.status, real.json()["rows_before"].clone()),
        (200, json!(20)),
        "{}",
        real.text()
    );
    assert_eq!(
        server
            .admin("POST", "/api/v1/admin/spaces/none/compact", b"")
            .await
            .status,
        404
    );
}

/// The document without ink that no entity shows: a compaction sweeps it, and the client has not heard of that yet.
fn reachable(mut document: Value) -> Value {
    let entities = document["entities"].clone();
    if let Some(boards) = document["strokes"].as_object_mut() {
        boards.retain(|board, _| entities.get(board).is_some());
    }
    document
}

/// Design §8, F21: killed at any moment of a compaction, the space has its old snapshot or the new one, never
/// neither, and every edit.
#[tokio::test]
async fn a_kill_during_a_compaction_leaves_the_old_or_the_new_snapshot() {
    let mut plan = Plan::new("a_kill_during_a_compaction", Plan::seeds(1).next().unwrap_or(1));
    let mut process = Process::start().await;
    let mut client = Client::connect(process.addr(), SPACE).await;
    let (mut old, mut new) = (0, 0);
    for _ in 0..env_number("THEXR_KILLS", 12) {
        for _ in 0..150 {
            Op::random(&mut plan.rng).apply(&client);
        }
        client.set("box", "round", &json!(old + new));
        client.saved().await;
        let before = Rows::open(process.folder()).await.head(SPACE).await;
        let addr = process.addr();
        let asking = tokio::spawn(async move {
            let bearer = format!("Bearer {ADMIN_TOKEN}");
            let path = "/api/v1/admin/spaces/hall/compact";
            http::request(addr, "POST", path, &[("Authorization", bearer.as_str())], b"").await
        });
        tokio::time::sleep(Duration::from_micros(500 + plan.rng.next() % 40_000)).await;
        process.kill().await;
        let _ = asking.await;
        process.kill_and_start_again().await;
        let rows = Rows::open(process.folder()).await;
        let after = rows.head(SPACE).await;
        // The sweep before it may be one edit more.
        let covered = [before.snap_seq, before.seq, before.seq + 1];
        assert!(covered.contains(&after.snap_seq), "{before:?} {after:?}");
        if after.snap_seq == before.snap_seq {
            old += 1
        } else {
            new += 1
        }
        let (stored, ours) = (rows.stored(SPACE).await, client.content());
        assert_eq!(reachable(stored.json), reachable(ours.json));
        assert_eq!(stored.clocks, ours.clocks);
        drop(rows);
        client.online(process.addr()).await;
        client.saved().await;
    }
    println!("killed with the old snapshot {old} times, with the new one {new} times");
}
