//! Fault plan F6: the disk is full, at a random point of the work; then there is room again.

use crate::checker;
use crate::pen::Pen;
use crate::program::{self, Program};
use crate::writer::{Crew, End};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;
use thexr_schema::close;
use thexr_tests::rows::Rows;
use thexr_tests::{Rng, env_number, eventually, http};

/// Room for the write-ahead log at its full length beside the database; the rest is filled by the test.
const DISK: &str = "64m";
const WRITERS: u64 = 8;
const SPACES: u64 = 4;
/// Not one of the writers' spaces: edits over HTTP have no pen.
const PROBE: &str = "/api/v1/spaces/probe/entities/e/components/name";

/// A small disk in memory.
struct SmallDisk {
    at: PathBuf,
    _folder: TempDir,
}

impl SmallDisk {
    fn mount() -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = folder.path().join("disk");
        std::fs::create_dir(&at).expect("a folder");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &format!("size={DISK}"), "tmpfs"])
            .arg(&at);
        let done = mount.output().map_err(|error| format!("mount: {error}"))?;
        if done.status.success() {
            Ok(Self { at, _folder: folder })
        } else {
            Err(String::from_utf8_lossy(&done.stderr).trim().to_owned())
        }
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }

    /// Fills the disk but for some pages.
    fn fill(&self, pages_left: u64) {
        let mut file = std::fs::File::create(self.ballast()).expect("a file");
        while file.write_all(&[0; 4096]).is_ok() {}
        let len = file.metadata().expect("its length").len();
        file.set_len(len.saturating_sub(4096 * pages_left))
            .expect("some room");
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("the ballast");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

/// One component that is set over HTTP.
#[derive(Default)]
struct Probe {
    tries: u64,
    /// The value that was answered with 200.
    saved: String,
}

impl Probe {
    async fn new(server: &Program) -> Self {
        let made = request(server, "POST", "/api/v1/spaces", br#"{"id": "probe"}"#).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let mut probe = Self::default();
        assert_eq!(probe.put(server).await, 200);
        probe
    }

    /// Sets another value; gives the status.
    async fn put(&mut self, server: &Program) -> u16 {
        self.tries += 1;
        let value = format!("{}{}", self.tries, "-".repeat(8_000));
        let status = request(server, "PUT", PROBE, format!("\"{value}\"").as_bytes())
            .await
            .status;
        if status == 200 {
            self.saved = value;
        }
        status
    }

    async fn assert_shown(&self, server: &Program) {
        let shown = request(server, "GET", PROBE, b"").await;
        assert!(
            shown.status == 200 && shown.json() == self.saved,
            "{} {}",
            shown.status,
            shown.text()
        );
    }
}

async fn request(server: &Program, method: &str, path: &str, body: &[u8]) -> http::Response {
    let bearer = format!("Bearer {}", thexr_tests::server::ADMIN_TOKEN);
    let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
    http::request(server.addr, method, path, &headers, body).await
}

/// SPEC L2, K1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_writing_and_nothing_else_until_there_is_room_again() {
    let disk = match SmallDisk::mount() {
        Ok(disk) => disk,
        Err(why) => {
            let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!in_ci, "mount: {why}; this test must run in CI");
            eprintln!("full: SKIPPED, no disk can be mounted: {why}");
            return;
        }
    };
    let mut rng = Rng::new(crate::seed("full"));
    let rounds = env_number("THEXR_FULL_ROUNDS", 10);
    let data = disk.at.join("data");
    let pens: Vec<Arc<Pen>> = (0..WRITERS)
        .map(|n| Arc::new(Pen::new(&format!("space-{}", n % SPACES), 100 + n)))
        .collect();
    let server = Program::start(&data, &[], &[]).await;
    let pid = server.pid();
    let mut probe = Probe::new(&server).await;
    let mut closes = 0;
    for round in 0..rounds {
        let mut crew = Crew::start(server.addr, &pens, 6, &mut rng);
        crew.acks(rng.below(500) as u64).await;
        disk.fill(rng.below(64) as u64);
        closes += until_nothing_is_taken(&server, crew, &pens, &mut rng).await;
        // An edit over HTTP may still find a page or two.
        let refused = async || {
            let status = probe.put(&server).await;
            assert!(
                [200, 507].contains(&status),
                "round {round}: an edit over HTTP was answered {status}"
            );
            (status == 507).then_some(())
        };
        eventually("edits over HTTP are refused", refused).await;
        probe.assert_shown(&server).await;

        // Everything acknowledged can still be read, and more than that is not shown.
        checker::check(server.addr, &data, &pens).await.assert_clean();

        disk.free();
        eventually("edits are taken again", async || {
            (probe.put(&server).await == 200).then_some(())
        })
        .await;
        let mut crew = Crew::start(server.addr, &pens, 6, &mut rng);
        crew.acks(100).await;
        assert!(
            crew.finish().await.iter().all(|end| *end == End::Done),
            "round {round}: a writer was thrown out"
        );
        assert_eq!(server.pid(), pid, "the same process");
        assert_eq!(
            broken_pages(&data).await,
            0,
            "round {round}: the database file is damaged"
        );
    }
    server.kill().await;
    let server = Program::start(&data, &[], &[]).await;
    probe.assert_shown(&server).await;
    let last = checker::check(server.addr, &data, &pens).await;
    last.assert_clean();
    server.stop().await;
    program::fsck(&data).await;
    eprintln!(
        "full: {rounds} rounds, {closes} sockets closed with 4507, {} acknowledged, {} lost",
        last.acked, last.lost
    );
}

/// What little room there is may still take a commit or two, so writers come back until none of them is acknowledged
/// anything. Gives how many were thrown out.
async fn until_nothing_is_taken(server: &Program, crew: Crew, pens: &[Arc<Pen>], rng: &mut Rng) -> usize {
    let mut closes = 0;
    let mut crew = crew;
    for _ in 0..50 {
        let before = saved(pens);
        let ends = crew.ends().await;
        assert!(
            ends.iter().all(|end| *end == End::Closed(close::STORAGE.code)),
            "{ends:?}"
        );
        closes += ends.len();
        if before == saved(pens) {
            return closes;
        }
        crew = Crew::start(server.addr, pens, 1, rng);
    }
    panic!("a full disk takes edit after edit");
}

fn saved(pens: &[Arc<Pen>]) -> u64 {
    pens.iter().map(|pen| u64::from(pen.page().saved())).sum()
}

async fn broken_pages(folder: &Path) -> i64 {
    let rows = Rows::open(folder).await;
    rows.number("select count(*) from pragma_integrity_check where integrity_check <> 'ok'")
        .await
}
