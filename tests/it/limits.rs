//! Limits: each has a number, is seen as SPEC says, and costs nobody else anything.

use serde_json::json;
use std::time::{Duration, Instant};
use thexr::config::Rate;
use thexr_schema::presence::{Up, message};
use thexr_schema::{frame, lib0};
use thexr_tests::presence::knock;
use thexr_tests::{Client, RawSocket, Server, eventually, http};

/// SPEC W9, L2: the client keeps what did not fit.
#[tokio::test]
async fn a_message_above_4_mib_is_refused_and_stays_with_its_author() {
    let server = Server::start().await;
    let big = Client::connect(server.addr(), "hall").await;
    let small = Client::connect(server.addr(), "hall").await;
    big.set("box", "big", &json!("x".repeat(4 << 20)));
    assert_eq!(big.closed().await.code, 1009);
    assert_eq!(
        big.content().json["entities"]["box"]["big"]
            .as_str()
            .map(str::len),
        Some(4 << 20)
    );
    small.set("lamp", "name", &json!("fine"));
    small.saved().await;
    assert_eq!(
        server.content("hall").await.json["entities"]
            .as_object()
            .map(serde_json::Map::len),
        Some(1)
    );
}

/// SPEC W9: just below is fine, in one frame or in several.
#[tokio::test]
async fn a_message_of_almost_4_mib_is_taken() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), "hall").await;
    client.set("box", "big", &json!("x".repeat((4 << 20) - 100)));
    client.saved().await;
    assert_eq!(server.content("hall").await, client.content());
}

/// SPEC K2: a document that would grow beyond its limit; deleting makes room.
#[tokio::test]
async fn a_full_document_takes_no_more_but_can_be_emptied() {
    let server = Server::with(|config| config.doc_bytes_max = 100_000).await;
    let mut client = Client::connect(server.addr(), "hall").await;
    client.set("a", "text", &json!("x".repeat(60_000)));
    client.saved().await;
    let full = server.content("hall").await;
    let late = client.set("b", "text", &json!("y".repeat(60_000)));
    assert_eq!(client.closed().await.code, 4413);
    assert_eq!(server.content("hall").await, full);
    assert!(late.len() > 60_000);

    let mut other = Client::connect(server.addr(), "hall").await;
    other.delete("a");
    other.saved().await;
    other.offline().await;
    client.online(server.addr()).await;
    client.saved().await;
    let content = server.content("hall").await;
    assert_eq!(
        content.json["entities"]["b"]["text"].as_str().map(str::len),
        Some(60_000)
    );
}

/// Regression: the size was counted by what came in, so that a component written over and over filled the space.
#[tokio::test]
async fn overwriting_does_not_fill_a_document() {
    let server = Server::with(|config| config.doc_bytes_max = 100_000).await;
    let client = Client::connect(server.addr(), "hall").await;
    for i in 0..200 {
        client.set("box", "text", &json!([i, "x".repeat(5_000)]));
        client.saved().await;
    }
    assert_eq!(client.component("box", "text")[0], 199);
}

/// Design §10: over the rate means waiting, never loss.
#[tokio::test]
async fn too_many_messages_wait_and_arrive() {
    let rate = Rate {
        per_second: 100.0,
        burst: 10.0,
    };
    let server = Server::with(|config| config.message_rate = rate).await;
    let client = Client::connect(server.addr(), "hall").await;
    let neighbour = Client::connect(server.addr(), "hall").await;
    let started = Instant::now();
    for i in 0..60 {
        client.set("box", "n", &json!(i));
        if i % 10 == 9 {
            client.saved().await;
        }
    }
    assert!(
        started.elapsed() > Duration::from_millis(300),
        "66 messages at 100 per second"
    );
    neighbour.sees("box", "n", &json!(59)).await;
    assert!(
        server
            .metric("thexr_limit_hits_total{limit=\"message_rate\"}")
            .await
            >= 1.0
    );
}

/// The same for bytes.
#[tokio::test]
async fn too_many_bytes_wait_and_arrive() {
    let rate = Rate {
        per_second: 1e6,
        burst: 1e5,
    };
    let server = Server::with(|config| config.byte_rate = rate).await;
    let client = Client::connect(server.addr(), "hall").await;
    let started = Instant::now();
    for i in 0..10 {
        client.set("box", "text", &json!([i, "x".repeat(50_000)]));
    }
    client.saved().await;
    assert!(
        started.elapsed() > Duration::from_millis(250),
        "500 kB at 1 MB per second"
    );
    assert_eq!(server.content("hall").await, client.content());
}

