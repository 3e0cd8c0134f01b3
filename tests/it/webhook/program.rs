//! `thexr webhook test`, as a person types it.

use super::*;
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
    assert!(said.contains("500"), "{said}");

    endpoint.down().await;
    let down = thexr(&["webhook", "test", &url]).await;
    assert_eq!(down.status.code(), Some(69), "{down:?}");
    let wrong = thexr(&["webhook", "test", "localhost:9000"]).await;
    assert_eq!(wrong.status.code(), Some(64), "{wrong:?}");
}
