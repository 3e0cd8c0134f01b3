//! An endpoint that does not take what it is sent: nothing is lost, nothing overtakes.

use super::*;
use thexr_tests::Process;
use thexr_tests::endpoint::Reply;

/// SPEC N4, N5: it refuses, hangs, sends elsewhere, is down, and the server goes down too.
#[tokio::test]
async fn an_endpoint_that_comes_back_has_missed_nothing() {
    let mut server = Server::with(|config| {
        quick(config);
        config.webhook.answer = Duration::from_millis(200);
    })
    .await;
    let mut endpoint = Endpoint::start().await;
    let mut elsewhere = Endpoint::start().await;
    let redirect: &'static str = format!("Location: {}\r\n", elsewhere.url()).leak();
    hook(&server, json!({"url": endpoint.url(), "secret": SECRET})).await;
    let mut n = 0;
    let mut told = Told::default();
    let mut client = Client::connect(server.addr(), "hall").await;
    for trouble in [
        Reply::Status(500, ""),
        Reply::Status(404, ""),
        Reply::Status(302, redirect),
        Reply::Status(308, redirect),
        Reply::Hang,
    ] {
        endpoint.answers(std::slice::from_ref(&trouble));
        for _ in 0..10 {
            n += 1;
            edit(&client, n).await;
        }
        while endpoint.next().await.reply != trouble {}
        while endpoint.next().await.reply != trouble {}
        endpoint.answers(&[TAKEN]);
        told.up_to(&mut endpoint, "hall", head(&server, "hall").await)
            .await;
    }
    endpoint.down().await;
    for _ in 0..300 {
        n += 1;
        edit(&client, n).await;
    }
    let unanswered = "thexr_webhook_deliveries_total{result=\"unanswered\"}";
    let before = server.metric(unanswered).await;
    server.metric_is(unanswered, |now| now > before).await;
    server
        .metric_is("thexr_webhook_lag_events", |lag| lag >= 300.0)
        .await;
    server.restart().await;
    client.online(server.addr()).await;
    n += 1;
    edit(&client, n).await;
    server.metric_is(unanswered, |now| now > 0.0).await;
    endpoint.up().await;
    told.up_to(&mut endpoint, "hall", head(&server, "hall").await)
        .await;
    assert_eq!(told.items["hall"], journal(&server, "hall", "").await);
    server
        .metric_is("thexr_webhook_lag_events", |lag| lag == 0.0)
        .await;
    assert!(elsewhere.waiting().is_none(), "redirects are not followed");
}

/// SPEC N4.
#[tokio::test]
async fn a_retry_is_the_same_delivery() {
    let mut server = Server::with(quick).await;
    let mut endpoint = Endpoint::start().await;
    endpoint.answers(&[Reply::Status(503, "")]);
    hook(&server, json!({"url": endpoint.url(), "secret": SECRET})).await;
    let client = Client::connect(server.addr(), "hall").await;
    edit(&client, 1).await;
    let first = endpoint.next().await;
    let again = endpoint.next().await;
    // What comes later does not change it, and neither does a restart.
    edit(&client, 2).await;
    server.restart().await;
    let mut tries = vec![first, again];
    while tries.len() < 5 {
        tries.push(endpoint.next().await);
    }
    let attempts: Vec<u32> = tries
        .iter()
        .map(|t| t.header("thexr-attempt").parse().expect("a number"))
        .collect();
    // An attempt that a restart cuts off is not counted, so a number may come twice.
    assert!(attempts[0] == 1 && attempts[1] == 2, "{attempts:?}");
    assert!(
        attempts.windows(2).all(|pair| pair[1] - pair[0] <= 1),
        "{attempts:?}"
    );
    for other in &tries[1..] {
        assert_eq!(other.body, tries[0].body);
        assert_eq!(other.header("thexr-delivery"), tries[0].header("thexr-delivery"));
    }
    endpoint.answers(&[TAKEN]);
    let mut told = Told::default();
    told.up_to(&mut endpoint, "hall", head(&server, "hall").await)
        .await;
    assert_eq!(told.items["hall"], journal(&server, "hall", "").await);
}

