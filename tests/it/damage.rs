//! A space whose stored data is damaged: it says so at once, and costs nobody else anything.

use serde_json::{Value, json};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use thexr_tests::replay::Replay;
use thexr_tests::{Client, Member, Server, eventually, http};

const ENTITIES: &str = "/api/v1/spaces/hall/entities";

/// Runs SQL on the database, as a fault would.
async fn sql(server: &Server, sql: &'static str) -> u64 {
    let options = SqliteConnectOptions::new().filename(server.folder().join("thexr.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.expect("opens");
    let done = sqlx::query(sql).execute(&mut connection).await.expect("runs");
    connection.close().await.expect("closes");
    done.rows_affected()
}

async fn damage(server: &Server, text: &'static str) {
    assert!(sql(server, text).await > 0, "{text} hit nothing");
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

/// Regression: members of a space whose commit failed stayed for ever when nobody came back.
#[tokio::test]
async fn members_of_a_space_that_fell_over_leave_although_nobody_comes_back() {
    let server = Server::with(|config| config.grace = std::time::Duration::from_secs(1)).await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    let trigger = "create trigger fault before insert on event when new.kind = 1 begin select raise(abort, 'fault'); end";
    sql(&server, trigger).await;
    let json = [("Content-Type", "application/json")];
    let path = format!("{ENTITIES}/box/components/app");
    let put = http::request(server.addr(), "PUT", &path, &json, b"1").await;
    assert_eq!(put.status / 100, 5);
    assert_eq!(ana.socket().close().await.0, 4507);
    sql(&server, "drop trigger fault").await;
    let left = async || {
        let options = SqliteConnectOptions::new().filename(server.folder().join("thexr.db"));
        let mut connection = SqliteConnection::connect_with(&options).await.expect("opens");
        let query = "select payload from event where kind = 5";
        let found: Option<(Vec<u8>,)> = sqlx::query_as(query)
            .fetch_optional(&mut connection)
            .await
            .expect("reads");
        found.map(|(payload,)| String::from_utf8(payload).expect("text"))
    };
    let left = eventually("the leave", left).await;
    assert!(left.contains("\"grace\""), "{left}");
}

/// SPEC J10. Regression: a timeline of long ago read everything that came after it.
#[tokio::test]
async fn a_timeline_does_not_read_what_came_after_it() {
    let mut server = Server::start().await;
    let activity = async |server: &Server, query: &str| {
        http::get(server.addr(), &format!("/api/v1/spaces/hall/activity{query}")).await
    };
    let _ana = Member::join(server.addr(), "hall", "ana").await;
    let client = Client::connect(server.addr(), "hall").await;
    client.set("box", "n", &json!(0));
    client.saved().await;
    server.compact("hall", false).await;
    let to = activity(&server, "").await.json()["from"].clone();
    let _ben = Member::join(server.addr(), "hall", "ben").await;
    client.set("box", "n", &json!(1));
    client.saved().await;
    server.compact("hall", false).await;
    server.stop().await;
    damage(
        &server,
        "update segment set crc = crc + 1 where first_seq > (select min(first_seq) from segment)",
    )
    .await;
    server.start_again().await;
    assert_eq!(problem(&activity(&server, "").await), (500, "damaged".into()));
    let to = to.as_str().expect("a time");
    let early = activity(&server, &format!("?to={to}")).await;
    assert_eq!(
        (early.status, &early.json()["members"][0]["name"]),
        (200, &json!("ana"))
    );
}

/// SPEC R3. Regression: a step back read the journal from its beginning.
#[tokio::test]
async fn a_step_back_does_not_read_what_was_long_before_it() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), "hall").await;
    let mut here = Vec::new();
    for round in 0..4 {
        here.push(Member::join(server.addr(), "hall", &format!("ana{round}")).await);
        client.set("box", "n", &json!(round));
        client.saved().await;
        server.compact("hall", false).await;
    }
    let mut replay = Replay::start(server.addr(), "hall", "?at=9999999999999&paused=1").await;
    let (end, all) = (replay.at().seq, replay.names());
    assert_eq!(all.len(), 4);
    damage(
        &server,
        "update segment set crc = crc + 1 where first_seq = (select min(first_seq) from segment)",
    )
    .await;
    replay.step(-1).await;
    assert!(replay.at().seq < end);
    assert_eq!(replay.names(), all);
}
