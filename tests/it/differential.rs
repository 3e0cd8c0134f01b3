//! Against the real thing: stock Yjs with a stock WebsocketProvider in Node, yrs, and the server agree.

use serde_json::json;
use thexr_tests::node::Peers;
use thexr_tests::plan::Op;
use thexr_tests::value::stroke;
use thexr_tests::{Client, Plan, Server, env_number};

/// SPEC S1 to S4.
#[tokio::test]
async fn two_stock_clients_and_one_of_yrs_converge() {
    let server = Server::start().await;
    let mut peers = Peers::start(server.addr(), "hall", 2).await;
    let client = Client::connect(server.addr(), "hall").await;
    for i in 0..20 {
        peers
            .ask(
                0,
                "set",
                json!({"entity": "box", "component": "name", "to": format!("n{i}")}),
            )
            .await;
        peers
            .ask(
                1,
                "stroke",
                json!({"entity": "box", "stroke": stroke(&format!("n{i}"), i)}),
            )
            .await;
        client.set("box", "name", &json!(format!("r{i}")));
        client.push_stroke("box", &stroke(&format!("r{i}"), i));
    }
    agree(&server, &mut peers, 2, &[&client]).await;
}

/// SPEC U16, H3: what each side makes of values, deletions and concurrent edits, JSON to JSON.
#[tokio::test]
async fn random_documents_are_the_same_in_yjs_and_yrs() {
    for seed in Plan::seeds(env_number("THEXR_PLANS", 25).div_ceil(5)) {
        let mut plan = Plan::new("random_documents_are_the_same_in_yjs_and_yrs", seed);
        let mut server = Server::start().await;
        let mut peers = Peers::start(server.addr(), "hall", 2).await;
        let mut client = Client::connect(server.addr(), "hall").await;
        for _ in 0..80 {
            let op = Op::random(&mut plan.rng);
            match plan.rng.below(30) {
                0..8 => peers.apply(0, &op).await,
                8..16 => peers.apply(1, &op).await,
                16..24 => drop(op.apply(&client)),
                24 => drop(peers.ask(0, "disconnect", json!({})).await),
                25 | 26 => drop(peers.ask(0, "connect", json!({})).await),
                27 => client.offline().await,
                28 => client.online(server.addr()).await,
                _ => drop(server.compact("hall", false).await),
            }
        }
        peers.ask(0, "connect", json!({})).await;
        client.online(server.addr()).await;
        agree(&server, &mut peers, 2, &[&client]).await;
        server.restart().await;
        // A stock client comes back by itself.
        client.online(server.addr()).await;
        client.set("box", "last", &json!(seed));
        agree(&server, &mut peers, 2, &[&client]).await;
    }
}

/// SPEC S1, S7: a stock cursor reaches other stock clients and goes with its client.
#[tokio::test]
async fn stock_awareness_works_through_the_server() {
    let server = Server::start().await;
    let mut peers = Peers::start(server.addr(), "hall", 2).await;
    let ann = peers.ask(0, "id", json!({})).await;
    peers
        .ask(0, "say", json!({"state": {"name": "ann", "x": 1.5}}))
        .await;
    let heard = peers.ask(1, "heard", json!({"client": ann})).await;
    assert_eq!(heard, json!({"name": "ann", "x": 1.5}));
    peers.ask(0, "disconnect", json!({})).await;
    peers.ask(1, "heard", json!({"client": ann, "gone": true})).await;
}

/// Waits until all have the clocks of all, and compares what they show.
async fn agree(server: &Server, peers: &mut Peers, count: usize, clients: &[&Client]) {
    // A deletion moves no clock: who has seen a later edit of its author has seen it too.
    for peer in 0..count {
        let name = format!("by{peer}");
        peers
            .ask(
                peer,
                "set",
                json!({"entity": "marks", "component": name, "to": 1}),
            )
            .await;
    }
    for (i, client) in clients.iter().enumerate() {
        client.set("marks", &format!("of{i}"), &json!(1));
    }
    let mut clocks = std::collections::BTreeMap::new();
    let mut merge = |pairs: Vec<(u64, u32)>| {
        for (client, clock) in pairs {
            let highest = clocks.entry(client).or_insert(0);
            *highest = clock.max(*highest);
        }
    };
    for peer in 0..count {
        merge(serde_json::from_value(peers.ask(peer, "clocks", json!({})).await).expect("pairs"));
    }
    for client in clients {
        client.saved().await;
        merge(client.content().clocks);
    }
    let clocks: Vec<(u64, u32)> = clocks.into_iter().collect();
    let mut shown = Vec::new();
    for peer in 0..count {
        shown.push(peers.content(peer, &clocks).await);
    }
    let fresh = Client::connect(server.addr(), "hall").await;
    let content = fresh.wait("all clocks", |s| {
        let content = thexr_tests::value::content(&s.doc);
        (content.clocks == clocks).then_some(content)
    });
    let content = content.await;
    for client in clients {
        client.agrees_with(&content).await;
    }
    assert_eq!(server.content("hall").await, content);
    for peer in shown {
        assert_eq!(peer, content.json, "Yjs shows another document");
    }
}