/// SPEC N5.
#[tokio::test]
async fn an_endpoint_says_when_to_come_back() {
    let server = Server::with(quick).await;
    let mut endpoint = Endpoint::start().await;
    endpoint.answers(&[Reply::Status(429, "Retry-After: 1\r\n"), TAKEN]);
    hook(&server, json!({"url": endpoint.url(), "secret": SECRET})).await;
    edit(&Client::connect(server.addr(), "hall").await, 1).await;
    assert_ne!(endpoint.next().await.reply, TAKEN);
    let asked = std::time::Instant::now();
    assert_eq!(endpoint.next().await.reply, TAKEN);
    assert!(
        asked.elapsed() > Duration::from_millis(900),
        "{:?}",
        asked.elapsed()
    );
}

/// SPEC N6.
#[tokio::test]
async fn what_was_tried_often_enough_is_a_dead_letter_that_can_be_sent_again() {
    let mut server = Server::with(|config| impatient(config, 3)).await;
    let mut endpoint = Endpoint::start().await;
    let no = Reply::Status(500, "");
    endpoint.answers(&[no.clone(), no.clone(), no.clone(), TAKEN]);
    let id = hook(&server, json!({"url": endpoint.url(), "secret": SECRET})).await;
    let client = Client::connect(server.addr(), "hall").await;
    edit(&client, 1).await;
    let refused = [
        endpoint.next().await,
        endpoint.next().await,
        endpoint.next().await,
    ];
    assert!(refused.iter().all(|one| one.reply == no));
    server
        .metric_is("thexr_webhook_dead_letters", |letters| letters == 1.0)
        .await;
    let letters = dead(&server, &id).await;
    let given_up = refused[0].json();
    assert_eq!(
        (&letters[0]["first_seq"], &letters[0]["last_seq"]),
        (&given_up["first_seq"], &given_up["last_seq"])
    );
    assert_eq!(
        (&letters[0]["attempts"], &letters[0]["space"]),
        (&json!(3), &json!("hall"))
    );
    assert!(letters[0]["error"].as_str().is_some_and(|e| e.contains("500")));
    let given_up_metric = "thexr_webhook_deliveries_total{result=\"refused\"}";
    assert_eq!(server.metric(given_up_metric).await, 3.0);

    // Later batches go on behind it.
    edit(&client, 2).await;
    let next = endpoint.taken().await.json();
    assert_eq!(
        next["first_seq"].as_i64(),
        given_up["last_seq"].as_i64().map(|last| last + 1)
    );

    noted(&server, 1.0).await;
    server.restart().await;
    let retry = format!("{HOOKS}/{id}/dead-letters/retry");
    endpoint.answers(&[no.clone(), TAKEN]);
    let due = server.admin("POST", &retry, b"").await;
    assert_eq!((due.status, &due.json()["due"]), (202, &json!(1)));
    let again = endpoint.next().await;
    assert_eq!((&again.reply, again.header("thexr-attempt")), (&no, "4"));
    eventually("it is kept", async || {
        let letters = dead(&server, &id).await;
        (letters[0]["attempts"] == 4 && letters[0]["due"] == false).then_some(())
    })
    .await;
    server.admin("POST", &retry, b"").await;
    let taken = endpoint.taken().await;
    assert_eq!(taken.body, refused[0].body);
    assert_eq!(
        taken.header("thexr-delivery"),
        refused[0].header("thexr-delivery")
    );
    server
        .metric_is("thexr_webhook_dead_letters", |letters| letters == 0.0)
        .await;
    assert!(dead(&server, &id).await.is_empty());
}

