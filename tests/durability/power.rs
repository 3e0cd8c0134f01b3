//! Fault plan F2: the power is cut. SIGKILL keeps the page cache and so proves nothing about fsync; here the writes of a
//! real server are recorded, and disks are made that hold what was synced and, of the rest, what chance kept.

use crate::checker::{self, Verdict};
use crate::disk::{Disk, Survives};
use crate::log::{Change, Log};
use crate::pen::Pen;
use crate::program::{self, Program};
use crate::shim;
use crate::writer::{Crew, End};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use thexr::config::Config;
use thexr_tests::rows::Rows;
use thexr_tests::value::{self, Content};
use thexr_tests::{Rng, env_number};
use tokio_util::sync::CancellationToken;

const WRITERS: u64 = 24;
/// Several, so that a commit touches several pages and the write-ahead log wraps around.
const SPACES: u64 = 12;
const AHEAD: usize = 2;
/// Images made from one recording.
const CUTS_PER_RECORDING: u64 = 100;
/// Where the data is below the recorded root: two names that the server has to make, and to make durable.
const DATA: &str = "state/data";

/// What a server did to its disk, and what its writers wrote down meanwhile.
struct Recording {
    root: PathBuf,
    log: Log,
    pens: Vec<Arc<Pen>>,
    _folder: TempDir,
}

