//! Sync, as SPEC S says it.

use serde_json::json;
use std::time::Duration;
use thexr_schema::frame;
use thexr_tests::value::{Content, stroke};
use thexr_tests::{Client, Process, RawSocket, Server, fixtures};
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Doc, ReadTxn, StateVector, Transact, Update};

/// SPEC S1, S4.
#[tokio::test]
async fn two_clients_converge_and_the_server_with_them() {
    let server = Server::start().await;
    let a = Client::connect(server.addr(), "hall").await;
    let b = Client::connect(server.addr(), "hall").await;
    for i in 0..20 {
        a.set("box", "name", &json!(format!("a{i}")));
        b.set("lamp", "light", &json!({"n": i}));
        b.push_stroke("box", &stroke(&format!("s{i}"), i));
    }
    a.saved().await;
    b.saved().await;
    let content = server.content("hall").await;
    a.agrees_with(&content).await;
    b.agrees_with(&content).await;
    assert_eq!(content.json["entities"]["box"]["name"], "a19");
    assert_eq!(content.json["strokes"]["box"].as_array().map(Vec::len), Some(20));
}

/// SPEC W4, W5: both are handled, and in order.
#[tokio::test]
async fn several_messages_may_share_a_frame() {
    let server = Server::start().await;
    let watcher = Client::connect(server.addr(), "hall").await;
    let offline = Client::new("hall");
    let (first, second) = (
        offline.set("box", "name", &json!(1)),
        offline.set("box", "name", &json!(2)),
    );
    let mut socket = RawSocket::connect(server.addr(), "hall").await;
    let all = [
        frame::update(&first),
        frame::update(&second),
        frame::ack(b"x"),
        frame::sync_step1(&[0]),
    ];
    socket.message(&all.concat()).await;
    socket.message_with(&frame::ack(b"x")).await;
    let answer = socket.message_with(&[0, 1]).await;
    watcher.sees("box", "name", &json!(2)).await;
    assert!(
        answer.len() > 5,
        "the SyncStep2 holds the updates of its own frame"
    );
}

/// SPEC S3: what a sleeping space answers to a newcomer, from stored bytes, is all of it.
#[tokio::test]
async fn a_newcomer_to_a_sleeping_space_gets_everything() {
    let mut server = Server::start().await;
    let mut a = Client::connect(server.addr(), "hall").await;
    a.set("box", "name", &json!("before"));
    a.push_stroke("box", &stroke("s1", 5));
    a.saved().await;
    server.compact("hall", false).await;
    a.set("box", "name", &json!("after"));
    a.delete("wall");
    a.saved().await;
    a.offline().await;
    server.restart().await;
    assert!(!server.is_loaded("hall").await);
    let b = Client::connect(server.addr(), "hall").await;
    b.agrees_with(&a.content()).await;
    assert_eq!(server.content("hall").await, a.content());
}

/// SPEC S3: one SyncStep2 and it comes last, whatever came before it.
#[tokio::test]
async fn the_answer_to_an_empty_state_vector_ends_with_one_sync_step_2() {
    let mut server = Server::start().await;
    let a = Client::connect(server.addr(), "hall").await;
    a.set("box", "name", &json!("x"));
    a.saved().await;
    server.restart().await;
    let mut socket = RawSocket::connect(server.addr(), "hall").await;
    socket.message(&frame::sync_step1(&[0])).await;
    let doc = Doc::new();
    loop {
        let thexr_tests::raw::Got::Frame(2, payload) = socket.next().await else {
            panic!("the connection ended");
        };
        let (kind, body) = (payload[1], payload.get(2..).unwrap_or_default());
        if kind == 0 {
            continue;
        }
        let update = thexr_schema::lib0::Reader::new(body).bytes().expect("whole");
        doc.transact_mut()
            .apply_update(Update::decode_v1(update).expect("an update"))
            .expect("applies");
        if kind == 1 {
            break;
        }
    }
    assert_eq!(
        doc.transact().state_vector(),
        a.state().doc.transact().state_vector()
    );
    socket.message(&frame::ack(b"end")).await;
    loop {
        match socket.next().await {
            thexr_tests::raw::Got::Frame(2, p) if p == frame::ack(b"end") => break,
            thexr_tests::raw::Got::Frame(2, p) => assert!(!p.starts_with(&[0, 1]), "a second SyncStep2"),
            other => panic!("{other:?}"),
        }
    }
}