/// SPEC N6: often is not enough, it takes a day too.
#[tokio::test]
async fn nothing_is_given_up_within_a_day() {
    let server = Server::with(|config| {
        quick(config);
        config.webhook.attempts_min = 3;
        config.webhook.backoff_max = Duration::from_millis(2);
    })
    .await;
    let mut endpoint = Endpoint::start().await;
    endpoint.answers(&[Reply::Status(500, "")]);
    let id = hook(&server, json!({"url": endpoint.url(), "secret": SECRET})).await;
    let client = Client::connect(server.addr(), "hall").await;
    edit(&client, 1).await;
    for attempt in 1..=30 {
        let next = endpoint.next().await;
        assert_eq!(next.header("thexr-attempt"), attempt.to_string());
    }
    assert!(dead(&server, &id).await.is_empty());
    assert!(
        show(&server, &id).await["error"]
            .as_str()
            .is_some_and(|e| e.contains("500"))
    );
    endpoint.answers(&[TAKEN]);
    let mut told = Told::default();
    told.up_to(&mut endpoint, "hall", head(&server, "hall").await)
        .await;
    assert_eq!(told.items["hall"], journal(&server, "hall", "").await);
    eventually("the trouble is over", async || {
        show(&server, &id).await["error"].is_null().then_some(())
    })
    .await;
}

/// SPEC N7.
#[tokio::test]
async fn an_endpoint_that_wants_no_more_is_left_alone_until_somebody_says_so() {
    let mut server = Server::with(quick).await;
    let mut endpoint = Endpoint::start().await;
    endpoint.answers(&[Reply::Status(410, ""), TAKEN]);
    let id = hook(&server, json!({"url": endpoint.url(), "secret": SECRET})).await;
    let client = Client::connect(server.addr(), "hall").await;
    edit(&client, 1).await;
    let refused = endpoint.next().await;
    eventually("it is paused", async || {
        (show(&server, &id).await["state"] == "paused").then_some(())
    })
    .await;
    assert!(
        show(&server, &id).await["error"]
            .as_str()
            .is_some_and(|e| e.contains("410"))
    );
    edit(&client, 2).await;
    server.restart().await;
    // A ping goes out all the same, and nothing went before it.
    let pinged = server.admin("POST", &format!("{HOOKS}/{id}/test"), b"").await;
    assert_eq!(pinged.json()["taken"], true);
    assert_eq!(endpoint.next().await.json()["ping"], true);
    set(&server, &id, "active").await;
    let next = endpoint.taken().await.json();
    assert_eq!(next["first_seq"], refused.json()["first_seq"]);
}

/// SPEC N4: the server is killed in the middle of it.
#[tokio::test]
async fn a_kill_loses_nothing() {
    let mut process = Process::start().await;
    let mut endpoint = Endpoint::start().await;
    let bearer = format!("Bearer {}", thexr_tests::server::ADMIN_TOKEN);
    let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
    let wish = json!({"url": endpoint.url(), "secret": SECRET}).to_string();
    let made = http::request(process.addr(), "POST", HOOKS, &headers, wish.as_bytes()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let mut client = Client::connect(process.addr(), "hall").await;
    let mut items: Vec<Value> = Vec::new();
    let mut take = |received: &Received| {
        let body = received.json();
        // As the SPEC says: what is known is skipped.
        let known = items
            .last()
            .map_or(0, |item| item["seq"].as_i64().expect("a seq"));
        let new = body["items"].as_array().expect("items").iter();
        let new: Vec<Value> = new
            .filter(|item| item["seq"].as_i64() > Some(known))
            .cloned()
            .collect();
        assert!(
            body["first_seq"].as_i64() <= Some(known + 1),
            "a hole before {body}"
        );
        items.extend(new);
        items
            .last()
            .map_or(0, |item| item["seq"].as_i64().expect("a seq"))
    };
    for round in 0..3 {
        for n in 0..20 {
            edit(&client, round * 100 + n).await;
        }
        take(&endpoint.taken().await);
        process.kill_and_start_again().await;
        client.online(process.addr()).await;
    }
    edit(&client, 1_000).await;
    let path = "/api/v1/spaces/hall/journal?limit=500";
    let all = http::get(process.addr(), path).await.json()["items"].clone();
    let last = all.as_array().and_then(|all| all.last()?["seq"].as_i64());
    while Some(take(&endpoint.taken().await)) < last {}
    assert_eq!(Value::from(items), all);
}