/// Connections of the process: the ones that are there notice nothing, and a place that is left can be taken.
#[tokio::test]
async fn connections_beyond_the_limit_are_turned_away() {
    // One for the metrics of the harness.
    let server = Server::with(|config| config.connections_max = 3).await;
    let mut a = Client::connect(server.addr(), "hall").await;
    let b = Client::connect(server.addr(), "hall").await;
    let c = Client::connect(server.addr(), "hall").await;
    let mut late = Client::new("hall");
    assert!(late.try_online(server.addr()).await.is_err());
    b.set("box", "n", &json!(1));
    c.sees("box", "n", &json!(1)).await;
    a.leave().await;
    eventually("a place", async || late.try_online(server.addr()).await.ok()).await;
    late.sees("box", "n", &json!(1)).await;
}

/// Design §4: one connection speaks for few awareness ids; more are dropped without a word.
#[tokio::test]
async fn a_connection_speaks_for_four_awareness_ids() {
    let server = Server::start().await;
    let (loud, listener) = (
        Client::connect(server.addr(), "hall").await,
        Client::connect(server.addr(), "hall").await,
    );
    for id in 0..=thexr::limits::AWARENESS_IDS_PER_CONNECTION as u64 {
        loud.say(id, 1, "{}");
    }
    loud.saved().await;
    listener.say(99, 1, "{}");
    loud.wait("99", |s| s.presence.get(&99).cloned()).await;
    listener
        .wait("the first four", |s| s.presence.get(&3).cloned())
        .await;
    assert_eq!(listener.state().presence.get(&4), None);
    assert_eq!(loud.state().closed, None);
}

/// SPEC A1.
#[tokio::test]
async fn a_question_for_an_ack_has_at_most_64_bytes() {
    let server = Server::start().await;
    let mut socket = RawSocket::connect(server.addr(), "hall").await;
    socket.message(&frame::ack(&[7; 64])).await;
    socket.message_with(&frame::ack(&[7; 64])).await;
    let mut long = vec![102];
    lib0::write_bytes(&mut long, &[7; 65]);
    socket.message(&long).await;
    assert_eq!(socket.close().await.0, 4400);
}

/// SPEC K2: five questions in ten seconds, each of which may be answered by the whole document.
#[tokio::test]
async fn a_sixth_sync_step_1_ends_in_4529() {
    let server = Server::start().await;
    let mut socket = RawSocket::connect(server.addr(), "hall").await;
    for _ in 0..thexr::limits::SYNC_STEPS_MAX {
        socket.message(&frame::sync_step1(&[0])).await;
        socket.message_with(&[0, 1]).await;
    }
    socket.message(&frame::sync_step1(&[0])).await;
    assert_eq!(socket.close().await, (4529, "rate_limited".to_owned()));
}

/// S6: who asks for acks instead of answering a resync does not fill the memory.
#[tokio::test]
async fn acks_that_wait_for_a_resync_are_bounded() {
    let server = Server::start().await;
    let offline = Client::new("hall");
    offline.set("box", "n", &json!(0));
    let gap = offline.set("box", "n", &json!(1));
    let mut socket = RawSocket::connect(server.addr(), "hall").await;
    socket.message(&frame::update(&gap)).await;
    for _ in 0..10 {
        socket.message(&frame::ack(b"x").repeat(200)).await;
    }
    assert_eq!(socket.close().await, (4509, "update_gap".to_owned()));
}

/// Corpus row 13.
#[tokio::test]
async fn a_head_above_8_kib_is_431() {
    let server = Server::start().await;
    let long = "x".repeat(9 << 10);
    let response = http::request(server.addr(), "GET", "/livez", &[("X-Long", &long)], b"").await;
    assert_eq!(response.status, 431);
    server.assert_alive().await;
}

/// SPEC M2, W4: many messages of a byte in one frame.
#[tokio::test]
async fn a_frame_of_very_many_messages_is_refused() {
    let server = Server::start().await;
    let ping = message(&Up::Ping { id: 1, t0: 0.0 }.write());
    let mut socket = knock(server.addr(), "hall", "", None).await;
    socket.message(&ping.repeat(256)).await;
    socket.message_with(&[84, 27, 0x85]).await;
    for (bytes, code) in [(ping.repeat(257), 4400), (vec![84; 65_537], 1009)] {
        let mut socket = knock(server.addr(), "hall", "", None).await;
        socket.message(&bytes).await;
        assert_eq!(socket.close().await.0, code);
    }
    let mut socket = RawSocket::connect(server.addr(), "hall").await;
    socket.message(&[3; 257]).await;
    assert_eq!(socket.close().await.0, 4400);
    server.assert_alive().await;
}
