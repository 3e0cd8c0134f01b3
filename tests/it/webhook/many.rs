//! More spaces than a webhook has in memory.

use super::*;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use thexr_tests::Member;
use thexr_tests::endpoint::Reply;
use thexr_tests::rows::Rows;

/// SPEC N4. Regression: spaces in which there was nothing to tell were asked for again and again, and those behind them
/// never.
#[tokio::test]
async fn a_space_is_not_forgotten_behind_many_in_which_there_is_nothing_to_tell() {
    let mut server = Server::with(|config| {
        quick(config);
        // Nobody leaves meanwhile: that would be another commit to hear of.
        config.grace = Duration::from_secs(3_600);
    })
    .await;
    let mut endpoint = Endpoint::start().await;
    endpoint.answers(&[Reply::Status(503, "")]);
    hook(
        &server,
        json!({"url": endpoint.url(), "secret": SECRET, "kinds": ["joined"]}),
    )
    .await;
    let _ada = Member::join(server.addr(), "hall", "Ada").await;
    endpoint.next().await;
    server.stop().await;
    let many = i64::try_from(thexr::limits::WEBHOOK_LINES_MAX).expect("small") + 1;
    let options = SqliteConnectOptions::new().filename(server.folder().join("thexr.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.expect("opens");
    // An edit in each; nobody reads it, so it need not be whole.
    for sql in [
        "insert into space (slug, name, epoch, created_at)
         with recursive n(n) as (select 1 union all select n + 1 from n where n < ?) select 's' || n, 's', 'e', 0 from n",
        "insert into head (space_id, seq) select id, 1 from space where slug <> 'hall' and ? > 0",
        "insert into event (space_id, seq, at, kind, payload, crc)
         select id, 1, 0, 1, x'00', 0 from space where slug <> 'hall' and ? > 0",
        // Those that were tried come after those that were not.
        "update webhook_cursor set next_at = 1 where ? > 0",
    ] {
        let done = sqlx::query(sql).bind(many).execute(&mut connection).await.expect("runs");
        assert!(done.rows_affected() > 0, "{sql}");
    }
    connection.close().await.expect("closes");
    endpoint.answers(&[TAKEN]);
    server.start_again().await;
    // Each is a commit; a slow disk may take a while for all of them.
    let rows = Rows::open(&server.folder()).await;
    for noted in (1_000..many).step_by(1_000) {
        let count = "select count(*) from webhook_cursor where looked_seq > 0";
        eventually("more are noted", async || {
            (rows.number(count).await >= noted).then_some(())
        })
        .await;
    }
    assert_eq!(endpoint.taken().await.json()["space"], "hall");
}

/// SPEC N4, N5. Regression: an endpoint that hangs held as many of the server's turns as it could, all of the time.
#[tokio::test]
async fn an_endpoint_that_hangs_is_tried_with_one_space_at_a_time() {
    let server = Server::with(|config| {
        quick(config);
        config.webhook.answer = Duration::from_secs(1);
    })
    .await;
    let mut endpoint = Endpoint::start().await;
    endpoint.answers(&[Reply::Hang]);
    hook(&server, json!({"url": endpoint.url(), "secret": SECRET})).await;
    let spaces: Vec<String> = (0..10).map(|n| format!("space-{n}")).collect();
    for space in &spaces {
        edit(&Client::connect(server.addr(), space).await, 1).await;
    }
    let all = thexr::limits::WEBHOOK_DELIVERIES_PER_HOOK;
    let unanswered = "thexr_webhook_deliveries_total{result=\"unanswered\"}";
    for before in 0..all + 4 {
        endpoint.next().await;
        // Who comes after the first time-out comes after all that came before it.
        let ended = server.metric(unanswered).await;
        assert!(
            before < all || ended >= before as f64,
            "{ended} of {before} have ended"
        );
    }
    endpoint.answers(&[TAKEN]);
    let mut told = Told::default();
    for space in &spaces {
        told.up_to(&mut endpoint, space, head(&server, space).await).await;
    }
}

/// SPEC N5. Regression: who may delete a space had every endpoint tried that does not answer, as often as they liked, and
/// each attempt made its next pause longer.
#[tokio::test]
async fn only_who_resumes_a_webhook_or_retries_its_dead_letters_ends_the_pause_of_its_endpoint() {
    let server = Server::with(|config| {
        quick(config);
        config.webhook.answer = Duration::from_millis(200);
        config.webhook.backoff_first = Duration::from_secs(3_600);
        config.webhook.backoff_max = Duration::from_secs(3_600);
    })
    .await;
    let mut silent = Endpoint::start().await;
    silent.answers(&[Reply::Hang]);
    let id = hook(&server, json!({"url": silent.url(), "secret": SECRET})).await;
    let unanswered = "thexr_webhook_deliveries_total{result=\"unanswered\"}";
    edit(&Client::connect(server.addr(), "first").await, 1).await;
    silent.next().await;
    server.metric_is(unanswered, |n| n == 1.0).await;
    // No wait of their own keeps these from being tried.
    for space in ["second", "third", "fourth"] {
        edit(&Client::connect(server.addr(), space).await, 1).await;
    }
    for round in 0..5 {
        let space = format!("short-lived-{round}");
        edit(&Client::connect(server.addr(), &space).await, 1).await;
        let path = format!("/api/v1/spaces/{space}");
        assert_eq!(server.admin("DELETE", &path, b"").await.status, 204);
        // Whatever the deletion and a new webhook wake was woken before this one is told.
        let mut witness = Endpoint::start().await;
        let wish = json!({"url": witness.url(), "space": "second", "secret": SECRET, "after": 0});
        let other = hook(&server, wish).await;
        witness.taken().await;
        let gone = server.admin("DELETE", &format!("{HOOKS}/{other}"), b"").await;
        assert_eq!(gone.status, 204);
        assert!(silent.waiting().is_none(), "tried in round {round}");
    }
    set(&server, &id, "active").await;
    silent.next().await;
    server.metric_is(unanswered, |n| n == 2.0).await;
    let retry = format!("{HOOKS}/{id}/dead-letters/retry");
    assert_eq!(server.admin("POST", &retry, b"").await.status, 202);
    silent.next().await;
}
