//! The time machine: any kept moment of a space, and the way back to it.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use thexr::space::doc::{CheckedUpdate, Encoding, SpaceDoc};
use thexr_tests::rows::Rows;
use thexr_tests::value::stroke;
use thexr_tests::{Client, Rng, Server, http};

const SPACE: &str = "hall";

async fn get(server: &Server, path: &str) -> Value {
    http::get(server.addr(), &format!("/api/v1/spaces/{SPACE}{path}"))
        .await
        .json()
}

async fn post(server: &Server, path: &str, body: &Value) -> Value {
    let path = format!("/api/v1/spaces/{SPACE}{path}");
    let body = body.to_string();
    let json = [("content-type", "application/json")];
    http::request(server.addr(), "POST", &path, &json, body.as_bytes())
        .await
        .json()
}

/// The present document and the number of its newest event.
async fn present(server: &Server) -> (i64, Value) {
    let response = http::get(server.addr(), &format!("/api/v1/spaces/{SPACE}/document")).await;
    let tag = response
        .header("etag")
        .expect("a tag")
        .trim_matches('"')
        .to_owned();
    let (_, seq) = tag.rsplit_once('-').expect("an epoch and a number");
    (seq.parse().expect("a number"), response.json())
}

/// Some edits of any kind.
async fn edit(client: &Client, rng: &mut Rng, n: usize) {
    let entity = format!("e{}", rng.below(6));
    match rng.below(8) {
        0 => drop(client.delete(&entity)),
        1 => drop(client.remove(&entity, "n")),
        2..4 => drop(client.push_stroke(&entity, &stroke(&format!("s{n}"), 3))),
        4 => drop(client.delete_stroke(&entity, n)),
        _ => drop(client.set(&entity, "n", &json!(n))),
    }
    client.saved().await;
}

/// SPEC J7: every moment is what it was when it was the present, wherever its rows and snapshots are now.
#[tokio::test]
async fn every_moment_is_as_it_was() {
    let mut server = Server::start().await;
    let people = [
        Client::connect(server.addr(), SPACE).await,
        Client::connect(server.addr(), SPACE).await,
    ];
    let mut rng = Rng::new(11);
    let mut truth = BTreeMap::from([(0, json!({"entities": {}, "strokes": {}}))]);
    for n in 0..200 {
        edit(&people[rng.below(2)], &mut rng, n).await;
        let (seq, document) = present(&server).await;
        truth.insert(seq, document);
        if n % 60 == 50 {
            server.compact(SPACE, false).await;
        }
    }
    drop(people);
    server.restart().await;
    for (seq, document) in &truth {
        assert_eq!(
            get(&server, &format!("/document?seq={seq}")).await,
            *document,
            "after event {seq}"
        );
    }
    let newest = *truth.keys().last().expect("edits");
    assert_eq!(
        get(&server, &format!("/document?seq={}", newest + 1)).await["code"],
        "not_kept"
    );
    assert_eq!(get(&server, "/document?seq=-1").await["code"], "not_kept");
    assert_eq!(
        get(&server, "/document?seq=1&at=2026-01-01T00:00:00Z").await["code"],
        "bad_query"
    );
    assert_eq!(
        get(&server, "/document?at=2001-01-01T00:00:00Z").await["code"],
        "not_kept"
    );
    let items = get(&server, "/journal?kind=edit&limit=500").await["items"].clone();
    for item in items.as_array().expect("a list").iter().step_by(20) {
        let at = item["at"].as_str().expect("a time");
        let path = format!("/api/v1/spaces/{SPACE}/document?at={at}");
        let response = http::get(server.addr(), &path).await;
        let found: i64 = response
            .header("thexr-seq")
            .expect("named")
            .parse()
            .expect("a number");
        assert!(found >= item["seq"].as_i64().expect("a number"), "{at}");
        assert_eq!(
            Some(&response.json()),
            truth.range(..=found).next_back().map(|(_, document)| document)
        );
    }
    // As updates they are joined from stored bytes, where nobody wrote twice at the same clock.
    let update = [("accept", "application/octet-stream")];
    for (seq, document) in truth.iter().step_by(7) {
        let path = format!("/api/v1/spaces/{SPACE}/document?seq={seq}");
        let bytes = http::request(server.addr(), "GET", &path, &update, b"")
            .await
            .body;
        let checked = CheckedUpdate::parse(bytes.clone().into()).expect("passes our own scanner");
        assert_eq!(checked.is_empty(), *seq == 0);
        let doc = SpaceDoc::from_stored(1, Some((Encoding::V1, &bytes)), std::iter::empty()).expect("loads");
        assert_eq!(doc.to_json(), *document, "after event {seq}, as an update");
    }
    let path = format!("/api/v1/spaces/{SPACE}/document?seq={newest}");
    let bytes = http::request(server.addr(), "GET", &path, &update, b"").await;
    let octets = [("content-type", "application/octet-stream")];
    http::request(
        server.addr(),
        "POST",
        "/api/v1/spaces",
        &[("content-type", "application/json")],
        br#"{"id":"copy"}"#,
    )
    .await;
    http::request(
        server.addr(),
        "POST",
        "/api/v1/spaces/copy/update",
        &octets,
        &bytes.body,
    )
    .await;
    assert_eq!(
        http::get(server.addr(), "/api/v1/spaces/copy/document")
            .await
            .json(),
        truth[&newest]
    );
}

