//! Following a journal: what happens, as it happens, over connections that are cut.

use serde_json::{Value, json};
use std::time::Duration;
use thexr_schema::presence::Up;
use thexr_tests::presence::Member;
use thexr_tests::{Client, Rng, Server, http};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const SPACE: &str = "hall";

/// A follower's connection; lines are read as they come.
struct Follower(BufReader<TcpStream>);

impl Follower {
    async fn start(server: &Server, query: &str, last: Option<i64>) -> Self {
        let mut stream = TcpStream::connect(server.addr()).await.expect("connects");
        let last = last.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        let head = format!(
            "GET /api/v1/spaces/{SPACE}/journal/follow{query} HTTP/1.1\r\nHost: {}\r\n{last}\r\n",
            server.addr()
        );
        stream.write_all(head.as_bytes()).await.expect("written");
        Self(BufReader::new(stream))
    }

    /// The data of the next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            let read = thexr_tests::within("an event", self.0.read_line(&mut line)).await;
            if read.ok()? == 0 {
                return None;
            }
            if let Some(data) = line.strip_prefix("data: ").filter(|data| !data.trim().is_empty()) {
                return Some(serde_json::from_str(data).expect("JSON"));
            }
        }
    }
}

impl Follower {
    /// Reads on from event `last` up to event `goal`, which are the next ones without a hole.
    async fn rows(&mut self, mut last: i64, goal: i64) -> i64 {
        while last < goal {
            let item = self.next().await.expect("goes on");
            assert_eq!(item["seq"], last + 1);
            last += 1;
        }
        last
    }
}

/// SPEC J4: a follower that is cut off a hundred times receives each row once and in order, while people write, rows are
/// sealed away, and the server is started anew.
#[tokio::test]
async fn a_follower_gets_every_row_once() {
    let mut server = Server::start().await;
    let mut rng = Rng::new(7);
    let mut client = Client::connect(server.addr(), SPACE).await;
    let mut last = 0;
    for cut in 0..100 {
        for n in 0..rng.below(4) {
            client.set("box", "n", &json!([cut, n]));
            client.saved().await;
        }
        if cut % 25 == 10 {
            server.compact(SPACE, false).await;
        }
        if cut == 50 {
            client.offline().await;
            server.restart().await;
            client.online(server.addr()).await;
        }
        let mut follower = Follower::start(&server, "?after=0", (last > 0).then_some(last)).await;
        let goal = head(&server).await.min(last + rng.below(5) as i64);
        last = follower.rows(last, goal).await;
    }
    let mut follower = Follower::start(&server, "", Some(last)).await;
    client.set("box", "n", &json!("end"));
    client.saved().await;
    let end = head(&server).await;
    follower.rows(last, end).await;
}

/// Number of the newest event.
async fn head(server: &Server) -> i64 {
    let space = http::get(server.addr(), &format!("/api/v1/spaces/{SPACE}"))
        .await
        .json();
    space["seq"].as_i64().expect("a number")
}

/// SPEC J4.
#[tokio::test]
async fn a_follower_hears_at_once_and_only_what_it_asked_for() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), SPACE).await;
    client.set("a", "n", &json!(0));
    client.saved().await;
    let mut joins = Follower::start(&server, "?kind=joined,left", None).await;
    let mut lamps = Follower::start(&server, "?entity=lamp&after=0", None).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    client.set("lamp", "n", &json!(0));
    let mut ana = Member::join(server.addr(), SPACE, "ana").await;
    ana.say(&Up::Bye).await;
    let (joined, left) = (
        joins.next().await.expect("a join"),
        joins.next().await.expect("a leave"),
    );
    assert_eq!(
        (&joined["kind"], &joined["user"], &joined["name"]),
        (&json!("joined"), &json!("ana"), &json!("ana"))
    );
    assert_eq!((&left["kind"], &left["reason"]), (&json!("left"), &json!("bye")));
    assert_eq!(
        lamps.next().await.expect("an edit")["changes"][0]["entity"],
        "lamp"
    );
    let gone = http::request(
        server.addr(),
        "DELETE",
        &format!("/api/v1/spaces/{SPACE}"),
        &[],
        b"",
    )
    .await;
    assert_eq!(gone.status, 204);
    assert_eq!(lamps.next().await, None);
}

/// SPEC J4. Regression: a number of a history that is gone let a follower of the new one wait for ever.
#[tokio::test]
async fn a_number_that_has_not_come_yet_begins_at_the_beginning() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), SPACE).await;
    client.set("box", "n", &json!(1));
    client.saved().await;
    let mut follower = Follower::start(&server, "", Some(500)).await;
    assert_eq!(follower.next().await.expect("an edit")["seq"], 1);
}
