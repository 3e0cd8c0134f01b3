//! What is planned, as tables; and what is done, piece by piece, with every moment that is offered read in between.

mod untold;

use super::*;
use crate::space::doc::SpaceDoc;
use crate::space::doc::edit::{Edit, Edited};
use crate::store::temporary::Temporary;
use crate::store::{HeldSegment, NewEvent, Retention};
use serde_json::{Value, json};

/// A hundred days after the beginning of time.
const NOW: i64 = 100 * DAY;

fn held(snapshots: &[(i64, i64)], segments: &[(i64, i64)]) -> Holdings {
    Holdings {
        base_seq: 0,
        sealed_seq: segments.last().map_or(0, |(last, _)| *last),
        retention: Retention::default(),
        snapshots: snapshots
            .iter()
            .map(|&(seq, at)| HeldSnapshot { seq, at, bytes: 10 })
            .collect(),
        segments: segments
            .iter()
            .map(|&(last, last_at)| HeldSegment {
                last,
                last_at,
                bytes: 100,
            })
            .collect(),
    }
}

fn begins(held: &Holdings, days: i64, bytes: i64) -> Option<i64> {
    plan(held, HistoryConfig { days, bytes }, held.sealed_seq, NOW)
        .base
        .map(|(seq, _)| seq)
}

#[test]
fn the_history_begins_where_it_is_told_to() {
    let ago = |days: i64| NOW - days * DAY;
    let some = held(
        &[(150, ago(30)), (300, ago(3)), (400, ago(1))],
        &[(100, ago(40)), (200, ago(20)), (300, ago(3)), (400, ago(1))],
    );
    for (days, bytes, expected) in [
        (0, 0, None),
        (50, 0, None),
        (40, 0, None),
        (39, 0, Some(100)),
        (10, 0, Some(200)),
        (2, 0, Some(300)),
        (1, 0, Some(300)),
        // 4 segments and 3 snapshots.
        (0, 430, None),
        (0, 429, Some(100)),
        // 2 segments, 2 snapshots, and one that is made.
        (0, 230, Some(200)),
        (0, 229, Some(300)),
        // The newest two snapshots stay, and all after the older of them …
        (0, 1, Some(300)),
        // Whichever asks for more.
        (10, 429, Some(200)),
        (39, 229, Some(300)),
    ] {
        assert_eq!(begins(&some, days, bytes), expected, "{days} days, {bytes} bytes");
    }
    let sealing = Holdings {
        sealed_seq: 200,
        ..some.clone()
    };
    assert_eq!(begins(&sealing, 1, 1), Some(200), "what is not sealed yet stays");
    let pruned = Holdings {
        base_seq: 300,
        ..some
    };
    assert_eq!(begins(&pruned, 1, 1), None, "it is pruned already");
    // … but not when all of that is too old. The newest one stays in any case.
    let old = held(
        &[(300, ago(95)), (400, ago(90))],
        &[(300, ago(95)), (400, ago(90))],
    );
    assert_eq!(begins(&old, 30, 0), Some(400));
    let once = held(&[(400, ago(90))], &[(400, ago(90))]);
    assert_eq!(
        (begins(&once, 30, 0), begins(&once, 0, 1)),
        (Some(400), None),
        "one snapshot"
    );
    let older = held(&[], &[(400, ago(90))]);
    assert_eq!(begins(&older, 30, 1), None, "no snapshot");
    assert_eq!(begins(&Holdings::default(), 1, 1), None, "nothing");
}

