//! A space whose stored data is damaged: it says so at once, and costs nobody else anything.

use serde_json::{Value, json};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use thexr_tests::{Client, Server, http};

const ENTITIES: &str = "/api/v1/spaces/hall/entities";

/// Runs SQL on the database of a stopped server, as a fault would.
async fn damage(server: &Server, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(server.folder().join("thexr.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.expect("opens");
    let done = sqlx::query(sql).execute(&mut connection).await.expect("runs");
    assert!(done.rows_affected() > 0, "{sql} hit nothing");
    connection.close().await.expect("closes");
}

/// A server with a damaged `hall` and a sound `yard`.
async fn damaged() -> Server {
    let mut server = Server::start().await;
    for space in ["hall", "yard"] {
        let client = Client::connect(server.addr(), space).await;
        client.set("box", "name", &json!("a box"));
        client.saved().await;
    }
    server.stop().await;
    damage(
        &server,
        "update event set payload = zeroblob(length(payload)) where space_id = (select id from space where slug = 'hall')",
    )
    .await;
    server.start_again().await;
    server
}

fn problem(answer: &http::Response) -> (u16, String) {
    let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
    (answer.status, body["code"].as_str().expect("a code").to_owned())
}

/// Regression: whoever asked while the space was being opened was told to come back in a second, for ever.
#[tokio::test]
async fn a_damaged_space_says_so_and_its_neighbour_works() {
    let server = damaged().await;
    for path in [ENTITIES, ENTITIES, "/api/v1/spaces/hall/document"] {
        let answer = http::get(server.addr(), path).await;
        assert_eq!(problem(&answer), (500, "damaged".into()), "{path}");
    }
    let json = [("Content-Type", "application/json")];
    let path = format!("{ENTITIES}/box/components/app");
    let put = http::request(server.addr(), "PUT", &path, &json, b"1").await;
    assert_eq!(problem(&put), (500, "damaged".into()));
    let compact = "/api/v1/admin/spaces/hall/compact";
    assert_eq!(
        problem(&server.admin("POST", compact, b"").await),
        (500, "damaged".into())
    );
    let yard = http::get(server.addr(), "/api/v1/spaces/yard/entities/box").await;
    assert_eq!(yard.status, 200);

    // It was read once, not at every request.
    server
        .metric_is("thexr_quarantined_spaces", |spaces| spaces == 1.0)
        .await;
    assert_eq!(
        server.metric("thexr_db_errors_total{kind=\"damaged\"}").await,
        1.0
    );
    let gone = server.admin("DELETE", "/api/v1/spaces/hall", b"").await;
    assert_eq!(gone.status, 204);
    assert_eq!(server.metric("thexr_quarantined_spaces").await, 0.0);
}

/// SPEC K2: a client is told that it is the storage.
#[tokio::test]
async fn a_socket_of_a_damaged_space_is_closed_with_4507() {
    let server = damaged().await;
    let mut client = Client::new("hall");
    client.try_online(server.addr()).await.expect("the upgrade");
    assert_eq!(client.closed().await.code, 4507);
}