/// SPEC A2, and promise 1: what was acknowledged survives kill -9 at that very moment.
#[tokio::test]
async fn what_is_acknowledged_survives_a_kill() {
    let mut process = Process::start().await;
    let mut client = Client::connect(process.addr(), "hall").await;
    for round in 0..5 {
        for i in 0..20 {
            client.set("box", "name", &json!([round, i]));
        }
        client.saved().await;
        let acked = client.content();
        // These may or may not survive.
        client.set("box", "later", &json!(round));
        process.kill_and_start_again().await;
        let other = Client::connect(process.addr(), "hall").await;
        let (clock, held) = (acked.clocks[0].1, other.content().clocks[0].1);
        assert!(
            held == clock || held == clock + 1,
            "acknowledged up to {clock}, found {held}"
        );
        assert_eq!(other.component("box", "name"), json!([round, 19]));
        client.online(process.addr()).await;
    }
}

/// SPEC A3: the echoes come in the order of the questions.
#[tokio::test]
async fn echoes_come_in_order_and_byte_for_byte() {
    let server = Server::start().await;
    let offline = Client::new("hall");
    let mut socket = RawSocket::connect(server.addr(), "hall").await;
    let questions: Vec<Vec<u8>> = (0..50u8).map(|i| vec![i; usize::from(i)]).collect();
    for question in &questions {
        let update = offline.set("box", "n", &json!(question.len()));
        socket
            .message(&[frame::update(&update), frame::ack(question)].concat())
            .await;
    }
    for question in &questions {
        assert_eq!(socket.message_with(&[102]).await, frame::ack(question));
    }
}

/// SPEC S6, A3: a gap is not stored; the acks wait until what was missing has come.
#[tokio::test]
async fn a_gap_is_asked_for_and_holds_the_acks_until_it_is_closed() {
    let server = Server::start().await;
    let watcher = Client::connect(server.addr(), "hall").await;
    let offline = Client::new("hall");
    let lost = offline.set("box", "name", &json!("lost"));
    let late = offline.set("box", "name", &json!("late"));
    let before = server.content("hall").await;

    let mut socket = RawSocket::connect(server.addr(), "hall").await;
    let greeting = socket.message_with(&[0, 0]).await;
    socket
        .message(&[frame::update(&late), frame::ack(b"1"), frame::ack(b"2")].concat())
        .await;
    let again = socket.message_with(&[0, 0]).await;
    assert_eq!(greeting, again, "asked from the same clocks: nothing was taken");
    assert_eq!(server.content("hall").await, before, "nothing was stored");
    assert_eq!(server.metric("thexr_updates_total{result=\"gap\"}").await, 1.0);

    // The socket is alive meanwhile, and what is known to be next does not release the acks.
    socket.message(&frame::sync_step1(&[0])).await;
    let answer = socket.message_with(&[]).await;
    assert_eq!(answer, frame::sync_step2(&[0, 0]), "no ack before the resync");

    socket.message(&frame::sync_step2(&offline.full_update())).await;
    assert_eq!(socket.message_with(&[102]).await, frame::ack(b"1"));
    assert_eq!(socket.message_with(&[102]).await, frame::ack(b"2"));
    watcher.sees("box", "name", &json!("late")).await;
    assert_ne!(lost, late);
    watcher.agrees_with(&offline.content()).await;
}

