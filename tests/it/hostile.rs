//! Bad input: whatever a stranger sends, it is refused as SPEC says, and nobody else notices.

use serde_json::json;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use thexr_schema::frame;
use thexr_tests::corpus::{self, Case, Expect};
use thexr_tests::{Client, Process, RawSocket, Server, eventually, fixtures, raw};

const SPACE: &str = "hostile";

/// A server with an honest member beside the hostile one, and two people next door.
struct Arena {
    server: Server,
    member: Client,
    neighbours: [Client; 2],
    hash: [u8; 32],
    rounds: u64,
}

impl Arena {
    async fn new() -> Self {
        let server = Server::start().await;
        let member = Client::connect(server.addr(), SPACE).await;
        member.set("box", "name", &json!("honest"));
        member.saved().await;
        let neighbours = [
            Client::connect(server.addr(), "next-door").await,
            Client::connect(server.addr(), "next-door").await,
        ];
        let hash = server.content(SPACE).await.hash;
        Self {
            server,
            member,
            neighbours,
            hash,
            rounds: 0,
        }
    }

    /// Process alive, next door nobody noticed, the document is what it was.
    async fn check(&mut self, name: &str) {
        self.rounds += 1;
        self.server.assert_alive().await;
        let [a, b] = &self.neighbours;
        a.set("ball", "n", &json!(self.rounds));
        b.sees("ball", "n", &json!(self.rounds)).await;
        let content = self.server.content(SPACE).await;
        assert_eq!(
            content.hash, self.hash,
            "{name}: the document has changed: {}",
            content.json
        );
        for honest in [a, b, &self.member] {
            assert_eq!(honest.state().closed, None, "{name}: an honest client was closed");
        }
    }

    async fn run(mut self, cases: Vec<Case>) {
        for case in cases {
            provoke(self.server.addr(), &case).await;
            self.check(&case.name).await;
        }
    }
}

/// Sends a case on a connection of its own and waits for what must come of it.
async fn provoke(addr: SocketAddr, case: &Case) {
    let name = &case.name;
    let mut socket = RawSocket::connect(addr, SPACE).await;
    socket.message_with(&[0, 0]).await;
    socket.send(&case.bytes).await;
    match case.expect {
        Expect::Close(code, reason) => {
            let (found, why) = socket.close().await;
            assert_eq!(found, code, "{name}: {why}");
            assert!(why.starts_with(reason), "{name}: {why}");
        }
        Expect::Goes => {
            socket.message(&frame::ack(b"still here")).await;
            socket.message_with(&frame::ack(b"still here")).await;
        }
        Expect::Gap => {
            socket.message_with(&[0, 0]).await;
        }
    }
}

/// Corpus rows 38 to 46; SPEC W1, W9, K2.
#[tokio::test]
async fn frames_that_break_the_protocol_end_one_connection() {
    Arena::new().await.run(corpus::framing()).await;
}

/// Corpus row 47: the connection is gone and nothing else is.
#[tokio::test]
async fn a_frame_cut_by_a_reset_is_a_leave() {
    let mut arena = Arena::new().await;
    let open = "thexr_connections";
    let before = arena.server.metric(open).await;
    let mut socket = RawSocket::connect(arena.server.addr(), SPACE).await;
    socket.message_with(&[0, 0]).await;
    let whole = raw::frame(0x82, &frame::update(&fixtures::case("updates", "nothing").bytes));
    socket.send(&whole[..whole.len() - 1]).await;
    socket.reset();
    arena.server.metric_is(open, |n| n == before).await;
    arena.check("a reset").await;
}

/// Corpus rows 48 to 55 and 61; SPEC W2 to W8.
#[tokio::test]
async fn messages_that_are_none_end_one_connection() {
    Arena::new().await.run(corpus::messages()).await;
}

/// Corpus rows 53 and 56 to 60; SPEC S5.
#[tokio::test]
async fn questions_that_are_none_end_one_connection() {
    Arena::new()
        .await
        .run([corpus::syncs(), corpus::state_vectors()].concat())
        .await;
}

/// Corpus rows 48 to 54 and 64 to 83; SPEC U1 to U15, S6.
#[tokio::test]
async fn updates_that_break_the_rules_end_one_connection() {
    Arena::new().await.run(corpus::updates()).await;
}

/// Corpus row 84; SPEC S8.
#[tokio::test]
async fn a_reused_client_id_ends_one_connection() {
    let mut arena = Arena::new().await;
    let content = |name: &str| fixtures::case("updates", name).bytes;
    let honest = content("known clocks with content A");
    arena.member.send(frame::update(&honest));
    arena.member.saved().await;
    arena.hash = arena.server.content(SPACE).await.hash;
    let bytes = raw::frame(0x82, &frame::update(&content("known clocks with content B")));
    let case = Case {
        row: 84,
        name: "other content".into(),
        bytes,
        expect: Expect::Close(4409, "client_id_reused"),
    };
    arena.run(vec![case]).await;
}

/// Corpus rows 85 to 89; SPEC S7.
#[tokio::test]
async fn awareness_that_is_none_ends_one_connection() {
    Arena::new().await.run(corpus::awareness()).await;
}

/// What SPEC accepts is accepted: the golden updates of real clients, each in a space of its own.
#[tokio::test]
async fn what_real_clients_send_is_taken() {
    let server = Server::start().await;
    for (i, golden) in fixtures::cases("updates").iter().enumerate() {
        if !golden.json["document"].is_object() {
            continue;
        }
        let space = format!("golden-{i}");
        let mut socket = RawSocket::connect(server.addr(), &space).await;
        socket
            .message(&[frame::sync_step2(&golden.bytes), frame::ack(b"ok")].concat())
            .await;
        socket.message_with(&frame::ack(b"ok")).await;
        let shown = server.content(&space).await.json;
        let expected = thexr_tests::value::of_update(&golden.bytes).json;
        assert_eq!(shown, expected, "{}", golden.name);
        let ids = |v: &serde_json::Value| {
            let keys = v["entities"].as_object().expect("entities").keys().cloned();
            keys.collect::<BTreeSet<_>>()
        };
        assert_eq!(ids(&shown), ids(&golden.json["document"]), "{}", golden.name);
    }
}

/// The corpus is whole: every row has a case here or a test named in `corpus`.
#[test]
fn every_row_from_38_to_89_has_a_case() {
    let mut rows: BTreeSet<u64> = corpus::all().iter().map(|case| case.row).collect();
    rows.extend(corpus::DEFERRED);
    rows.extend(corpus::ELSEWHERE);
    // Row 87 (somebody else's id) is silent: `an_echo_of_awareness_is_not_sent_again`.
    rows.insert(87);
    let missing: Vec<u64> = (38..=89).filter(|row| !rows.contains(row)).collect();
    assert_eq!(missing, Vec::<u64>::new());
}

/// The corpus against the real program: it costs no memory to speak of (16 MiB over what the first round took).
#[tokio::test]
async fn the_corpus_costs_no_memory() {
    let process = Process::start().await;
    let round = async || {
        for case in corpus::all() {
            provoke(process.addr(), &case).await;
        }
    };
    round().await;
    let before = process.memory_bytes();
    round().await;
    let grown = eventually("memory is given back", async || {
        let grown = process.memory_bytes().saturating_sub(before);
        (grown < 16 << 20).then_some(grown)
    })
    .await;
    assert!(grown < 16 << 20, "{grown} bytes");
}