#[test]
fn snapshots_are_thinned_by_age() {
    let at = |days: i64, minutes: i64| NOW - days * DAY + minutes * 60_000;
    let times = [
        // Two days of long ago, one after the other.
        at(30, 0),
        at(30, 50),
        at(30, 700),
        at(29, 0),
        at(29, 1_439),
        // Two hours of this week.
        at(3, 0),
        at(3, 59),
        at(3, 60),
        at(3, 119),
        // The last day, and the newest two.
        at(0, -90),
        at(0, -89),
        at(0, -88),
        at(0, -87),
    ];
    let snapshots: Vec<(i64, i64)> = times.iter().zip(1..).map(|(at, n)| (n * 10, *at)).collect();
    let thinned =
        |snapshots: &[(i64, i64)]| plan(&held(snapshots, &[]), HistoryConfig::default(), 0, NOW).thinned;
    assert_eq!(thinned(&snapshots), [20, 30, 50, 70, 90]);

    // Their neighbours would be too far apart: one of them stays.
    let gap = limits::KEYFRAME_GAP_MAX;
    let far: Vec<(i64, i64)> = (1..=8).map(|n| (n * gap / 2, at(30, n))).collect();
    assert_eq!(thinned(&far), [gap, 2 * gap, 3 * gap], "every other one");

    // The newest two are never thinned, however old.
    let old: Vec<(i64, i64)> = (1..=4).map(|n| (n * 10, at(30, n))).collect();
    assert_eq!(thinned(&old), [20]);
    assert!(thinned(&old[2..]).is_empty());
}

struct Space {
    store: Temporary,
    key: SpaceKey,
    doc: SpaceDoc,
    count: u32,
}

impl Space {
    async fn new() -> Self {
        let store = Temporary::open().await;
        let row = store
            .create(&"lobby".parse().expect("an id"), "Lobby")
            .await
            .expect("creates");
        Self {
            store,
            key: row.key,
            doc: SpaceDoc::new(7),
            count: 0,
        }
    }

    async fn edit(&mut self, times: u32) {
        let mut events = Vec::new();
        for _ in 0..times {
            self.count += 1;
            let edit = Edit::Put {
                entity: format!("e{}", self.count % 5),
                component: "text".into(),
                value: json!({"value": self.count.to_string()}),
            };
            let Edited::Done(update) = self.doc.edit(&edit) else {
                panic!("refused");
            };
            events.push(NewEvent::edit(update));
        }
        self.store.append(self.key, events).await.expect("appends");
    }

    async fn compact(&self) {
        compactor::run(&self.store, self.key, false)
            .await
            .expect("compacts");
    }

    /// Keeps a snapshot of a moment in the middle of a segment.
    async fn keyframe(&self, seq: i64) {
        let row = self.store.space_of(self.key).await.expect("reads");
        let past = past::document(&self.store, &row, Seq(seq)).await.expect("builds");
        let made = past
            .work(|past| compactor::snapshot_of(&past.doc, past.seq))
            .await
            .expect("works");
        self.store
            .keep_keyframe(self.key, &made.expect("verifies"))
            .await
            .expect("keeps");
    }

    /// Every moment that is offered, and its document.
    async fn offered(&self) -> Vec<(i64, Value)> {
        let row = self.store.space_of(self.key).await.expect("reads");
        let mut offered = Vec::new();
        for seq in row.base_seq.0..=row.seq.0 {
            let seq = past::moment(&row, seq).expect("offered");
            let past = past::document(&self.store, &row, seq)
                .await
                .expect("reconstructs");
            offered.push((seq.0, past.doc.to_json()));
        }
        assert!(past::moment(&row, row.base_seq.0 - 1).is_err(), "not offered");
        offered
    }
}

