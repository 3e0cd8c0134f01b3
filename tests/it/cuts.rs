//! Connections that break in the middle of whatever was being said: F11 of the notes.

use serde_json::json;
use std::time::Duration;
use thexr_tests::value::stroke;
use thexr_tests::{Client, Plan, Proxy, Server, env_number};

/// SPEC S6, A2: every stroke lands exactly once, wherever the connection is cut.
#[tokio::test]
async fn edits_land_exactly_once_wherever_the_connection_is_cut() {
    let seed = Plan::seeds(1).next().unwrap_or(1);
    let mut plan = Plan::new("edits_land_exactly_once_wherever_the_connection_is_cut", seed);
    let server = Server::start().await;
    let proxy = Proxy::start(server.addr()).await;
    let mut client = Client::connect(proxy.addr(), "hall").await;
    let watcher = Client::connect(server.addr(), "hall").await;
    let cuts = env_number("THEXR_CUTS", 60);
    for i in 0..cuts {
        proxy.cut_after(1 + plan.rng.below(1_500));
        for part in 0..8 {
            client.push_stroke("box", &stroke(&format!("s{i}-{part}"), plan.rng.below(60)));
        }
        // Enough to spend what is left of the budget.
        client.set("box", "filler", &json!([i, "x".repeat(1_500)]));
        assert_eq!(client.closed().await.code, 1006);
        client.online(proxy.addr()).await;
    }
    client.saved().await;
    let content = server.content("hall").await;
    let strokes = content.json["strokes"]["box"].as_array().expect("strokes");
    let mut ids: Vec<&str> = strokes.iter().filter_map(|s| s["id"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((strokes.len() as u64, ids.len() as u64), (8 * cuts, 8 * cuts));
    watcher.agrees_with(&content).await;
    client.agrees_with(&content).await;
}

/// A slow line changes nothing but the time.
#[tokio::test]
async fn a_slow_line_converges() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.addr()).await;
    let far = Client::connect(proxy.addr(), "hall").await;
    let near = Client::connect(server.addr(), "hall").await;
    proxy.delay(Duration::from_millis(40));
    for i in 0..10 {
        far.set("box", "name", &json!(["far", i]));
        near.set("box", "name", &json!(["near", i]));
        far.push_stroke("box", &stroke(&format!("far{i}"), 3));
        near.push_stroke("box", &stroke(&format!("near{i}"), 3));
    }
    far.saved().await;
    near.saved().await;
    let content = server.content("hall").await;
    far.agrees_with(&content).await;
    near.agrees_with(&content).await;
    assert_eq!(content.json["strokes"]["box"].as_array().map(Vec::len), Some(20));
}