/// A long log gets keyframes on the way, and later ones are thinned by their distance, not by their age.
#[tokio::test]
async fn no_moment_is_far_from_a_snapshot() {
    let mut server = Server::with(|config| config.compaction.updates = i64::MAX).await;
    let client = Client::connect(server.addr(), SPACE).await;
    for n in 0..4_500 {
        client.set(&format!("e{}", n % 9), "n", &json!(n));
        if n % 100 == 0 {
            client.saved().await;
        }
    }
    client.saved().await;
    server.compact(SPACE, false).await;
    for n in 0..5 {
        client.set("late", "n", &json!(n));
        client.saved().await;
        server.compact(SPACE, false).await;
    }
    drop(client);
    server.stop().await;
    let rows = Rows::open(&server.folder()).await;
    let seqs: Vec<i64> = rows
        .snapshots(SPACE)
        .await
        .iter()
        .map(|snapshot| snapshot.seq)
        .collect();
    let mut sorted = seqs.clone();
    sorted.sort_unstable();
    assert_eq!(sorted[..2], [2_000, 4_000]);
    assert_eq!(
        sorted.len(),
        4,
        "the newest, the one before, and the keyframes: {sorted:?}"
    );
    drop(rows);
    server.start_again().await;
    for (seq, n) in [(1_999, 1_998), (2_000, 1_999), (4_001, 4_000)] {
        let document = get(&server, &format!("/document?seq={seq}")).await;
        let newest = document["entities"]
            .as_object()
            .expect("entities")
            .values()
            .filter_map(|e| e["n"].as_i64())
            .max();
        assert_eq!(newest, Some(n));
    }
}

/// SPEC J7.
#[tokio::test]
async fn a_difference_is_told_in_the_documents_words() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), SPACE).await;
    client.set("lamp", "light", &json!(1));
    client.set("old", "n", &json!(1));
    client.push_stroke("board", &stroke("s1", 3));
    client.push_stroke("board", &stroke("s2", 3));
    client.saved().await;
    let (from, _) = present(&server).await;
    client.set("lamp", "light", &json!(2));
    client.set("lamp", "name", &json!("x"));
    client.delete("old");
    client.set("new", "n", &json!(1));
    client.delete_stroke("board", 0);
    client.push_stroke("board", &stroke("s3", 3));
    client.saved().await;
    let (to, _) = present(&server).await;
    let there = get(&server, &format!("/diff?from={from}&to={to}")).await;
    assert_eq!(
        there,
        json!({
            "from": from, "to": to, "more": 0,
            "entities": {
                "added": [{"id": "new", "components": {"n": 1}}],
                "removed": [{"id": "old", "components": {"n": 1}}],
                "changed": [{"id": "lamp", "components": {"light": {"before": 1, "after": 2}, "name": {"after": "x"}}}],
            },
            "strokes": {"board": {"added": {"count": 1, "ids": ["s3"]}, "removed": {"count": 1, "ids": ["s1"]}}},
        })
    );
    let back = get(&server, &format!("/diff?from={to}&to={from}")).await;
    assert_eq!(back["entities"]["added"], there["entities"]["removed"]);
    assert_eq!(
        back["strokes"]["board"]["added"],
        there["strokes"]["board"]["removed"]
    );
    assert_eq!(get(&server, &format!("/diff?from={from}")).await["to"], to);
}