/// Pruning one slice after the other, as if the power went after each: what is offered is what it was, and all of it.
#[tokio::test]
async fn after_every_slice_each_moment_that_is_offered_can_be_read() {
    let mut space = Space::new().await;
    for round in 0..6 {
        space.edit(9).await;
        space.compact().await;
        if round > 0 {
            space.keyframe(10 * round - 4).await;
        }
    }
    space.edit(4).await;
    let all = space.offered().await;
    assert_eq!(all.len(), 65);
    let same = |offered: &[(i64, Value)], begins: i64| {
        let expected: Vec<&(i64, Value)> = all.iter().filter(|(seq, _)| *seq >= begins).collect();
        assert!(offered.iter().eq(expected), "from {begins}");
    };
    let held = space.store.holdings(space.key).await.expect("reads");
    assert!(held.segments.len() >= 6 && held.snapshots.len() >= 5, "{held:?}");

    // The end of a segment where no snapshot is: one is made. Then nothing but slices, one at a time.
    let ends: Vec<(i64, i64)> = held
        .segments
        .iter()
        .map(|segment| (segment.last, segment.last_at))
        .collect();
    let missing = |seq: i64| held.snapshots.iter().all(|snapshot| snapshot.seq != seq);
    let base = ends[2];
    assert!(missing(base.0), "no snapshot at {base:?} in {held:?}");
    assert!(
        begin_at(&space.store, space.key, &held, base, NOW)
            .await
            .expect("moves")
    );
    same(&space.offered().await, base.0);
    let mut slices = 0;
    while space.store.prune_slice(space.key).await.expect("prunes") {
        slices += 1;
        same(&space.offered().await, base.0);
    }
    assert!(slices >= 3, "{slices}");
    let left = space.store.holdings(space.key).await.expect("reads");
    assert!(left.segments.iter().all(|segment| segment.last > base.0));
    assert_eq!(left.snapshots[0].seq, base.0);

    // Thinned, every other snapshot is gone and every moment is there.
    for snapshot in &left.snapshots[1..] {
        space
            .store
            .thin_snapshot(space.key, snapshot.seq)
            .await
            .expect("thins");
        same(&space.offered().await, base.0);
    }
    let thin = space.store.holdings(space.key).await.expect("reads");
    assert_eq!(
        thin.snapshots.len(),
        2,
        "the base and the newest stay, whoever asks"
    );

    // It lives on.
    space.edit(9).await;
    space.compact().await;
    let again = space.offered().await;
    same(&again[..all.len() - base.0 as usize], base.0);
    assert!(
        !space
            .store
            .move_base(space.key, Seq(base.0 + 1), None, 0)
            .await
            .expect("asks"),
        "no snapshot there"
    );
}

/// A whole run, and a second that finishes what a first one left.
#[tokio::test]
async fn a_space_keeps_what_it_is_told_to_keep() {
    let mut space = Space::new().await;
    for _ in 0..5 {
        space.edit(9).await;
        space.compact().await;
    }
    let all = space.offered().await;
    let server = HistoryConfig { days: 7, bytes: 0 };
    let now = crate::clock::now_ms();
    assert!(
        !run(&space.store, space.key, server, now).await.expect("runs"),
        "nothing is old"
    );
    assert_eq!(space.offered().await, all);
    // The space is told to keep all of it, whatever the server is told.
    let keep = Retention {
        days: Some(0),
        bytes: None,
    };
    space.store.set_retention(space.key, keep).await.expect("tells");
    let later = now + 8 * DAY;
    assert!(!run(&space.store, space.key, server, later).await.expect("runs"));
    space
        .store
        .set_retention(space.key, Retention::default())
        .await
        .expect("tells");
    assert!(run(&space.store, space.key, server, later).await.expect("runs"));
    let offered = space.offered().await;
    assert!(offered.len() < all.len() && offered.iter().eq(&all[all.len() - offered.len()..]));
    let history = space
        .store
        .history(space.key, Seq::ZERO, 500, crate::store::Kinds::ALL)
        .await
        .expect("reads");
    assert_eq!(
        history.events[0].seq.0,
        offered[0].0 + 1,
        "the journal begins there too"
    );
    assert!(
        !run(&space.store, space.key, server, later).await.expect("runs"),
        "nothing more to do"
    );
}

/// Edits are committed while slices go, and somebody reads the past all the time.
#[tokio::test]
async fn pruning_is_in_nobodys_way() {
    let mut space = Space::new().await;
    for _ in 0..8 {
        space.edit(9).await;
        space.compact().await;
    }
    let (store, key) = (space.store.clone(), space.key);
    let later = crate::clock::now_ms() + 8 * DAY;
    let prune = async {
        run(&store, key, HistoryConfig { days: 1, bytes: 0 }, later)
            .await
            .expect("runs");
    };
    let read = async {
        for _ in 0..20 {
            let row = store.space_of(key).await.expect("reads");
            match past::document(&store, &row, row.base_seq).await {
                Ok(past) => assert_eq!(past.seq, row.base_seq),
                Err(Trouble::NotKept { oldest, .. }) => assert!(oldest > row.base_seq),
                Err(other) => panic!("{other}"),
            }
        }
    };
    let edit = async {
        for _ in 0..10 {
            space.edit(1).await;
        }
    };
    tokio::join!(prune, read, edit);
    assert!(space.store.base_seq(key).await.expect("reads") > Seq::ZERO);
    space.offered().await;
}
