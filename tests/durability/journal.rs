//! The journal of a busy space through crashes: fifty write, ten people come every second and go as people do, rows are
//! sealed away, the process dies by SIGKILL, and somebody follows all of it over a connection that is cut again and again.

use crate::pen::Pen;
use crate::program::{self, Program};
use crate::writer::Crew;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thexr_schema::presence::Up;
use thexr_tests::presence::Member;
use thexr_tests::{Rng, env_number, eventually, http};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const SPACE: &str = "hall";
const WRITERS: u64 = 50;
/// One more every so often, with room for a slow machine.
const JOIN_EVERY: Duration = Duration::from_millis(100);
const ARGS: &[&str] = &[
    "--compact-updates",
    "300",
    "--compact-min-gap",
    "200ms",
    "--grace",
    "1s",
];

/// People come until it is dropped; what becomes of each is left to chance.
fn visitors(addr: SocketAddr, mut rng: Rng) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut here = JoinSet::new();
        let mut ticks = tokio::time::interval(JOIN_EVERY);
        for n in 0u64.. {
            ticks.tick().await;
            here.spawn(visit(addr, format!("user-{}", n % 30), rng.fork()));
            while here.try_join_next().is_some() {}
        }
    });
    tasks
}

async fn visit(addr: SocketAddr, user: String, mut rng: Rng) {
    let mut member = Member::join(addr, SPACE, &user).await;
    for _ in 0..rng.below(3) {
        tokio::time::sleep(Duration::from_millis(rng.below(400) as u64)).await;
        let token = member.vanish();
        // Sometimes within the grace, sometimes after it: then it is somebody new.
        tokio::time::sleep(Duration::from_millis(rng.below(1_500) as u64)).await;
        member = Member::enter(addr, SPACE, &user, Some(token)).await;
    }
    if rng.one_in(2) {
        member.say(&Up::Bye).await;
    }
}

/// Asks for compactions until it is dropped.
fn compactions(addr: SocketAddr) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(150)).await;
            program::compact(addr, SPACE).await;
        }
    });
    tasks
}

/// Follows the journal over connections that are cut after a few rows each, until it is dropped. `rows` is what it got.
fn follower(addr: SocketAddr, mut rng: Rng, rows: Arc<tokio::sync::Mutex<Vec<Value>>>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let wanted = 1 + rng.below(200);
            // A connection that fails is one that was cut.
            let _ = follow(addr, wanted, &rows).await;
        }
    });
    tasks
}

async fn follow(
    addr: SocketAddr,
    wanted: usize,
    rows: &tokio::sync::Mutex<Vec<Value>>,
) -> std::io::Result<()> {
    let last = rows
        .lock()
        .await
        .last()
        .and_then(|row| row["seq"].as_i64())
        .unwrap_or(0);
    let mut stream = TcpStream::connect(addr).await?;
    let head = format!(
        "GET /api/v1/spaces/{SPACE}/journal/follow?after=0 HTTP/1.1\r\nHost: {addr}\r\nLast-Event-ID: {last}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut lines = BufReader::new(stream).lines();
    let mut got = 0;
    while got < wanted
        && let Some(line) = lines.next_line().await?
    {
        if let Some(data) = line.strip_prefix("data: ").filter(|data| !data.is_empty()) {
            rows.lock().await.push(serde_json::from_str(data).expect("JSON"));
            got += 1;
        }
    }
    Ok(())
}

async fn journal(addr: SocketAddr) -> Vec<Value> {
    let (mut found, mut after) = (Vec::new(), "0".to_owned());
    loop {
        let path = format!("/api/v1/spaces/{SPACE}/journal?limit=500&after={after}");
        let page = http::get(addr, &path).await.json();
        found.extend(page["items"].as_array().expect("a page").iter().cloned());
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => return found,
        }
    }
}

