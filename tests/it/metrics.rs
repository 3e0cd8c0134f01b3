//! Every metric that says something of a space moves when that happens (SPEC H rules name them).

use serde_json::json;
use thexr_tests::{Client, Server, http};

const UPDATE: &str = "/api/v1/spaces/hall/update";

async fn post_update(server: &Server, update: &[u8]) -> u16 {
    let octets = [("Content-Type", "application/octet-stream")];
    http::request(server.addr(), "POST", UPDATE, &octets, update)
        .await
        .status
}

/// Regression: it was never set.
#[tokio::test]
async fn the_backlog_is_the_log_of_the_loaded_spaces() {
    let mut server = Server::start().await;
    let backlog = async |server: &Server| server.metric("thexr_log_backlog_bytes").await;
    let client = Client::connect(server.addr(), "hall").await;
    assert_eq!(backlog(&server).await, 0.0);
    client.set("box", "text", &json!("x".repeat(5_000)));
    client.saved().await;
    let one = backlog(&server).await;
    assert!((5_000.0..6_000.0).contains(&one), "{one}");
    let other = Client::connect(server.addr(), "yard").await;
    other.set("box", "text", &json!("x".repeat(5_000)));
    other.saved().await;
    assert!(backlog(&server).await > 10_000.0);
    server.compact("hall", false).await;
    let left = backlog(&server).await;
    assert!((5_000.0..6_000.0).contains(&left), "{left}");

    drop((client, other));
    server.restart().await;
    assert_eq!(backlog(&server).await, 0.0, "nothing is loaded");
    server.content("yard").await;
    assert_eq!(backlog(&server).await, left);
    server.admin("DELETE", "/api/v1/spaces/yard", b"").await;
    server.metric_is("thexr_log_backlog_bytes", |n| n == 0.0).await;
}

/// Regression: those that came by HTTP were counted only when they were malformed.
#[tokio::test]
async fn updates_are_counted_whichever_way_they_come() {
    let server = Server::start().await;
    let author = Client::with_id("hall", 7);
    let first = author.set("box", "n", &json!(0));
    let second = author.set("box", "n", &json!(1));
    Client::connect(server.addr(), "hall").await.saved().await;
    for (update, status, result) in [
        (&second[..], 409, "gap"),
        (&first[..], 200, "applied"),
        (&first[..], 200, "known"),
        (&b"no update"[..], 400, "malformed"),
    ] {
        assert_eq!(post_update(&server, update).await, status, "{result}");
        let name = format!("thexr_updates_total{{result=\"{result}\"}}");
        assert_eq!(server.metric(&name).await, 1.0, "{result}");
    }
    let reused = Client::with_id("hall", 7);
    assert_eq!(
        post_update(&server, &reused.set("lamp", "n", &json!("other"))).await,
        409
    );
    assert_eq!(
        server.metric("thexr_updates_total{result=\"refused\"}").await,
        1.0
    );
}

/// Regression: only an opening was observed.
#[tokio::test]
async fn the_size_of_a_document_is_observed_when_it_is_opened_and_when_it_is_compacted() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), "hall").await;
    client.set("box", "n", &json!(0));
    client.saved().await;
    assert_eq!(server.metric("thexr_doc_bytes_count").await, 1.0);
    server.compact("hall", false).await;
    assert_eq!(server.metric("thexr_doc_bytes_count").await, 2.0);
    server.compact("hall", false).await;
    assert_eq!(
        server.metric("thexr_doc_bytes_count").await,
        2.0,
        "nothing to compact"
    );
}

/// Regression: only a panic on a socket's update was counted.
#[tokio::test]
async fn a_panic_of_a_space_is_counted() {
    let server = Server::start().await;
    let read = server.on_spaces(|spaces| async move {
        let space = spaces.get_or_create(&"hall".parse().expect("an id")).await?;
        space.read(|_| panic!("on purpose")).await
    });
    let read: Result<((), _), _> = read.await;
    assert!(read.is_err());
    server.metric_is("thexr_engine_panics_total", |n| n == 1.0).await;
}
