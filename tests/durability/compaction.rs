//! Fault plan F21: the process dies during a compaction, at every step it takes on the disk and at random moments while
//! others write. Afterwards there is the old snapshot or the new one, never neither, and nothing else has changed.

use crate::checker::{self, judge};
use crate::pen::Pen;
use crate::program::{self, Program};
use crate::shim;
use crate::writer::{Crew, End};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thexr_tests::rows::Rows;
use thexr_tests::{Rng, env_number};

const SPACE: &str = "hall";

/// A folder with one space that has a snapshot and a log after it.
async fn compacted_once_and_edited(folder: &Path, rng: &mut Rng) -> Arc<Pen> {
    let pen = Arc::new(Pen::new(SPACE, 7));
    let server = Program::start(folder, &[], &[]).await;
    let mut crew = Crew::start(server.addr, std::slice::from_ref(&pen), 8, rng);
    crew.acks(200).await;
    assert_eq!(program::compact(server.addr, SPACE).await, 200);
    crew.acks(200).await;
    assert_eq!(crew.finish().await, [End::Done]);
    server.stop().await;
    pen
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}

/// SPEC A2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compaction_killed_before_any_of_its_steps_leaves_the_old_snapshot_or_the_new() {
    let mut rng = Rng::new(crate::seed("compaction, every step"));
    let base = tempfile::tempdir().expect("a temporary folder");
    let pen = compacted_once_and_edited(base.path(), &mut rng).await;
    program::fsck(base.path()).await;
    let old = {
        let rows = Rows::open(base.path()).await;
        (rows.head(SPACE).await.snap_seq, rows.stored(SPACE).await)
    };
    let (mut kept, mut replaced) = (0, 0);
    for step in 1.. {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().canonicalize().expect("it is there").join("data");
        std::fs::create_dir(&data).expect("a folder");
        copy(base.path(), &data);
        let env = shim::killing(&data, &folder.path().join("log"), step);
        let ended = program::run(&["compact", SPACE], &data, &env).await;
        program::fsck(&data).await;
        let rows = Rows::open(&data).await;
        let now = (rows.head(SPACE).await.snap_seq, rows.stored(SPACE).await);
        assert_eq!(now.1, old.1, "step {step}: the document changed");
        judge(&now.1, &[&pen], i64::MAX).assert_clean();
        checker::assert_contiguous(&rows.whole_history(SPACE).await);
        if now.0 == old.0 {
            kept += 1;
        } else {
            replaced += 1;
            let snapshots = rows.snapshots(SPACE).await;
            assert_eq!(
                snapshots.last().map(|newest| newest.seq),
                Some(now.0),
                "step {step}"
            );
            assert_eq!(
                snapshots.last().map(|newest| &newest.content),
                Some(&now.1),
                "step {step}"
            );
        }
        if ended.status.success() {
            assert!(
                kept > 0 && replaced > 1,
                "{kept} kills left the old snapshot, {replaced} the new one"
            );
            eprintln!(
                "compaction: {} kills, {kept} left the old snapshot, {} the new one",
                step - 1,
                replaced - 1
            );
            return;
        }
    }
}

/// SPEC A2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_while_it_compacts_and_others_write_loses_nothing() {
    let mut rng = Rng::new(crate::seed("compaction, random moments"));
    let crashes = env_number("THEXR_COMPACTION_CRASHES", 20);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pens: Vec<Arc<Pen>> = (0..3).map(|n| Arc::new(Pen::new(SPACE, 10 + n))).collect();
    // How long one takes, so that the moments are spread over all of it.
    let mut longest = Duration::from_millis(20);
    let (mut moved, mut snapshot) = (0, 0);
    let mut server = Program::start(folder.path(), &[], &[]).await;
    for crash in 0..crashes {
        let mut crew = Crew::start(server.addr, &pens, 4, &mut rng);
        crew.acks(60).await;
        if crash % 4 == 0 {
            let started = Instant::now();
            assert_eq!(program::compact(server.addr, SPACE).await, 200);
            longest = started.elapsed();
            crew.acks(60).await;
        }
        let moment = longest.mul_f64(1.2 * rng.below(1_000) as f64 / 1_000.0);
        // The moment of a crash is the one thing here that is a time.
        let _ = tokio::time::timeout(moment, program::compact(server.addr, SPACE)).await;
        server.kill().await;
        crew.ends().await;

        program::fsck(folder.path()).await;
        let rows = Rows::open(folder.path()).await;
        let now = rows.head(SPACE).await.snap_seq;
        assert!(now >= snapshot, "the snapshot went back from {snapshot} to {now}");
        moved += u64::from(now > snapshot);
        snapshot = now;
        drop(rows);
        server = Program::start(folder.path(), &[], &[]).await;
        checker::check(server.addr, folder.path(), &pens)
            .await
            .assert_clean();
    }
    server.stop().await;
    eprintln!("compaction: {crashes} crashes, {moved} with a new snapshot, the last one took {longest:?}");
}
