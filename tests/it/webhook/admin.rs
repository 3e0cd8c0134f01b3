//! What administrators ask.

use super::*;
use thexr_tests::endpoint::Reply;
use thexr_tests::rows::Rows;

/// SPEC N8.
#[tokio::test]
async fn a_secret_is_shown_once() {
    let server = Server::with(quick).await;
    make_space(&server, "hall").await;
    let wish = json!({"url": "http://127.0.0.1:9/x", "space": "hall", "kinds": ["edit", "joined"]});
    let made = server.admin("POST", HOOKS, wish.to_string().as_bytes()).await;
    let body = made.json();
    let id = body["id"].as_str().expect("an id");
    assert_eq!(made.header("location"), Some(&*format!("{HOOKS}/{id}")));
    assert!(
        body["secret"].as_str().is_some_and(|secret| secret.len() >= 32),
        "made up"
    );
    let list = server.admin("GET", HOOKS, b"").await.json();
    for shown in [&show(&server, id).await, &list["items"][0]] {
        assert!(shown.get("secret").is_none(), "{shown}");
        assert_eq!(
            (&shown["id"], &shown["space"], &shown["state"], &shown["kinds"]),
            (
                &json!(id),
                &json!("hall"),
                &json!("active"),
                &json!(["edit", "joined"])
            )
        );
    }
    let gone = server.admin("DELETE", &format!("{HOOKS}/{id}"), b"").await;
    assert_eq!(gone.status, 204);
    for (method, path) in [
        ("GET", format!("{HOOKS}/{id}")),
        ("DELETE", format!("{HOOKS}/{id}")),
        ("POST", format!("{HOOKS}/{id}/test")),
        ("GET", format!("{HOOKS}/{id}/dead-letters")),
        ("POST", format!("{HOOKS}/{id}/dead-letters/retry")),
    ] {
        assert_eq!(
            server.admin(method, &path, b"").await.status,
            404,
            "{method} {path}"
        );
    }
}

/// SPEC N1, N8.
#[tokio::test]
async fn a_webhook_that_makes_no_sense_is_refused() {
    let server = Server::start().await;
    let url = "http://127.0.0.1:9/x";
    for (wish, code) in [
        (json!({"url": "ftp://example.com"}), "bad_url"),
        (json!({"url": "http://ada:pw@example.com"}), "bad_url"),
        (json!({"url": url, "secret": "too short"}), "bad_json"),
        (json!({"url": url, "secret": "x".repeat(257)}), "bad_json"),
        (json!({"url": url, "kinds": []}), "bad_json"),
        (json!({"url": url, "kinds": ["gossip"]}), "bad_json"),
        (json!({"url": url, "after": -1}), "bad_json"),
        (json!({"url": url, "space": "no space"}), "bad_space_id"),
        (json!({"url": url, "space": "nowhere"}), "no_space"),
        (json!({"url": url, "colour": "red"}), "bad_json"),
    ] {
        let answer = server.admin("POST", HOOKS, wish.to_string().as_bytes()).await;
        assert_eq!(answer.json()["code"], code, "{wish}: {}", answer.text());
    }
    let gossip = json!({"url": url, "kinds": ["gossip"]}).to_string();
    let answer = server.admin("POST", HOOKS, gossip.as_bytes()).await.json();
    let detail = answer["detail"].as_str().expect("a text");
    assert!(detail.starts_with("Kinds is some of edit,"), "{detail}");
    let json = [("Content-Type", "application/json")];
    let body = json!({"url": url}).to_string();
    let stranger = http::request(server.addr(), "POST", HOOKS, &json, body.as_bytes()).await;
    assert_eq!(stranger.status, 401);
    for _ in 0..thexr::limits::WEBHOOKS_MAX {
        hook(&server, json!({"url": url, "secret": SECRET})).await;
    }
    let one_more = server.admin("POST", HOOKS, body.as_bytes()).await;
    assert_eq!(one_more.json()["code"], "too_many_webhooks");
}