/// SPEC J8: three people edit while the space goes back; all agree on what was restored and what came after.
#[tokio::test]
async fn a_space_goes_back_while_people_edit() {
    let server = Server::start().await;
    let first = Client::connect(server.addr(), SPACE).await;
    let mut rng = Rng::new(3);
    for n in 0..60 {
        edit(&first, &mut rng, n).await;
    }
    first.set("kept", "n", &json!("then"));
    first.saved().await;
    let (then, document) = present(&server).await;
    for n in 60..90 {
        edit(&first, &mut rng, n).await;
    }
    first.delete("kept");
    first.saved().await;
    let others = [
        Client::connect(server.addr(), SPACE).await,
        Client::connect(server.addr(), SPACE).await,
    ];
    for (who, client) in [&first, &others[0], &others[1]].into_iter().enumerate() {
        client.set(&format!("during{who}"), "n", &json!(who));
    }
    let (before, _) = present(&server).await;
    let written = post(&server, "/restore", &json!({"seq": then, "user": "ana"})).await;
    let restored = written["seq"].as_i64().expect("a number");
    for (who, client) in [&first, &others[0], &others[1]].into_iter().enumerate() {
        client.sees("kept", "n", &json!("then")).await;
        client.set(&format!("after{who}"), "n", &json!(who));
        client.saved().await;
    }
    let content = server.content(SPACE).await;
    for client in [&first, &others[0], &others[1]] {
        client.agrees_with(&content).await;
    }
    let (_, now) = present(&server).await;
    let mut expected = document.clone();
    for who in 0..3 {
        expected["entities"][format!("after{who}")] = json!({"n": who});
        // Whether an edit on its way came before the restore or after it is chance.
        let during = format!("during{who}");
        if let Some(entity) = now["entities"].get(&during) {
            expected["entities"][&during] = entity.clone();
        }
    }
    assert_eq!(now, expected);
    let items = get(&server, &format!("/journal?after={}", before)).await["items"].clone();
    let items = items.as_array().expect("a list");
    let at = items
        .iter()
        .position(|item| item["kind"] == "restored")
        .expect("it is in the journal");
    assert_eq!(
        (&items[at]["restored_seq"], &items[at]["user"]),
        (&json!(then), &json!("ana"))
    );
    assert_eq!(
        (&items[at - 1]["kind"], &items[at - 1]["user"]),
        (&json!("edit"), &json!("ana"))
    );
    assert_eq!(items[at]["seq"], restored);
    // And back again.
    let undone = post(
        &server,
        "/restore",
        &json!({"seq": items[at - 1]["seq"].as_i64().expect("a number") - 1}),
    )
    .await;
    assert!(undone["seq"].as_i64() > Some(restored), "{undone}");
    assert!(present(&server).await.1["entities"].get("kept").is_none());
    assert_eq!(
        post(&server, "/restore", &json!({"seq": 100_000})).await["code"],
        "not_kept"
    );
    assert_eq!(post(&server, "/restore", &json!({})).await["code"], "bad_json");
}

/// SPEC J9.
#[tokio::test]
async fn a_fork_begins_as_the_other_was() {
    let mut server = Server::start().await;
    let client = Client::connect(server.addr(), SPACE).await;
    client.set("lamp", "light", &json!(1));
    client.push_stroke("board", &stroke("s1", 3));
    client.saved().await;
    let (then, document) = present(&server).await;
    client.set("lamp", "light", &json!(2));
    client.saved().await;
    let made = post(
        &server,
        "/fork",
        &json!({"seq": then, "id": "copy", "name": "Copy", "user": "ana"}),
    )
    .await;
    assert_eq!(
        (&made["id"], &made["name"], &made["oldest_seq"]),
        (&json!("copy"), &json!("Copy"), &json!(1))
    );
    assert_ne!(made["epoch"], get(&server, "").await["epoch"]);
    assert_eq!(
        post(&server, "/fork", &json!({"id": "copy"})).await["code"],
        "exists"
    );
    let of_copy = |path: &str| format!("/api/v1/spaces/copy{path}");
    assert_eq!(
        http::get(server.addr(), &of_copy("/document")).await.json(),
        document
    );
    let other = Client::connect(server.addr(), "copy").await;
    other.set("lamp", "light", &json!(3));
    other.saved().await;
    drop((client, other));
    server.restart().await;
    let journal = http::get(server.addr(), &of_copy("/journal")).await.json();
    let kinds: Vec<&Value> = journal["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| &item["kind"])
        .collect();
    assert_eq!(kinds, ["forked", "edit"]);
    assert_eq!(
        journal["items"][0]["forked_from"],
        json!({"space": SPACE, "seq": then})
    );
    assert_eq!(
        http::get(server.addr(), &of_copy("/document?seq=2")).await.json(),
        document
    );
    assert_eq!(
        http::get(server.addr(), &of_copy("/document?seq=0")).await.json()["code"],
        "not_kept"
    );
    assert_eq!(
        get(&server, "/document").await["entities"]["lamp"]["light"],
        2,
        "the first is as it was"
    );
}

/// SPEC J8. Regression: a restore of more than 8 MiB closed everybody as a slow reader.
#[tokio::test]
async fn a_large_space_goes_back_and_nobody_is_thrown_out() {
    let server = Server::start().await;
    let ana = Client::connect(server.addr(), SPACE).await;
    let ben = Client::connect(server.addr(), SPACE).await;
    for n in 0..3 {
        ana.set(&format!("large{n}"), "text", &json!("x".repeat(3 << 20)));
        ana.saved().await;
    }
    let (then, _) = present(&server).await;
    (0..3).for_each(|n| drop(ana.delete(&format!("large{n}"))));
    ana.saved().await;
    post(&server, "/restore", &json!({"seq": then})).await;
    let content = server.content(SPACE).await;
    for client in [ana, ben] {
        client.agrees_with(&content).await;
    }
}
