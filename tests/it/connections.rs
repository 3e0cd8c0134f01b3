//! What happens to connections: awareness, slow readers, deleted spaces, the end of the server.

use serde_json::json;
use thexr_schema::frame;
use thexr_schema::ids::SpaceId;
use thexr_tests::raw::{self, Got};
use thexr_tests::{Client, Proxy, RawSocket, Server};

const OURS: (&str, &str) = ("Sec-WebSocket-Protocol", "thexr.v1");

/// SPEC S1, S7.
#[tokio::test]
async fn awareness_reaches_others_and_newcomers_and_ends_with_the_connection() {
    let server = Server::start().await;
    let mut a = Client::connect(server.addr(), "hall").await;
    let b = Client::connect(server.addr(), "hall").await;
    a.say(7, 1, "{\"name\":\"ann\"}");
    let ann = b.wait("ann", |s| s.presence.get(&7).cloned()).await;
    assert_eq!(ann, (1, "{\"name\":\"ann\"}".to_owned()));
    let c = Client::connect(server.addr(), "hall").await;
    c.wait("ann, told to a newcomer", |s| s.presence.get(&7).cloned())
        .await;
    a.offline().await;
    for other in [&b, &c] {
        other
            .wait("the goodbye", |s| (s.presence.get(&7)?.1 == "null").then_some(()))
            .await;
    }
}

/// Notes: stock clients send on what they hear; the server must not.
#[tokio::test]
async fn an_echo_of_awareness_is_not_sent_again() {
    let server = Server::start().await;
    let a = Client::connect(server.addr(), "hall").await;
    let b = Client::connect(server.addr(), "hall").await;
    a.say(7, 1, "{}");
    b.wait("ann", |s| s.presence.get(&7).cloned()).await;
    // Her own comes back to her too, in its own time; what counts is what comes after it.
    a.wait("her own", |s| s.presence.get(&7).cloned()).await;
    let heard = a.state().presence_messages;
    b.say(7, 1, "{}");
    b.say(7, 2, "{\"somebody\":\"else\"}");
    b.say(8, 1, "{}");
    a.wait("ben", |s| s.presence.get(&8).cloned()).await;
    assert_eq!(a.state().presence_messages, heard + 1, "one message, about ben");
    assert_eq!(
        a.state().presence.get(&7).map(|p| p.0),
        Some(1),
        "nobody speaks for ann"
    );
}

/// SPEC W5: message 3 is answered.
#[tokio::test]
async fn awareness_can_be_asked_for() {
    let server = Server::start().await;
    let a = Client::connect(server.addr(), "hall").await;
    a.say(7, 1, "{\"name\":\"ann\"}");
    a.wait("her own", |s| s.presence.get(&7).cloned()).await;
    let mut socket = RawSocket::connect(server.addr(), "hall").await;
    socket.message_with(&[1]).await;
    socket.message(&frame::query_awareness()).await;
    socket.message_with(&[1]).await;
}

/// Design §6: a reader that does not keep up is closed with 4508, others notice nothing, and it loses nothing.
#[tokio::test]
async fn a_slow_reader_is_closed_and_catches_up_without_loss() {
    let server = Server::start().await;
    let fast = Client::connect(server.addr(), "hall").await;
    let proxy = Proxy::start(server.addr()).await;
    let mut slow = Client::connect(proxy.addr(), "hall").await;
    proxy.stall(true);
    let writer = Client::connect(server.addr(), "hall").await;
    let big = "x".repeat(200_000);
    // More than the lane and all that two kernels hold on the way; then at once on: the server waits only a moment for
    // somebody who does not read to take its close.
    let mut n = 0;
    while server.metric("thexr_limit_hits_total{limit=\"out_queue\"}").await == 0.0 {
        n += 1;
        assert!(n < 300, "60 MB are buffered somewhere");
        writer.set("box", "big", &json!({"n": n, "text": big}));
        writer.saved().await;
    }
    slow.set("lamp", "name", &json!("offline"));
    proxy.stall(false);
    assert_eq!(slow.closed().await.code, 4508);
    let content = server.content("hall").await;
    fast.agrees_with(&content).await;
    assert_eq!(fast.state().closed, None);
    slow.online(proxy.addr()).await;
    slow.saved().await;
    let content = server.content("hall").await;
    slow.agrees_with(&content).await;
    assert_eq!(content.json["entities"]["lamp"]["name"], "offline");
    assert_eq!(content.json["entities"]["box"]["big"]["n"], n);
}