/// Runs a server twice on one folder under the shim, with compactions, orderly ends, a new write-ahead log.
async fn record(rng: &mut Rng, settings: &[(&'static str, OsString)]) -> Recording {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().canonicalize().expect("it is there").join("disk");
    std::fs::create_dir(&root).expect("a folder");
    let log = folder.path().join("log");
    let env = [shim::env(&root, &log), settings.to_vec()].concat();
    let pens: Vec<Arc<Pen>> = (0..WRITERS)
        .map(|n| Arc::new(Pen::new(&format!("space-{}", n % SPACES), 100 + n)))
        .collect();
    for acks in [[1_200; 8].as_slice(), &[300; 2]] {
        let server = Program::start(&root.join(DATA), &[], &env).await;
        let mut crew = Crew::start(server.addr, &pens, AHEAD, rng);
        for count in acks {
            crew.acks(*count).await;
            let space = format!("space-{}", rng.below(SPACES as usize));
            assert_eq!(
                program::compact(server.addr, &space).await,
                200,
                "compacting {space}"
            );
        }
        assert!(crew.finish().await.iter().all(|end| *end == End::Done));
        server.stop().await;
    }
    let log = Log::read(&log);
    let mut disk = Disk::new(&log, &root);
    disk.advance(log.records.len());
    disk.assert_is(&root);
    // Or the cuts would miss the moments that matter: a checkpoint among commits, and the log written over from its
    // start. Its header (32 bytes at 0) is written once per start and again each time it begins anew.
    let is_header = |change: &Change| matches!(change, Change::Write { at: 0, data, .. } if data.len() == 32);
    let headers = log
        .records
        .iter()
        .filter(|record| is_header(&record.change))
        .count();
    assert!(
        headers > 2,
        "the write-ahead log never wrapped: let the writers write more"
    );
    Recording {
        root,
        log,
        pens,
        _folder: folder,
    }
}

/// Moments for a cut, in order: half anywhere, half where names, lengths and syncs change.
fn moments(log: &Log, count: u64, rng: &mut Rng) -> Vec<usize> {
    let is_turn = |change: &Change| {
        !matches!(
            change,
            Change::Write { .. } | Change::SyncBegin { .. } | Change::Start
        )
    };
    let turns: Vec<usize> = (0..log.records.len())
        .filter(|at| is_turn(&log.records[*at].change))
        .collect();
    let mut moments: Vec<usize> = (0..count)
        .map(|_| {
            if rng.one_in(2) {
                rng.below(log.records.len() + 1)
            } else {
                rng.pick(&turns) + rng.below(2)
            }
        })
        .collect();
    moments.sort_unstable();
    moments
}

/// Opens an image with the server's own code and compares it with what the pens knew at the moment of the cut.
async fn examine(folder: &Path, pens: &[Arc<Pen>], ns: i64) -> Verdict {
    let config = Config {
        data: folder.to_owned(),
        ..Config::default()
    };
    let (app, writers) = thexr::open(config, CancellationToken::new())
        .await
        .expect("the database opens");
    let rows = Rows::open(folder).await;
    let broken = rows
        .number("select count(*) from pragma_integrity_check where integrity_check <> 'ok'")
        .await;
    assert_eq!(broken, 0, "the database file is damaged");
    let mut verdict = Verdict::default();
    for space in checker::spaces(pens) {
        let id = space.parse().expect("a space id");
        let here: Vec<&Pen> = pens
            .iter()
            .filter(|pen| pen.space == space)
            .map(|pen| &**pen)
            .collect();
        let content = if app
            .spaces
            .store()
            .space(&id)
            .await
            .expect("a readable row")
            .is_some()
        {
            let handle = app.spaces.get(&id).await.expect("the space starts");
            let (content, _) = handle
                .read(|doc| value::of_space(doc))
                .await
                .expect("the space loads");
            assert_eq!(
                content,
                checker::replay(&rows, space).await,
                "{space}: what is loaded is what the rows make"
            );
            content
        } else {
            Content {
                json: serde_json::json!({"entities": {}}),
                clocks: Vec::new(),
                hash: [0; 32],
            }
        };
        verdict.add(checker::judge(&content, &here, ns));
    }
    drop(rows);
    app.stop.cancel();
    app.tracker.close();
    app.tracker.wait().await;
    app.spaces.store().close().await;
    writers.close();
    verdict
}

/// Cuts the power `count` times during a recording; `found` judges each image.
async fn cut(recording: &Recording, count: u64, rng: &mut Rng, mut found: impl FnMut(&str, Verdict)) {
    let records = &recording.log.records;
    let mut disk = Disk::new(&recording.log, &recording.root);
    for moment in moments(&recording.log, count, rng) {
        disk.advance(moment);
        let survives = *rng.pick(&Survives::ALL);
        let image = tempfile::tempdir().expect("a temporary folder");
        disk.image(survives, rng, image.path());
        // What came in before the next record was acknowledged on the strength of the records up to here.
        let ns = records.get(moment).map_or(i64::MAX, |record| record.ns);
        let what = format!(
            "cut after record {moment} of {}, {survives:?} of the unsynced survives",
            records.len()
        );
        let task = tokio::spawn({
            let (folder, pens) = (image.path().join(DATA), recording.pens.clone());
            async move { examine(&folder, &pens, ns).await }
        });
        // A panic says what is wrong with the image, but not which image it is.
        let verdict = task.await.unwrap_or_else(|error| panic!("{what}: {error}"));
        found(&what, verdict);
    }
}

/// SPEC A2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_power_cut() {
    let mut rng = Rng::new(crate::seed("power"));
    let cuts = env_number("THEXR_POWER_CUTS", 60);
    let (mut done, mut total) = (0, Verdict::default());
    while done < cuts {
        let recording = record(&mut rng, &[]).await;
        let count = CUTS_PER_RECORDING.min(cuts - done);
        cut(&recording, count, &mut rng, |what, verdict| {
            assert!(
                verdict.lost == 0 && verdict.phantoms.is_empty(),
                "{what}: {verdict:?}"
            );
            total.add(verdict);
        })
        .await;
        done += count;
        eprintln!(
            "power: {done} of {cuts} cuts, {} records in the last log",
            recording.log.records.len()
        );
    }
    eprintln!(
        "power: {cuts} cuts, {} acknowledged updates looked for, {} lost",
        total.acked, total.lost
    );
}

/// SPEC A2. The test above is worth something only if it notices a database that syncs too little.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_syncs_too_little_is_noticed() {
    if !cfg!(debug_assertions) {
        eprintln!("power: a release build cannot be told to sync less; nothing to see here");
        return;
    }
    let mut rng = Rng::new(crate::seed("power, synchronous=normal"));
    let recording = record(&mut rng, &[("THEXR_TEST_SYNCHRONOUS", "normal".into())]).await;
    let (mut losing, mut lost) = (0, 0);
    cut(&recording, 30, &mut rng, |_, verdict| {
        losing += u64::from(verdict.lost > 0);
        lost += verdict.lost;
    })
    .await;
    eprintln!("power, synchronous=normal: {losing} of 30 images lose {lost} acknowledged updates");
    assert!(
        losing > 0,
        "no image lost anything: the model is blind, or THEXR_BIN is a release build"
    );
}
