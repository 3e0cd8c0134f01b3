//! The pose track: what is written down of where people were.

use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use thexr::space::track::Chunk;
use thexr_schema::presence::{Record, Up};
use thexr_tests::presence::{Member, Told, at};
use thexr_tests::rows::Rows;
use thexr_tests::{Process, Server, eventually, http};

const POSES: i64 = 7;

async fn poses(addr: std::net::SocketAddr) -> Vec<Value> {
    let page = http::get(addr, "/api/v1/spaces/hall/journal?kind=poses")
        .await
        .json();
    page["items"].as_array().expect("a page").clone()
}

/// Chunks of a space, and every record in them.
async fn chunks(rows: &Rows) -> Vec<Vec<(u16, Record)>> {
    let history = rows.whole_history("hall").await;
    let payloads = history.values().filter(|(kind, _)| *kind == POSES);
    let samples = payloads.map(|(_, payload)| {
        let samples = Chunk::unpack(payload)
            .expect("a chunk")
            .samples()
            .expect("samples");
        samples.into_iter().flat_map(|sample| sample.records).collect()
    });
    samples.collect()
}

/// SPEC T1, T2, T4: the records are those that others were sent, byte by byte; the numbers have no holes.
#[tokio::test]
async fn what_others_were_sent_is_what_is_written_down() {
    let mut server = Server::with(|config| config.pose_track_hz = 20).await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    let mut ben = Member::join(server.addr(), "hall", "ben").await;
    let mut sent: BTreeMap<u16, Vec<Record>> = BTreeMap::new();
    for step in 0..20u8 {
        let x = f32::from(step) / 10.0;
        ana.pose(at(x, 0.0)).await;
        let (ana_was, n) = (ana.handle, ben.poses.get(&ana.handle).map_or(0, |(_, n)| *n));
        ben.until("a tick with ana", |m| {
            m.poses.get(&ana_was).is_some_and(|(_, more)| *more > n)
        })
        .await;
        sent.entry(ana.handle).or_default().push(ben.poses[&ana.handle].0);
    }
    assert!(poses(server.addr()).await.is_empty(), "the chunk is open");
    ana.say(&Up::Bye).await;
    ben.told(Told::Left("ana".into(), thexr_schema::presence::Reason::Bye))
        .await;
    server.stop().await;
    let rows = Rows::open(&server.folder()).await;
    let chunks = chunks(&rows).await;
    assert_eq!(chunks.len(), 1, "stopping in order stores it");
    let of_ana: Vec<Record> = chunks[0]
        .iter()
        .filter(|(h, _)| *h == ana.handle)
        .map(|(_, r)| *r)
        .collect();
    assert!(of_ana.len() >= 10, "{} samples", of_ana.len());
    let sent = &sent[&ana.handle];
    assert!(
        of_ana.iter().all(|record| sent.contains(record)),
        "{of_ana:?} of {sent:?}"
    );
    assert!(
        chunks[0].iter().all(|(handle, _)| *handle == ana.handle),
        "ben has no pose"
    );
}

/// SPEC T2: it is in the journal for who asks, and in nobody's way.
#[tokio::test]
async fn the_track_is_listed_when_it_is_asked_for() {
    let mut server = Server::with(|config| config.pose_track_hz = 20).await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    ana.pose(at(0.0, 0.0)).await;
    // Alone nobody is sent anything; that it was taken shows at the next one.
    ana.pose(at(0.5, 0.0)).await;
    let mut ben = Member::join(server.addr(), "hall", "ben").await;
    let handle = ana.handle;
    ben.until("ana's pose", |m| m.poses.contains_key(&handle)).await;
    server.restart().await;
    let found = poses(server.addr()).await;
    assert_eq!(found.len(), 1);
    let item = &found[0];
    assert_eq!(item["kind"], "poses");
    assert!(
        item["bytes"].as_u64() > Some(20) && item["samples"].as_u64() >= Some(1),
        "{item}"
    );
    assert!(item["first_at"].as_str() <= item["last_at"].as_str(), "{item}");
    assert!(item["last_at"].as_str() <= item["at"].as_str(), "{item}");
    let page = http::get(server.addr(), "/api/v1/spaces/hall/journal")
        .await
        .json();
    let items = page["items"].as_array().expect("a page");
    assert!(
        items.len() >= 2 && items.iter().all(|item| item["kind"] != "poses"),
        "{page}"
    );
    // It takes part in nothing else: the space opens, seals and keeps it.
    let client = thexr_tests::Client::connect(server.addr(), "hall").await;
    client.set("box", "name", &serde_json::json!("b"));
    client.saved().await;
    server.compact("hall", false).await;
    assert_eq!(poses(server.addr()).await, found);
    server.restart().await;
    assert_eq!(server.content("hall").await, client.content());
    let rows = Rows::open(&server.folder()).await;
    assert_eq!(chunks(&rows).await.len(), 1);
}

/// SPEC T1.
#[tokio::test]
async fn a_track_that_is_switched_off_writes_nothing() {
    let mut server = Server::with(|config| config.pose_track_hz = 0).await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    let mut ben = Member::join(server.addr(), "hall", "ben").await;
    ana.pose(at(0.0, 0.0)).await;
    let handle = ana.handle;
    ben.until("ana's pose", |m| m.poses.contains_key(&handle)).await;
    server.stop().await;
    let rows = Rows::open(&server.folder()).await;
    assert!(chunks(&rows).await.is_empty());
}

/// SPEC T4: what a crash loses is the open chunk.
#[tokio::test]
async fn after_a_kill_only_the_open_chunk_is_missing() {
    let mut process = Process::start().await;
    let mut ana = Member::join(process.addr(), "hall", "ana").await;
    let mut ben = Member::join(process.addr(), "hall", "ben").await;
    let handle = ana.handle;
    // A chunk is closed by its age, so this takes that long.
    let stored = async {
        for step in 0u32.. {
            ana.pose(at((step % 10) as f32 / 10.0, 0.0)).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            if step % 10 == 0 && !poses(process.addr()).await.is_empty() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(40), stored)
        .await
        .expect("a chunk");
    ben.until("ana's pose", |m| m.poses.contains_key(&handle)).await;
    let before = poses(process.addr()).await;
    process.kill_and_start_again().await;
    let after = eventually("the journal", async || {
        let found = poses(process.addr()).await;
        (found.len() >= before.len()).then_some(found)
    })
    .await;
    assert_eq!(after[..before.len()], before[..], "what was stored is there");
    // The members' grace ends about now, and what is written meanwhile is not counted.
    process.kill().await;
    let rows = Rows::open(process.folder()).await;
    assert_eq!(chunks(&rows).await.len(), after.len());
}

/// SPEC T2: what is written down of a space that nobody edits is sealed as well, and can be pruned.
#[tokio::test]
async fn a_long_time_without_an_edit_is_sealed_too() {
    let mut server = Server::start().await;
    for n in 0..110 {
        let mut member = Member::join(server.addr(), "hall", &format!("m{n}")).await;
        member.say(&Up::Bye).await;
        member.socket().close().await;
    }
    assert!(!server.compact("hall", false).await.hash.is_empty());
    let rows = Rows::open(&server.folder()).await;
    let head = rows.head("hall").await;
    assert!(
        head.snap_seq >= 200 && head.sealed_seq == head.snap_seq,
        "{head:?}"
    );
    rows.whole_history("hall").await;
    server.restart().await;
    let client = thexr_tests::Client::connect(server.addr(), "hall").await;
    client.set("box", "name", &serde_json::json!("b"));
    client.saved().await;
    assert_eq!(server.content("hall").await, client.content());
}