/// SPEC S6: a stock client gets over a lost message by itself.
#[tokio::test]
async fn a_client_that_lost_a_message_catches_up() {
    let server = Server::start().await;
    let a = Client::connect(server.addr(), "hall").await;
    let b = Client::connect(server.addr(), "hall").await;
    a.edit_quietly(|txn, entities| {
        yrs::Map::insert(entities, txn, "box", yrs::types::map::MapPrelim::default());
    });
    a.set("box", "name", &json!("after the loss"));
    a.saved().await;
    assert_eq!(a.state().asked, 2, "the greeting and one resync");
    b.agrees_with(&a.content()).await;
}

/// SPEC S6: who sends gaps again and again is closed.
#[tokio::test]
async fn gaps_that_repeat_end_in_4509() {
    let server = Server::start().await;
    let mut socket = RawSocket::connect(server.addr(), "hall").await;
    let offline = Client::new("hall");
    offline.set("box", "n", &json!(0));
    let gap = offline.set("box", "n", &json!(1));
    for _ in 0..=thexr::limits::GAPS_MAX {
        socket
            .message(&[frame::update(&gap), frame::sync_step2(&[0, 0])].concat())
            .await;
    }
    assert_eq!(socket.close().await, (4509, "update_gap".to_owned()));
    server.assert_alive().await;
}

/// SPEC S4.
#[tokio::test]
async fn a_known_update_is_acknowledged_and_neither_stored_nor_relayed() {
    let server = Server::start().await;
    let a = Client::connect(server.addr(), "hall").await;
    let b = Client::connect(server.addr(), "hall").await;
    let update = a.set("box", "name", &json!("x"));
    a.saved().await;
    b.sees("box", "name", &json!("x")).await;
    let (seq, heard) = (
        server
            .on_space("hall", |h| async move { h.stats().await })
            .await
            .seq,
        b.state().updates,
    );
    a.send(frame::update(&update));
    a.send(frame::sync_step2(&a.full_update()));
    a.saved().await;
    a.set("box", "name", &json!("y"));
    b.sees("box", "name", &json!("y")).await;
    let stats = server.on_space("hall", |h| async move { h.stats().await }).await;
    assert_eq!(stats.seq.0, seq.0 + 1);
    assert_eq!(b.state().updates, heard + 1);
}

/// SPEC S4: of a SyncStep2 only what was new goes on.
#[tokio::test]
async fn a_sync_step_2_is_relayed_as_what_was_new_in_it() {
    let server = Server::start().await;
    let mut a = Client::connect(server.addr(), "hall").await;
    a.set("box", "big", &json!("x".repeat(10_000)));
    a.saved().await;
    let mut socket = RawSocket::connect(server.addr(), "hall").await;
    socket.message(&frame::sync_step1(&[0])).await;
    socket.message_with(&[0, 1]).await;
    a.offline().await;
    a.set("box", "name", &json!("new"));
    let all = a.full_update();
    a.online(server.addr()).await;
    a.send(frame::sync_step2(&all));
    let relayed = socket.message_with(&[0, 2]).await;
    assert!(relayed.len() < 200, "{} bytes of {}", relayed.len(), all.len());
}

/// SPEC S8; corpus row 84: live, and in the answer to our question.
#[tokio::test]
async fn a_client_id_used_twice_ends_in_4409() {
    let server = Server::start().await;
    let content = |name: &str| fixtures::case("updates", name).bytes;
    let (a, b) = (
        content("known clocks with content A"),
        content("known clocks with content B"),
    );
    for message in [frame::update(&b), frame::sync_step2(&b)] {
        let mut first = RawSocket::connect(server.addr(), "hall").await;
        first
            .message(&[frame::update(&a), frame::ack(b"")].concat())
            .await;
        first.message_with(&[102]).await;
        let before = server.content("hall").await;
        let mut second = RawSocket::connect(server.addr(), "hall").await;
        second.message(&message).await;
        assert_eq!(second.close().await, (4409, "client_id_reused".to_owned()));
        assert_eq!(server.content("hall").await, before);
    }
}

