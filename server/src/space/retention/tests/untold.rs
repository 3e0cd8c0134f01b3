//! What webhooks have yet to tell: how long it stays, and how it is said that it went all the same.

use super::*;
use crate::clock::now_ms;
use crate::config::Secret;
use crate::store::{Failed, Kinds, WebhookRow};

const ID: &str = "a-hook";
const TWO_DAYS: HistoryConfig = HistoryConfig { days: 2, bytes: 0 };
const ONE_BYTE: HistoryConfig = HistoryConfig { days: 0, bytes: 1 };

impl Space {
    /// Five segments of ten events, and a webhook that was told none of them.
    async fn with_hook(kinds: Kinds) -> Self {
        let mut space = Self::new().await;
        let hook = WebhookRow {
            id: ID.into(),
            space: None,
            url: "http://127.0.0.1:9/x".into(),
            secret: Secret::new("a secret for tests only"),
            kinds,
            created_at: 0,
            paused: false,
            error: None,
            told_at: None,
        };
        space.store.add_webhook(&hook, None).await.expect("adds");
        for _ in 0..5 {
            space.edit(9).await;
            space.compact().await;
        }
        space
    }

    async fn prune(&self, policy: HistoryConfig, days_later: i64) -> i64 {
        run(&self.store, self.key, policy, now_ms() + days_later * DAY)
            .await
            .expect("runs");
        self.store.base_seq(self.key).await.expect("reads").0
    }

    /// What the webhook is said to suffer from.
    async fn error(&self) -> Option<String> {
        let row = self.store.webhook(ID).await.expect("reads").expect("is there");
        row.error.map(|(error, _)| error)
    }

    /// Where it is, what it has looked at, where the batch ends that it tries.
    async fn place(&self) -> (i64, i64, Option<i64>) {
        let cursor = self.store.webhook_cursor(ID, self.key).await.expect("reads");
        (cursor.seq.0, cursor.looked.0, cursor.until.map(|until| until.0))
    }

    async fn fail(&self, until: i64) {
        let failed = self.store.webhook_failed(ID, self.key, &refused(until)).await;
        failed.expect("notes");
    }
}

fn refused(until: i64) -> Failed {
    Failed {
        until: Seq(until),
        attempts: 3,
        first_at: 0,
        next_at: 0,
        error: "no".into(),
    }
}

/// SPEC N5, N7, J11.
#[tokio::test]
async fn what_a_webhook_has_yet_to_tell_stays_for_a_week_whatever_is_asked_for() {
    let space = Space::with_hook(Kinds::LISTED).await;
    for paused in [false, true] {
        if paused {
            space.store.pause_webhook(ID, None).await.expect("pauses");
        }
        assert_eq!(space.prune(TWO_DAYS, 6).await, 0);
        assert_eq!(space.prune(ONE_BYTE, 6).await, 0);
    }
    let (store, key) = (&space.store, space.key);
    store.webhook_taken(ID, key, Seq(25)).await.expect("notes");
    let told = space.prune(ONE_BYTE, 0).await;
    assert!((1..=25).contains(&told), "{told}");
    // A dead letter is untold too.
    let gave_up = store.webhook_given_up(ID, key, Seq(26), &refused(27)).await;
    gave_up.expect("notes");
    store.webhook_taken(ID, key, Seq(50)).await.expect("notes");
    assert_eq!(space.prune(ONE_BYTE, 6).await, told);
    let dead = store.due_dead(ID).await.expect("reads");
    assert!(dead.is_none());
    store.retry_dead(ID).await.expect("asks");
    let dead = store.due_dead(ID).await.expect("reads").expect("is due");
    store.dead_taken(dead.id).await.expect("notes");
    assert!(space.prune(ONE_BYTE, 6).await > 25);
    assert_eq!(space.error().await, None);
}

