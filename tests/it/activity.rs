//! How much happened when, over HTTP: the same whether the events are rows or sealed away.

use serde_json::{Value, json};
use thexr_schema::presence::Up;
use thexr_tests::presence::Member;
use thexr_tests::{Client, Server, eventually, http};

const SPACE: &str = "hall";

async fn activity(server: &Server, query: &str) -> Value {
    let path = format!("/api/v1/spaces/{SPACE}/activity{query}");
    http::get(server.addr(), &path).await.json()
}

fn sum(activity: &Value, what: &str) -> u64 {
    let buckets = activity["buckets"].as_array().expect("buckets");
    buckets.iter().filter_map(|bucket| bucket[what].as_u64()).sum()
}

/// SPEC J10. Regression: all that was in a sealed block counted as edits.
#[tokio::test]
async fn only_edits_count_also_when_they_are_sealed() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), SPACE).await;
    for round in 0..4 {
        for n in 0..5 {
            client.set("e", "n", &json!([round, n]));
            client.saved().await;
        }
        // Which is an event too.
        server.compact(SPACE, false).await;
        let found = activity(&server, "?buckets=1").await;
        assert_eq!(sum(&found, "edits"), 5 * (round + 1), "{found}");
    }
}

/// SPEC J10.
#[tokio::test]
async fn a_timeline_is_the_same_before_and_after_its_events_are_sealed() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), SPACE).await;
    let _ana = Member::join(server.addr(), SPACE, "ana").await;
    for n in 0..40 {
        client.set(&format!("e{}", n % 3), "n", &json!(n));
        client.saved().await;
    }
    let mut ben = Member::join(server.addr(), SPACE, "ben").await;
    ben.say(&Up::Bye).await;
    let before = eventually("ben has left", async || {
        let found = activity(&server, "?buckets=20").await;
        found["members"][1]["spans"][0]["to"].is_string().then_some(found)
    })
    .await;
    assert_eq!((&before["seq_from"], &before["seq_to"]), (&json!(0), &json!(43)));
    assert_eq!(
        (&before["oldest_seq"], &before["newest_seq"]),
        (&json!(0), &json!(43))
    );
    assert_eq!(sum(&before, "edits"), 40);
    assert_eq!(before["buckets"][0]["members"], 1);
    let names: Vec<&Value> = [0, 1].iter().map(|n| &before["members"][n]["name"]).collect();
    assert_eq!(names, ["ana", "ben"]);
    assert_eq!(
        before["members"][0]["spans"],
        json!([{"from": before["from"], "to": null}])
    );

    server.compact(SPACE, false).await;
    let (from, to) = (
        before["from"].as_str().expect("a time"),
        before["to"].as_str().expect("a time"),
    );
    let mut after = activity(&server, &format!("?from={from}&to={to}&buckets=20")).await;
    // The compaction is an event, perhaps of the same millisecond.
    after["newest_seq"] = json!(43);
    if after["seq_to"] == 44 {
        after["seq_to"] = json!(43);
        after["buckets"]
            .as_array_mut()
            .expect("buckets")
            .last_mut()
            .expect("one")["seq"] = json!(43);
    }
    assert_eq!(after, before);

    // A part of it: what came before is counted in nothing but the state it left.
    let middle = before["buckets"][9]["seq"].as_i64().expect("a number");
    let split = http::get(
        server.addr(),
        &format!("/api/v1/spaces/{SPACE}/journal?after={middle}&limit=1"),
    )
    .await
    .json();
    let at = split["items"][0]["at"].as_str().expect("a time").to_owned();
    let part = activity(&server, &format!("?from={at}&to={to}")).await;
    assert!(
        sum(&part, "edits") + part["seq_from"].as_u64().expect("a number") >= 41,
        "{part}"
    );
    assert_eq!(part["members"][0]["spans"][0]["from"], part["from"]);
}

/// SPEC J10.
#[tokio::test]
async fn a_space_in_which_nothing_happened_has_a_timeline_too() {
    let server = Server::start().await;
    let made = http::request(
        server.addr(),
        "POST",
        "/api/v1/spaces",
        &[("content-type", "application/json")],
        format!(r#"{{"id":"{SPACE}"}}"#).as_bytes(),
    )
    .await;
    assert_eq!(made.status, 201);
    let empty = activity(&server, "").await;
    assert_eq!(empty["buckets"], json!([{"edits": 0, "members": 0, "seq": 0}]));
    assert_eq!((&empty["members"], &empty["newest_seq"]), (&json!([]), &json!(0)));
    for bad in [
        "?buckets=0",
        "?buckets=501",
        "?from=2000-01-02T00:00:00Z&to=2000-01-01T00:00:00Z",
        "?at=1",
    ] {
        assert_eq!(activity(&server, bad).await["code"], "bad_query", "{bad}");
    }
}
