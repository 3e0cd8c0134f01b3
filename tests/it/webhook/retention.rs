//! Webhooks of spaces that forget.

use super::*;
use thexr_tests::endpoint::Reply;

/// SPEC N4, N5. Regression: a space that is told to keep little pruned what a slow or a dead endpoint had not been told.
#[tokio::test]
async fn a_space_that_forgets_tells_its_webhooks_first() {
    let server = Server::with(|config| {
        quick(config);
        config.history.bytes = 1;
    })
    .await;
    let mut endpoint = Endpoint::start().await;
    endpoint.answers(&[Reply::Status(503, "")]);
    make_space(&server, "hall").await;
    let id = hook(&server, json!({"url": endpoint.url(), "secret": SECRET})).await;
    let client = Client::connect(server.addr(), "hall").await;
    for n in 0..4 {
        edit(&client, n).await;
        server.compact("hall", false).await;
    }
    let all = journal(&server, "hall", "").await;
    assert_eq!(all[0]["seq"], 1, "nothing is pruned");
    set(&server, &id, "paused").await;
    edit(&client, 4).await;
    server.compact("hall", false).await;
    let all = journal(&server, "hall", "").await;
    assert_eq!(all[0]["seq"], 1, "paused is no other thing");
    endpoint.answers(&[TAKEN]);
    set(&server, &id, "active").await;
    let mut told = Told::default();
    told.up_to(&mut endpoint, "hall", head(&server, "hall").await)
        .await;
    assert_eq!(told.items["hall"], all);
    server
        .metric_is("thexr_webhook_lag_events", |lag| lag == 0.0)
        .await;
    // Told, it goes.
    edit(&client, 5).await;
    server.compact("hall", false).await;
    assert!(journal(&server, "hall", "").await[0]["seq"].as_i64() > Some(1));
    assert_eq!(show(&server, &id).await["error"], Value::Null);
}