/// SPEC N10.
#[tokio::test]
async fn a_ping_says_what_came_back() {
    let server = Server::with(|config| config.webhook.answer = Duration::from_millis(300)).await;
    let mut endpoint = Endpoint::start().await;
    let id = hook(&server, json!({"url": endpoint.url(), "secret": SECRET})).await;
    let test = format!("{HOOKS}/{id}/test");
    endpoint.answers(&[TAKEN, Reply::Status(503, ""), Reply::Hang]);
    let pinged = server.admin("POST", &test, b"").await.json();
    assert_eq!((&pinged["taken"], &pinged["status"]), (&json!(true), &json!(204)));
    let received = endpoint.next().await;
    assert!(is_signed(&received, SECRET));
    assert_eq!(
        received.json(),
        json!({"webhook": id, "delivery": pinged["delivery"], "ping": true})
    );
    let refused = server.admin("POST", &test, b"").await.json();
    assert_eq!(
        (&refused["taken"], &refused["status"]),
        (&json!(false), &json!(503))
    );
    let hung = server.admin("POST", &test, b"").await.json();
    assert_eq!((&hung["taken"], &hung["status"]), (&json!(false), &Value::Null));
    assert!(
        hung["error"].as_str().is_some_and(|e| e.contains("300 ms")),
        "{hung}"
    );
    assert!(hung["took_ms"].as_u64() >= Some(300));
    endpoint.down().await;
    let down = server.admin("POST", &test, b"").await.json();
    assert!(
        down["error"].as_str().is_some_and(|e| e.contains("refused")),
        "{down}"
    );
}

/// SPEC N7.
#[tokio::test]
async fn a_paused_webhook_goes_on_where_it_was() {
    let server = Server::with(quick).await;
    let mut endpoint = Endpoint::start().await;
    let id = hook(&server, json!({"url": endpoint.url(), "secret": SECRET})).await;
    let client = Client::connect(server.addr(), "hall").await;
    edit(&client, 1).await;
    let mut told = Told::default();
    told.up_to(&mut endpoint, "hall", head(&server, "hall").await)
        .await;
    set(&server, &id, "paused").await;
    for n in 2..10 {
        edit(&client, n).await;
    }
    set(&server, &id, "active").await;
    told.up_to(&mut endpoint, "hall", head(&server, "hall").await)
        .await;
    assert_eq!(told.items["hall"], journal(&server, "hall", "").await);
}

/// SPEC N9.
#[tokio::test]
async fn a_deleted_space_takes_its_webhooks_along() {
    let mut server = Server::with(|config| impatient(config, 1)).await;
    let mut endpoint = Endpoint::start().await;
    make_space(&server, "hall").await;
    let wish = |space: Value| json!({"url": endpoint.url(), "space": space, "secret": SECRET});
    let its = hook(&server, wish(json!("hall"))).await;
    let every = hook(&server, wish(Value::Null)).await;
    endpoint.answers(&[Reply::Status(500, "")]);
    edit(&Client::connect(server.addr(), "hall").await, 1).await;
    let letters = "thexr_webhook_dead_letters";
    server.metric_is(letters, |letters| letters >= 2.0).await;
    let deleted = server.admin("DELETE", "/api/v1/spaces/hall", b"").await;
    assert_eq!(deleted.status, 204);
    server.metric_is(letters, |letters| letters == 0.0).await;
    let path = format!("{HOOKS}/{its}");
    assert_eq!(server.admin("GET", &path, b"").await.status, 404);
    assert!(dead(&server, &every).await.is_empty());
    // The other goes on, in other spaces, and its rows are whole.
    server.restart().await;
    endpoint.answers(&[TAKEN]);
    edit(&Client::connect(server.addr(), "yard").await, 1).await;
    let next = endpoint.taken().await.json();
    assert_eq!(
        (&next["space"], &next["webhook"]),
        (&json!("yard"), &json!(every))
    );
}

/// SPEC N9. Regression: an attempt that failed after its space was deleted wrote down where it was in it.
#[tokio::test]
async fn a_delivery_that_outlives_its_space_leaves_nothing_behind() {
    for attempts_min in [1, 20] {
        let mut server = Server::with(|config| {
            quick(config);
            config.webhook.answer = Duration::from_secs(2);
            config.webhook.attempts_min = attempts_min;
            config.webhook.give_up = Duration::ZERO;
        })
        .await;
        let mut endpoint = Endpoint::start().await;
        endpoint.answers(&[Reply::Hang]);
        hook(&server, json!({"url": endpoint.url(), "secret": SECRET})).await;
        edit(&Client::connect(server.addr(), "hall").await, 1).await;
        endpoint.next().await;
        let deleted = server.admin("DELETE", "/api/v1/spaces/hall", b"").await;
        assert_eq!(deleted.status, 204);
        let unanswered = "thexr_webhook_deliveries_total{result=\"unanswered\"}";
        server.metric_is(unanswered, |n| n > 0.0).await;
        server.stop().await;
        let rows = Rows::open(&server.folder()).await;
        for table in [
            "select count(*) from webhook_cursor",
            "select count(*) from webhook_dead",
        ] {
            assert_eq!(rows.number(table).await, 0, "{table}");
        }
    }
}
