//! The upgrade: corpus rows 30 to 37. Nothing is made or joined before it is agreed to.

use thexr_schema::close;
use thexr_tests::raw::{GOOD, Handshake};
use thexr_tests::{Client, RawSocket, Server, http};

/// Header lines of a good handshake, one of them changed, taken away (`None`) or added.
async fn with(server: &Server, name: &str, value: Option<&str>) -> Handshake {
    let mut headers: Vec<(&str, &str)> = GOOD.iter().copied().filter(|(n, _)| *n != name).collect();
    headers.extend(value.map(|value| (name, value)));
    RawSocket::handshake(server.addr(), "hall", &headers).await
}

/// Corpus row 30.
#[tokio::test]
async fn without_a_key_it_is_400() {
    let server = Server::start().await;
    assert_eq!(with(&server, "Sec-WebSocket-Key", None).await.status, 400);
    assert_eq!(
        with(&server, "Sec-WebSocket-Key", Some("short")).await.status,
        400
    );
    assert_eq!(with(&server, "Upgrade", None).await.status, 400);
    assert_eq!(with(&server, "Connection", Some("close")).await.status, 400);
    server.assert_alive().await;
}

/// Corpus row 31.
#[tokio::test]
async fn another_version_is_426_and_says_which() {
    let server = Server::start().await;
    let answer = with(&server, "Sec-WebSocket-Version", Some("12")).await;
    assert_eq!(
        (answer.status, answer.header("sec-websocket-version")),
        (426, Some("13"))
    );
}

/// Corpus rows 32 and 33.
#[tokio::test]
async fn pages_of_other_sites_are_403() {
    let server = Server::start().await;
    let ours = format!("http://{}", server.addr());
    assert_eq!(with(&server, "Origin", Some(&ours)).await.status, 101);
    let looks_like_it = format!("{ours}.evil.com");
    for origin in [
        "null",
        "https://good.example.evil.com",
        "https://evil.com",
        looks_like_it.as_str(),
    ] {
        assert_eq!(
            with(&server, "Origin", Some(origin)).await.status,
            403,
            "{origin}"
        );
    }
}

/// Settings: a page that is listed may.
#[tokio::test]
async fn a_listed_origin_may_connect() {
    let server = Server::with(|config| config.origins = vec!["https://good.example".into()]).await;
    assert_eq!(
        with(&server, "Origin", Some("https://good.example")).await.status,
        101
    );
    for origin in [
        "https://good.example.evil.com",
        "http://good.example",
        "https://good.example:8443",
    ] {
        assert_eq!(
            with(&server, "Origin", Some(origin)).await.status,
            403,
            "{origin}"
        );
    }
}

/// Corpus row 34; the wall, W34.
#[tokio::test]
async fn compression_is_never_agreed_to() {
    let server = Server::start().await;
    let answer = with(
        &server,
        "Sec-WebSocket-Extensions",
        Some("permessage-deflate; client_max_window_bits"),
    )
    .await;
    assert_eq!(
        (answer.status, answer.header("sec-websocket-extensions")),
        (101, None)
    );
}

/// Corpus row 35: a token must not come back in a header.
#[tokio::test]
async fn only_our_subprotocol_is_echoed() {
    let server = Server::start().await;
    let token = with(&server, "Sec-WebSocket-Protocol", Some("thexr.auth.c2VjcmV0")).await;
    assert_eq!(token.header("sec-websocket-protocol"), None);
    let both = with(
        &server,
        "Sec-WebSocket-Protocol",
        Some("thexr.auth.c2VjcmV0, thexr.v1"),
    )
    .await;
    assert_eq!(
        (both.status, both.header("sec-websocket-protocol")),
        (101, Some("thexr.v1"))
    );
}

/// Corpus row 36: a name that somebody points at this machine.
#[tokio::test]
async fn a_strange_host_on_loopback_is_403() {
    let server = Server::start().await;
    assert_eq!(with(&server, "Host", Some("attacker.test")).await.status, 403);
    assert_eq!(with(&server, "Host", Some("localhost:4000")).await.status, 101);
}

/// Corpus row 37.
#[tokio::test]
async fn http_1_0_is_400() {
    let server = Server::start().await;
    let lines = GOOD.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    let head = format!(
        "GET /sync/hall HTTP/1.0\r\nHost: {}\r\n{lines}\r\n",
        server.addr()
    );
    assert_eq!(http::raw(server.addr(), head.as_bytes()).await.status, 400);
}

/// SPEC D1; corpus rows 1 to 7: a name that is none makes no space.
#[tokio::test]
async fn a_bad_space_id_is_refused_and_makes_nothing() {
    let server = Server::start().await;
    let long = "a".repeat(65);
    for id in [
        "..%2f..%2fetc",
        "a%00b",
        "LOBBY",
        "%EF%BD%8Cobby",
        "%E2%80%AElobby",
        "-a",
        long.as_str(),
    ] {
        let answer = RawSocket::handshake(server.addr(), id, &GOOD).await;
        assert_eq!(answer.status, 400, "{id}");
    }
    assert_eq!(RawSocket::handshake(server.addr(), "", &GOOD).await.status, 404);
    let spaces = server.on_spaces(|spaces| async move { spaces.store().list(None, 10, None).await });
    assert!(spaces.await.expect("a list").is_empty());
}

/// A refused handshake makes no space either.
#[tokio::test]
async fn a_refused_handshake_makes_no_space() {
    let server = Server::start().await;
    assert_eq!(
        with(&server, "Origin", Some("https://evil.com")).await.status,
        403
    );
    assert_eq!(with(&server, "Sec-WebSocket-Key", None).await.status, 400);
    let spaces = server.on_spaces(|spaces| async move { spaces.store().list(None, 10, None).await });
    assert!(spaces.await.expect("a list").is_empty());
}

/// What came with the request is read: a client need not wait for the answer.
#[tokio::test]
async fn frames_may_follow_the_request_at_once() {
    let server = Server::start().await;
    let lines = GOOD.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    let head = format!(
        "GET /sync/hall HTTP/1.1\r\nHost: {}\r\n{lines}\r\n",
        server.addr()
    );
    let offline = Client::new("hall");
    let update = offline.set("box", "name", &serde_json::json!("early"));
    let early = thexr_tests::raw::frame(
        0x82,
        &[
            thexr_schema::frame::update(&update),
            thexr_schema::frame::ack(b"1"),
        ]
        .concat(),
    );
    let bytes = [head.as_bytes(), &early].concat();
    let mut answer = RawSocket::handshake_bytes(server.addr(), &bytes, None).await;
    assert_eq!(answer.status, 101);
    answer.socket.message_with(&thexr_schema::frame::ack(b"1")).await;
}

/// SPEC K2, K3: every code in the table is one that the client's library takes.
#[test]
fn close_codes_are_legal() {
    for close in close::ALL {
        assert!(
            matches!(close.code, 1002 | 1003 | 1009 | 1012 | 1013 | 4400..=4599),
            "{close}"
        );
    }
}
