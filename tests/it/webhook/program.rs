//! `thexr webhook test`, and what `thexr fsck` says of webhooks, as a person types it.

use super::*;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::process::Output;
use thexr_tests::endpoint::Reply;
use thexr_tests::within;
use tokio::process::Command;

async fn thexr(args: &[&str]) -> Output {
    let mut command = Command::new(thexr_tests::process::binary());
    let ended = command.args(args).output();
    within("the program ends", ended).await.expect("it runs")
}

/// SPEC N10.
#[tokio::test]
async fn the_program_tries_an_endpoint_and_says_what_came_back_in_one_line() {
    let mut endpoint = Endpoint::start().await;
    let url = endpoint.url();
    let taken = thexr(&["webhook", "test", &url, "--secret", SECRET]).await;
    let said = String::from_utf8_lossy(&taken.stdout).into_owned();
    assert_eq!(taken.status.code(), Some(0), "{taken:?}");
    assert!(
        said.starts_with("taken: 204 after ") && said.ends_with(" ms\n"),
        "{said}"
    );
    let received = endpoint.next().await;
    assert!(is_signed(&received, SECRET));
    let body = received.json();
    assert_eq!((&body["webhook"], &body["ping"]), (&Value::Null, &json!(true)));

    let made_up = thexr(&["webhook", "test", &url]).await;
    let said = String::from_utf8_lossy(&made_up.stdout).into_owned();
    let secret = said.trim_end().rsplit(' ').next().expect("words");
    assert!(is_signed(&endpoint.next().await, secret), "{said}");

    endpoint.answers(&[Reply::Status(500, "")]);
    let refused = thexr(&["webhook", "test", &url]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(
        (refused.status.code(), said.lines().count()),
        (Some(69), 1),
        "{said}"
    );
    assert!(
        said.contains("500 after ") && said.contains("only 2xx takes it. The secret"),
        "{said}"
    );
    // An endpoint that checks signatures cannot take it: the secret is shown all the same.
    let secret = said.trim_end().rsplit(' ').next().expect("words");
    assert!(is_signed(&endpoint.next().await, secret), "{said}");

    endpoint.answers(&[TAKEN]);
    let mut command = Command::new(thexr_tests::process::binary());
    let command = command
        .args(["webhook", "test", &url])
        .env("THEXR_WEBHOOK_SECRET", SECRET);
    let by_variable = within("the program ends", command.output())
        .await
        .expect("it runs");
    assert_eq!(by_variable.status.code(), Some(0), "{by_variable:?}");
    assert!(is_signed(&endpoint.next().await, SECRET));
    for secret in ["x".repeat(15), "x".repeat(257)] {
        let bad = thexr(&["webhook", "test", &url, "--secret", &secret]).await;
        assert_eq!(bad.status.code(), Some(64), "{bad:?}");
    }

    endpoint.down().await;
    let down = thexr(&["webhook", "test", &url]).await;
    assert_eq!(down.status.code(), Some(69), "{down:?}");
    let said = String::from_utf8_lossy(&down.stderr).into_owned();
    assert!(
        said.contains("no answer: ") && said.contains(". The secret was made up: ") && !said.contains("2xx"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    let wrong = thexr(&["webhook", "test", "localhost:9000"]).await;
    assert_eq!(wrong.status.code(), Some(64), "{wrong:?}");
}

/// What `thexr fsck` says of webhooks.
#[tokio::test]
async fn fsck_names_a_webhook_at_an_event_that_has_not_happened() {
    let mut server = Server::with(quick).await;
    let mut endpoint = Endpoint::start().await;
    let id = hook(&server, json!({"url": endpoint.url(), "secret": SECRET})).await;
    edit(&Client::connect(server.addr(), "hall").await, 1).await;
    endpoint.taken().await;
    noted(&server, 1.0).await;
    server.stop().await;
    let folder = server.folder();
    let place = folder.to_str().expect("text");
    let check = async || thexr(&["fsck", "--quick", "--data", place]).await;
    let whole = check().await;
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    let options = SqliteConnectOptions::new().filename(folder.join("thexr.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.expect("opens");
    let letter = "insert into webhook_dead (webhook_id, space_id, first_seq, last_seq, attempts, error, at)
                  select webhook_id, space_id";
    for (sql, said) in [
        (
            "update webhook_cursor set seq = 3, looked_seq = 3",
            "is at 3, has looked at 3 of 1 events",
        ),
        (
            "update webhook_cursor set seq = 1, looked_seq = 0",
            "is at 1, has looked at 0 of",
        ),
        (
            "update webhook_cursor set looked_seq = 1, until_seq = 1",
            "tries up to 1 of 1 events",
        ),
        (
            "update webhook_cursor set seq = 0, until_seq = 2",
            "tries up to 2 of 1 events",
        ),
        ("update webhook_cursor set until_seq = null", ""),
        (
            &format!("{letter}, 1, 0, 1, 'no', 0 from webhook_cursor"),
            "is of events 1 to 0, and",
        ),
        (
            "update webhook_dead set last_seq = 7",
            "is of events 1 to 7, and there are those from 1 to 1",
        ),
        ("update webhook_dead set last_seq = 1", ""),
        ("update webhook set kinds = 0", "is told of nothing"),
        ("delete from webhook", "which does not exist"),
    ] {
        // As a fault would: without the database's own rules.
        let sql = format!("pragma foreign_keys = off; {sql}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .expect("runs");
        let checked = check().await;
        let text = String::from_utf8_lossy(&checked.stdout).into_owned();
        let expected = if said.is_empty() { 0 } else { 65 };
        assert_eq!(checked.status.code(), Some(expected), "{said}: {text}");
        assert!(
            text.contains(said) && (said.is_empty() || text.contains(&id) || text.contains("hall seq 1")),
            "{said}: {text}"
        );
    }
    connection.close().await.expect("closes");
}