/// Each member comes once, is lost and comes back in turn, and goes once.
fn assert_members_make_sense(journal: &[Value]) {
    let mut states: BTreeMap<&str, &str> = BTreeMap::new();
    for item in journal {
        let (kind, seq) = (item["kind"].as_str().expect("a kind"), &item["seq"]);
        if !["joined", "suspended", "resumed", "left"].contains(&kind) {
            continue;
        }
        let member = item["member"].as_str().expect("a member");
        let before = states.insert(member, kind);
        let fits = match kind {
            "joined" => before.is_none(),
            "suspended" => matches!(before, Some("joined" | "resumed")),
            "resumed" => before == Some("suspended"),
            _ => matches!(before, Some("joined" | "resumed" | "suspended")),
        };
        assert!(fits, "event {seq}: {member} {kind} after {before:?}");
        if kind == "left" {
            let reason = item["reason"].as_str().expect("a reason");
            let expected: &[&str] = if before == Some("suspended") {
                &["grace", "shutdown"]
            } else {
                &["bye"]
            };
            assert!(
                expected.contains(&reason),
                "event {seq}: {reason} after {before:?}"
            );
        }
    }
    let open = states.values().filter(|state| **state != "left").count();
    assert_eq!(open, 0, "{open} members never left");
}

/// SPEC J1, J4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_has_every_number_once_whatever_dies() {
    let mut rng = Rng::new(crate::seed("journal"));
    let cycles = env_number("THEXR_JOURNAL_CYCLES", 2);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pens: Vec<Arc<Pen>> = (0..WRITERS).map(|n| Arc::new(Pen::new(SPACE, 100 + n))).collect();
    let followed = Arc::new(tokio::sync::Mutex::new(Vec::new()));
    let mut server = Program::start(folder.path(), ARGS, &[]).await;
    for cycle in 1..=cycles {
        let mut crew = Crew::start(server.addr, &pens, 4, &mut rng);
        let mut busy = [
            visitors(server.addr, rng.fork()),
            compactions(server.addr),
            follower(server.addr, rng.fork(), followed.clone()),
        ];
        crew.acks(3_000).await;
        // Two seconds at least, so that people come and go.
        tokio::time::sleep(Duration::from_millis(1_500 + rng.below(1_000) as u64)).await;
        for tasks in &mut busy {
            tasks.shutdown().await;
        }
        server.kill().await;
        crew.ends().await;
        eprintln!(
            "journal: {cycle} of {cycles} crashes, {} rows followed",
            followed.lock().await.len()
        );
        server = Program::start(folder.path(), ARGS, &[]).await;
    }
    let addr = server.addr;
    let members = format!("/api/v1/spaces/{SPACE}/members");
    eventually("everybody has left", async || {
        let here = http::get(addr, &members).await.json();
        here["items"].as_array().is_some_and(Vec::is_empty).then_some(())
    })
    .await;
    let journal = journal(addr).await;
    let seqs: Vec<i64> = journal
        .iter()
        .map(|item| item["seq"].as_i64().expect("a number"))
        .collect();
    assert_eq!(
        seqs,
        (1..=seqs.len() as i64).collect::<Vec<_>>(),
        "a gap or a repetition"
    );
    assert!(
        journal
            .windows(2)
            .all(|pair| pair[0]["at"].as_str() <= pair[1]["at"].as_str()),
        "time ran backwards"
    );
    assert_members_make_sense(&journal);

    let mut rest = follower(addr, rng.fork(), followed.clone());
    eventually("the follower has everything", async || {
        (followed.lock().await.len() >= journal.len()).then_some(())
    })
    .await;
    rest.shutdown().await;
    let followed = followed.lock().await;
    assert_eq!(followed.len(), journal.len(), "a row came twice");
    assert!(*followed == journal, "what was followed is not what is there");
    let joins = journal.iter().filter(|item| item["kind"] == "joined").count();
    eprintln!(
        "journal: {} rows, {joins} joins, all once and in order",
        journal.len()
    );
    server.stop().await;
    program::fsck(folder.path()).await;
}
