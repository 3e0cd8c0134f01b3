//! A space that is made anew has another history: nobody's old copy gets into it by itself.

use serde_json::{Value, json};
use thexr_schema::{close, frame};
use thexr_tests::raw::{Got, RawSocket};
use thexr_tests::{Client, Server, http};

const SPACE: &str = "hall";

async fn epoch(server: &Server) -> String {
    let space = http::get(server.addr(), &format!("/api/v1/spaces/{SPACE}"))
        .await
        .json();
    space["epoch"].as_str().expect("an epoch").to_owned()
}

async fn entities(server: &Server) -> Value {
    let path = format!("/api/v1/spaces/{SPACE}/document");
    http::get(server.addr(), &path).await.json()["entities"].clone()
}

/// The space goes and comes again under its name.
async fn make_anew(server: &Server) {
    let path = format!("/api/v1/spaces/{SPACE}");
    let gone = http::request(server.addr(), "DELETE", &path, &[], b"").await;
    assert_eq!(gone.status, 204);
    let body = json!({"id": SPACE}).to_string();
    let kind = [("content-type", "application/json")];
    let made = http::request(server.addr(), "POST", "/api/v1/spaces", &kind, body.as_bytes()).await;
    assert_eq!(made.status, 201);
}

/// SPEC W10.
#[tokio::test]
async fn a_copy_of_another_history_is_not_let_in() {
    let server = Server::start().await;
    let mut client = Client::of_epoch(server.addr(), SPACE, "").await;
    client.set("old", "n", &json!(1));
    client.saved().await;
    let first = epoch(&server).await;
    client.offline().await;
    client.set("offline", "n", &json!(2));
    let again = Client::of_epoch(server.addr(), SPACE, &first).await;
    assert!(
        again.state().doc.client_id().get() > 0,
        "its own epoch lets it in"
    );
    drop(again);

    make_anew(&server).await;
    assert_ne!(epoch(&server).await, first);
    client.ask_for_epoch(&first);
    client.try_online(server.addr()).await.expect("the upgrade");
    assert_eq!(client.closed().await.code, close::EPOCH_CHANGED.code);
    let update = client.full_update();
    let octets = [("content-type", "application/octet-stream")];
    let path = format!("/api/v1/spaces/{SPACE}/update?epoch={first}");
    let posted = http::request(server.addr(), "POST", &path, &octets, &update).await;
    assert_eq!(
        (posted.status, &posted.json()["code"]),
        (412, &json!("epoch_changed"))
    );
    assert_eq!(entities(&server).await, json!({}), "nothing of it got in");

    // Who says so may bring it all the same.
    client.ask_for_epoch("");
    client.online(server.addr()).await;
    client.saved().await;
    assert_eq!(
        entities(&server).await,
        json!({"old": {"n": 1}, "offline": {"n": 2}})
    );
}

/// SPEC W10: who did not ask is a stock client, and would not know the message.
#[tokio::test]
async fn only_who_asks_is_told_the_epoch() {
    let server = Server::start().await;
    for (query, told) in [("", false), ("?epoch=", true)] {
        let mut socket = RawSocket::connect(server.addr(), &format!("{SPACE}{query}")).await;
        let asked = frame::sync_step1(&[0]);
        socket.message(&asked).await;
        let expected = frame::epoch(&epoch(&server).await);
        let mut found = false;
        // The answer to our question comes after everything that is said unasked.
        loop {
            let Got::Frame(2, payload) = socket.next().await else {
                panic!("closed")
            };
            found |= payload == expected;
            if payload.starts_with(&[0, 1]) {
                break;
            }
        }
        assert_eq!(found, told, "{query:?}");
    }
}

/// SPEC W10: a folder that was put back is older than what its clients saw, and says so once its epochs are renewed.
#[tokio::test]
async fn what_a_client_saw_after_the_backup_does_not_get_into_what_was_put_back() {
    let mut server = Server::start().await;
    let mut client = Client::of_epoch(server.addr(), SPACE, "").await;
    client.set("old", "n", &json!(1));
    client.saved().await;
    let first = epoch(&server).await;
    server.stop().await;
    let db = server.folder().join("thexr.db");
    let backup = std::fs::read(&db).expect("a stopped server has all of it in one file");

    server.start_again().await;
    client.online(server.addr()).await;
    client.set("lost", "n", &json!(2));
    client.saved().await;
    client.offline().await;
    server.stop().await;
    std::fs::write(&db, &backup).expect("puts it back");
    let renewed = tokio::process::Command::new(thexr_tests::process::binary())
        .args(["renew-epochs", "--data"])
        .arg(server.folder())
        .output();
    let renewed = renewed.await.expect("runs");
    assert!(renewed.status.success(), "{renewed:?}");

    server.start_again().await;
    assert_ne!(epoch(&server).await, first);
    client.ask_for_epoch(&first);
    client.try_online(server.addr()).await.expect("the upgrade");
    assert_eq!(client.closed().await.code, close::EPOCH_CHANGED.code);
    assert_eq!(entities(&server).await, json!({"old": {"n": 1}}));
}