/// SPEC S5; corpus row 58: everything is sent, nothing breaks.
#[tokio::test]
async fn a_state_vector_from_the_future_is_answered() {
    let server = Server::start().await;
    let a = Client::connect(server.addr(), "hall").await;
    a.set("box", "name", &json!("x"));
    a.saved().await;
    let mut future = StateVector::default();
    for (client, clock) in a.state().doc.transact().state_vector().iter() {
        future.set_max(*client, clock + 1_000_000);
    }
    future.set_max(yrs::block::ClientID::new(77), 5);
    let mut socket = RawSocket::connect(server.addr(), "hall").await;
    socket.message(&frame::sync_step1(&future.encode_v1())).await;
    socket.message_with(&[0, 1]).await;
    server.assert_alive().await;
}

/// SPEC S2: with writers that never pause, what a newcomer is shown is in the database. Checked from outside: the
/// process is killed as soon as the answer is there, and everything the answer showed is found again.
#[tokio::test]
async fn a_newcomer_is_not_shown_what_could_still_be_lost() {
    let mut process = Process::start().await;
    for round in 0..8 {
        let space = format!("hall-{round}");
        let writer = Client::connect(process.addr(), &space).await;
        for i in 0..200 {
            writer.set("box", "n", &json!(i));
        }
        // Served in the middle of it: the server is still reading what the writer sent.
        let reader = Client::connect(process.addr(), &space).await;
        let shown = reader.state().doc.transact().state_vector();
        process.kill_and_start_again().await;
        let after = Client::connect(process.addr(), &space).await;
        let kept = after.state().doc.transact().state_vector();
        for (client, clock) in shown.iter() {
            assert!(
                kept.get(client) >= *clock,
                "{client}: shown {clock}, kept {}",
                kept.get(client)
            );
        }
    }
}

/// Design §6: an idle space leaves memory and comes back whole.
#[tokio::test]
async fn an_idle_space_goes_to_sleep_and_comes_back() {
    let server = Server::with(|config| config.idle = Duration::from_millis(1)).await;
    let mut a = Client::connect(server.addr(), "hall").await;
    a.set("box", "name", &json!("x"));
    a.saved().await;
    a.offline().await;
    server.sleeps("hall").await;
    server.metric_is("thexr_spaces_loaded", |n| n == 0.0).await;
    let b = Client::connect(server.addr(), "hall").await;
    b.agrees_with(&a.content()).await;
    assert!(server.is_loaded("hall").await, "it stays while somebody is there");
}

/// Design §6, the wall W1, W6, W8: joins and leaves race with going to sleep, and nothing is lost.
#[tokio::test]
async fn clients_that_come_and_go_meet_one_document() {
    let server = Server::with(|config| config.idle = Duration::ZERO).await;
    let mut clients: Vec<Client> = (0..4).map(|_| Client::new("hall")).collect();
    for round in 0..6 {
        for (i, client) in clients.iter_mut().enumerate() {
            client.online(server.addr()).await;
            client.set(&format!("e{i}"), "n", &json!(round));
            client.saved().await;
            client.offline().await;
        }
        server.sleeps("hall").await;
    }
    let last = Client::connect(server.addr(), "hall").await;
    let content: Content = last.content();
    for i in 0..4 {
        assert_eq!(content.json["entities"][format!("e{i}")]["n"], 5);
    }
    assert_eq!(server.content("hall").await, content);
}

/// Design §6: two first joiners share one space (the wall, W8).
#[tokio::test]
async fn many_first_joiners_share_one_space() {
    let server = Server::start().await;
    let joins = (0..16).map(|_| Client::connect(server.addr(), "new"));
    let clients = futures_util::future::join_all(joins).await;
    for (i, client) in clients.iter().enumerate() {
        client.set(&format!("e{i}"), "n", &json!(i));
    }
    for client in &clients {
        client.saved().await;
    }
    let content = server.content("new").await;
    for client in &clients {
        client.agrees_with(&content).await;
    }
    assert_eq!(
        content.json["entities"].as_object().map(serde_json::Map::len),
        Some(16)
    );
}
