//! Webhooks of a space with an event that cannot be read.

use super::*;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

/// SPEC N6. Regression: nothing of such a space was told any more, and nobody was told that.
#[tokio::test]
async fn a_damaged_event_becomes_a_dead_letter_and_all_others_are_told() {
    let mut server = Server::with(|config| impatient(config, 3)).await;
    let mut endpoint = Endpoint::start().await;
    let client = Client::connect(server.addr(), "hall").await;
    for n in 0..6 {
        edit(&client, n).await;
    }
    let whole = journal(&server, "hall", "").await;
    server.stop().await;
    let options = SqliteConnectOptions::new().filename(server.folder().join("thexr.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.expect("opens");
    let damaged = sqlx::query("update event set payload = zeroblob(length(payload)) where seq = 4")
        .execute(&mut connection)
        .await
        .expect("runs");
    assert_eq!(damaged.rows_affected(), 1);
    connection.close().await.expect("closes");
    server.start_again().await;
    let id = hook(
        &server,
        json!({"url": endpoint.url(), "space": "hall", "secret": SECRET, "after": 0}),
    )
    .await;

    let range = |body: &Value| (body["first_seq"].as_i64(), body["last_seq"].as_i64());
    let before = endpoint.taken().await.json();
    assert_eq!(range(&before), (Some(1), Some(3)));
    let behind = endpoint.taken().await.json();
    assert_eq!(range(&behind).0, Some(5));
    let told = [before, behind].map(|body| body["items"].as_array().expect("items").clone());
    assert_eq!(told[0], whole[..3]);
    assert_eq!(told[1][..2], whole[4..6]);

    let letters = dead(&server, &id).await;
    assert_eq!(range(&letters[0]), (Some(4), Some(4)));
    assert_eq!(letters[0]["attempts"], 3);
    assert!(
        letters[0]["error"]
            .as_str()
            .is_some_and(|error| error.contains("damaged")),
        "{letters:?}"
    );
    let unreadable = "thexr_webhook_deliveries_total{result=\"unreadable\"}";
    assert_eq!(server.metric(unreadable).await, 3.0);
    // Tried again, it is as it was; it does not stand in the way of others.
    let retry = format!("{HOOKS}/{id}/dead-letters/retry");
    assert_eq!(server.admin("POST", &retry, b"").await.status, 202);
    eventually("it was tried", async || {
        let letters = dead(&server, &id).await;
        (letters[0]["attempts"] == 4 && letters[0]["due"] == false).then_some(())
    })
    .await;
}