/// SPEC K2: the close frame says 4508 when the reader reads again.
#[tokio::test]
async fn a_slow_reader_is_told_why() {
    let server = Server::start().await;
    let head = format!(
        "GET /sync/hall HTTP/1.1\r\nHost: {}\r\n{}\r\n",
        server.addr(),
        raw::GOOD.map(|(n, v)| format!("{n}: {v}\r\n")).concat()
    );
    let mut slow = RawSocket::handshake_bytes(server.addr(), head.as_bytes(), Some(4096))
        .await
        .socket;
    slow.message(&frame::sync_step1(&[0])).await;
    slow.message_with(&[0, 1]).await;
    let writer = Client::connect(server.addr(), "hall").await;
    let text = "x".repeat(400_000);
    let hits = "thexr_limit_hits_total{limit=\"out_queue\"}";
    let mut n = 0;
    while server.metric(hits).await == 0.0 {
        n += 1;
        assert!(n < 100, "40 MB are buffered somewhere");
        writer.set("box", "big", &json!([n, text]));
        writer.saved().await;
        let lanes_full = n * 400_000 > 2 * thexr::limits::OUTBOX_BYTES_MAX;
        if lanes_full {
            // What was begun must be read before the close frame can come.
            let (code, reason) = slow.close().await;
            assert_eq!((code, reason.as_str()), (4508, "slow_consumer"));
            return;
        }
    }
    assert_eq!(slow.close().await, (4508, "slow_consumer".to_owned()));
}

/// SPEC K2: whoever is in a space when it is deleted is told, and told not to come back.
#[tokio::test]
async fn a_deleted_space_closes_its_sockets_with_4404() {
    let server = Server::start().await;
    let a = Client::connect(server.addr(), "hall").await;
    a.set("box", "name", &json!("x"));
    a.saved().await;
    delete(&server, "hall").await;
    assert_eq!(a.closed().await.code, 4404);
}

/// Design §4: a stock client hears of a deleted space by HTTP status, ours by close code; nobody brings it back.
#[tokio::test]
async fn a_deleted_space_stays_deleted_when_a_client_comes_back() {
    let server = Server::start().await;
    let mut a = Client::connect(server.addr(), "hall").await;
    a.set("box", "name", &json!("x"));
    a.saved().await;
    a.offline().await;
    delete(&server, "hall").await;
    assert!(a.try_online(server.addr()).await.is_err());
    let stock = RawSocket::handshake(server.addr(), "hall", &raw::GOOD).await;
    assert_eq!(stock.status, 404);
    let mut ours = RawSocket::offering(server.addr(), "hall", &[OURS]).await;
    assert_eq!(ours.close().await, (4404, "no_space".to_owned()));
}

/// SPEC K2: 1012, after everything that was applied is on disk.
#[tokio::test]
async fn a_server_that_stops_saves_first_and_closes_with_1012() {
    let mut server = Server::start().await;
    let a = Client::connect(server.addr(), "hall").await;
    let mut socket = RawSocket::connect(server.addr(), "hall").await;
    for i in 0..50 {
        a.set("box", "n", &json!(i));
    }
    a.saved().await;
    server.stop().await;
    assert_eq!(a.closed().await.code, 1012);
    assert_eq!(socket.close().await, (1012, "restart".to_owned()));
    server.start_again().await;
    let b = Client::connect(server.addr(), "hall").await;
    b.agrees_with(&a.content()).await;
}

/// RFC 6455 §5.5: pings are answered with their bytes, a close with its code.
#[tokio::test]
async fn pings_and_closes_are_answered() {
    let server = Server::start().await;
    let mut socket = RawSocket::connect(server.addr(), "hall").await;
    socket.send(&raw::frame(0x89, b"hello")).await;
    loop {
        match socket.next().await {
            Got::Frame(0xA, payload) => break assert_eq!(payload, b"hello"),
            Got::Frame(..) => {}
            Got::End => panic!("the connection ended"),
        }
    }
    socket.send(&raw::frame(0x88, &4321u16.to_be_bytes())).await;
    assert_eq!(socket.close().await.0, 4321);
    assert_eq!(socket.next().await, Got::End);
}

async fn delete(server: &Server, space: &str) {
    let id: SpaceId = space.parse().expect("a space id");
    let done = server
        .on_spaces(move |spaces| async move { spaces.delete(&id).await })
        .await;
    assert_eq!(done, Ok(()));
}
