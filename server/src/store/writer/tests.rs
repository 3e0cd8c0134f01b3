//! What one commit takes, and that it comes back.

use super::super::temporary::Temporary;
use super::super::{EventKind, Kinds};
use super::*;
use bytes::Bytes;

/// They are one statement and one value.
#[test]
fn a_commit_is_bounded_in_events_and_in_bytes() {
    let gathered = |events: usize, bytes: usize| {
        let event = NewEvent::edit(Bytes::from(vec![0; bytes]));
        let next = || {
            let (reply, _) = oneshot::channel();
            Append::new(SpaceKey(1), vec![event.clone(); events], reply)
        };
        let mut batch = Vec::new();
        let mut left = 10_000;
        let rows = gather(&mut batch, next(), || {
            left -= 1;
            (left > 0).then(next)
        });
        assert_eq!(rows, events * batch.len());
        batch.len()
    };
    assert_eq!(gathered(limits::COMMIT_ROWS_MAX / 4, 0), 4);
    assert_eq!(gathered(1, limits::COMMIT_BYTES_MAX / 3), 4);
    assert_eq!(gathered(1, 2 * limits::COMMIT_BYTES_MAX), 1);
}

/// They travel packed: where one ends and the next begins, what is empty and what is not there must come through.
#[tokio::test]
async fn events_of_several_spaces_come_back_as_they_went_in() {
    let store = Temporary::open().await;
    let text = |n: usize| [None, Some(""), Some("ü☃"), Some("plain")][n % 4];
    let made = |seed: usize| -> Vec<NewEvent> {
        (seed..seed + 65)
            .map(|n| NewEvent {
                member: text(n).map(Arc::from),
                user: text(n / 4).map(Arc::from),
                changes: text(n / 16).map(str::to_owned),
                kind: if n % 5 == 0 {
                    EventKind::Poses
                } else {
                    EventKind::Edit
                },
                ..NewEvent::edit(Bytes::from(vec![n as u8; n % 7]))
            })
            .collect()
    };
    let mut batch = Vec::new();
    for (n, slug) in ["one", "two", "three"].into_iter().enumerate() {
        let space = store
            .create(&slug.parse().expect("a name"), slug)
            .await
            .expect("made");
        let (reply, _) = oneshot::channel();
        batch.push(Append::new(space.key, made(n), reply));
    }
    let written = write(&store.writer, &batch).await.expect("written");
    assert!(written.iter().all(Result::is_ok));
    for (n, append) in batch.iter().enumerate() {
        let stretch = store
            .history(append.space, Seq::ZERO, 100, Kinds::ALL)
            .await
            .expect("read");
        let found = stretch.events.iter().map(|e| {
            let texts = [&e.member, &e.user, &e.changes].map(Option::as_deref);
            (e.seq.0, e.kind, e.payload.clone(), texts)
        });
        let given = made(n);
        let expected = given.iter().zip(1..).map(|(e, seq)| {
            let texts = [e.member.as_deref(), e.user.as_deref(), e.changes.as_deref()];
            (seq, e.kind as i64, e.payload.clone(), texts)
        });
        assert!(found.eq(expected), "{:?}", stretch.events);
    }
}