/// Events, a dead letter and a batch that was tried: what went is said, and no name stands for less than before.
#[tokio::test]
async fn what_was_pruned_untold_is_said_to_be_lost() {
    let space = Space::with_hook(Kinds::LISTED).await;
    let (store, key) = (&space.store, space.key);
    let gave_up = store.webhook_given_up(ID, key, Seq(3), &refused(9)).await;
    gave_up.expect("notes");
    store.webhook_taken(ID, key, Seq(12)).await.expect("notes");
    space.fail(50).await;
    let base = space.prune(TWO_DAYS, 8).await;
    assert!((13..50).contains(&base), "{base}");
    assert_eq!(space.place().await, (base, base, None));
    assert_eq!(
        store.dead_letters(ID, 0, 9).await.expect("reads").len(),
        0,
        "none of it is left"
    );
    let lost = format!(
        "{} of events 3 to {base} of lobby were pruned before they were told",
        7 + base - 12
    );
    assert_eq!(
        space.error().await.as_deref(),
        Some("no"),
        "what is wrong now comes first"
    );
    store.webhook_taken(ID, key, Seq(base + 1)).await.expect("notes");
    assert_eq!(space.error().await.as_deref(), Some(&*lost));
    let metrics = store.metrics.text();
    let counted = format!("thexr_webhook_lost_events_total {}", 7 + base - 12);
    assert!(metrics.contains(&counted), "{metrics}");
    // Paused and set active it still says so; active once more, somebody has seen it.
    store.pause_webhook(ID, None).await.expect("pauses");
    store.resume_webhook(ID).await.expect("resumes");
    assert_eq!(space.error().await, Some(lost));
    store.resume_webhook(ID).await.expect("resumes");
    assert_eq!(space.error().await, None);
}

/// An attempt comes back after the events it tells of were lost.
#[tokio::test]
async fn what_comes_back_late_makes_no_dead_letter_of_what_is_gone() {
    let space = Space::with_hook(Kinds::LISTED).await;
    let (store, key) = (&space.store, space.key);
    let base = space.prune(TWO_DAYS, 8).await;
    assert!(base > 20, "{base}");
    let lost = format!("events 1 to {base} of lobby were pruned before they were told");
    assert_eq!(space.error().await, Some(lost));
    space.fail(20).await;
    assert_eq!(space.place().await, (base, base, None));
    let gave_up = store.webhook_given_up(ID, key, Seq(1), &refused(20)).await;
    gave_up.expect("notes");
    assert_eq!(space.place().await, (base, base, None));
    let gave_up = store.webhook_given_up(ID, key, Seq(1), &refused(base + 1)).await;
    gave_up.expect("notes");
    let dead = store.dead_letters(ID, 0, 9).await.expect("reads");
    let ranges: Vec<(i64, i64)> = dead.iter().map(|dead| (dead.first.0, dead.last.0)).collect();
    assert_eq!(ranges, [(base + 1, base + 1)]);
}

/// Nothing is lost and nothing is held back where nothing is to be told.
#[tokio::test]
async fn a_webhook_of_other_kinds_loses_nothing() {
    let space = Space::with_hook(Kinds::MEMBERS).await;
    let base = space.prune(ONE_BYTE, 0).await;
    assert!(base > 20, "{base}");
    assert_eq!(
        (space.place().await, space.error().await),
        ((0, base, None), None)
    );
}

/// It was told all when the plan was made, and not any more when the plan is carried out.
#[tokio::test]
async fn the_plan_is_looked_at_again_when_it_is_carried_out() {
    let space = Space::with_hook(Kinds::LISTED).await;
    let (store, key) = (&space.store, space.key);
    let held = store.holdings(key).await.expect("reads");
    let first = held.segments[0];
    let begin = async |now| {
        let base = (first.last, first.last_at);
        begin_at(store, key, &held, base, now).await.expect("asks")
    };
    assert!(!begin(now_ms()).await);
    let kept = (store.base_seq(key).await.expect("reads"), space.error().await);
    assert_eq!(kept, (Seq::ZERO, None));
    store
        .webhook_taken(ID, key, Seq(first.last))
        .await
        .expect("notes");
    assert!(begin(now_ms()).await);
}
