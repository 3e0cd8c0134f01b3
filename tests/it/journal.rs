//! The journal over HTTP: what happened, page by page, and who was there.

use serde_json::{Value, json};
use thexr_schema::presence::Up;
use thexr_tests::presence::Member;
use thexr_tests::value::stroke;
use thexr_tests::{Client, Server, eventually, http};

const SPACE: &str = "hall";

async fn journal(server: &Server, query: &str) -> Value {
    let path = format!("/api/v1/spaces/{SPACE}/journal{query}");
    http::get(server.addr(), &path).await.json()
}

fn items(page: &Value) -> Vec<Value> {
    page["items"].as_array().expect("a page").clone()
}

/// Every page from `after` on, through `next`.
async fn all(server: &Server, query: &str) -> Vec<Value> {
    let (mut found, mut after) = (Vec::new(), "0".to_owned());
    loop {
        let page = journal(server, &format!("?after={after}{query}")).await;
        found.extend(items(&page));
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => return found,
        }
    }
}

fn changes(item: &Value) -> &Value {
    assert_eq!(item["kind"], "edit", "{item}");
    &item["changes"]
}

/// SPEC J2.
#[tokio::test]
async fn an_edit_says_what_it_changed() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), SPACE).await;
    client.set("lamp", "light", &json!({"kind": "point"}));
    client.saved().await;
    client.set("lamp", "light", &json!({"kind": "spot"}));
    client.saved().await;
    client.push_stroke("board", &stroke("s1", 3));
    client.saved().await;
    client.push_stroke("board", &stroke("s2", 3));
    client.saved().await;
    client.delete_stroke("board", 0);
    client.saved().await;
    client.remove("lamp", "light");
    client.saved().await;
    client.delete("lamp");
    client.saved().await;
    let found = all(&server, "&kind=edit").await;
    let told: Vec<&Value> = found.iter().map(changes).collect();
    let strokes = |added: u32, erased: u32| json!([{"entity": "board", "change": "strokes", "added": added, "erased": erased}]);
    assert_eq!(
        told,
        [
            &json!([{"entity": "lamp", "change": "added"}, {"entity": "lamp", "component": "light", "change": "added"}]),
            &json!([{"entity": "lamp", "component": "light", "change": "changed"}]),
            &strokes(1, 0),
            &strokes(1, 0),
            &strokes(0, 1),
            &json!([{"entity": "lamp", "component": "light", "change": "removed"}]),
            &json!([{"entity": "lamp", "change": "removed"}]),
        ]
    );
    assert!(found.iter().all(|item| item["bytes"].as_u64() > Some(5)));
}

/// SPEC J2, for what somebody brings back from offline in one update.
#[tokio::test]
async fn ink_is_counted_when_it_comes_with_other_things() {
    let server = Server::start().await;
    let mut client = Client::connect(server.addr(), SPACE).await;
    for n in 0..3 {
        client.push_stroke("board", &stroke(&format!("s{n}"), 3));
    }
    client.set("lamp", "light", &json!(1));
    client.saved().await;
    client.offline().await;
    client.delete_stroke("board", 1);
    client.push_stroke("board", &stroke("s3", 3));
    client.push_stroke("board", &stroke("s4", 3));
    client.delete_stroke("board", 3);
    client.set("lamp", "light", &json!(2));
    client.set("lamp", "light", &json!(3));
    client.set("lamp", "name", &json!("x"));
    client.set("door", "name", &json!("y"));
    client.set("door", "name", &json!("z"));
    client.online(server.addr()).await;
    client.saved().await;
    let last = all(&server, "&kind=edit").await.pop().expect("edits");
    assert_eq!(
        changes(&last),
        &json!([
            {"entity": "door", "change": "added"},
            {"entity": "board", "change": "strokes", "added": 1, "erased": 1},
            {"entity": "door", "component": "name", "change": "added"},
            {"entity": "lamp", "component": "light", "change": "changed"},
            {"entity": "lamp", "component": "name", "change": "added"},
        ])
    );
}

/// SPEC J1 and J3: the same list whatever the pages, before and after rows are sealed away.
#[tokio::test]
async fn a_journal_is_read_page_by_page() {
    let server = Server::start().await;
    let ana = Member::join(server.addr(), SPACE, "ana").await;
    let client = Client::connect(server.addr(), SPACE).await;
    for n in 0..60 {
        client.set(&format!("e{}", n % 3), "n", &json!(n));
        client.saved().await;
    }
    let _ = ana.vanish();
    eventually("ana is away", async || {
        (all(&server, "&kind=suspended").await.len() == 1).then_some(())
    })
    .await;
    let whole = all(&server, "&limit=500").await;
    let seqs: Vec<i64> = whole
        .iter()
        .map(|item| item["seq"].as_i64().expect("a number"))
        .collect();
    assert_eq!(seqs, (1..=62).collect::<Vec<_>>());
    assert!(
        whole
            .windows(2)
            .all(|pair| pair[0]["at"].as_str() <= pair[1]["at"].as_str())
    );
    server.compact(SPACE, false).await;
    for limit in [1, 7, 500] {
        let again = all(&server, &format!("&limit={limit}")).await;
        assert_eq!(again[..62], whole[..], "pages of {limit}");
        assert_eq!(again[62]["kind"], "compacted");
        assert_eq!(again[62]["covered_seq"], 62);
    }
    let e1 = all(&server, "&entity=e1&limit=3").await;
    assert_eq!(e1.len(), 20);
    let from = whole[30]["at"].as_str().expect("a time").to_owned();
    let later: Vec<Value> = whole
        .iter()
        .filter(|item| item["at"].as_str() >= Some(&from))
        .cloned()
        .collect();
    assert_eq!(all(&server, &format!("&from={from}&until=62")).await, later);
    let before = all(&server, &format!("&to={from}")).await;
    assert!(before.iter().all(|item| item["at"].as_str() <= Some(&from)) && before.contains(&whole[30]));
    for bad in ["?kind=nothing", "?limit=0", "?from=yesterday", "?since=1"] {
        assert_eq!(journal(&server, bad).await["code"], "bad_query", "{bad}");
    }
}

/// SPEC J6.
#[tokio::test]
async fn an_edit_is_its_members_if_that_is_known() {
    let server = Server::start().await;
    let client = Client::of_user(server.addr(), SPACE, "ana").await;
    let ana = Member::with_document(server.addr(), SPACE, "ana", client.id()).await;
    client.set("lamp", "light", &json!(1));
    client.saved().await;
    let edit = all(&server, "&kind=edit").await.pop().expect("an edit");
    assert_eq!((&edit["user"], &edit["member"]), (&json!("ana"), &json!(ana.id)));
    // Who says that this document is his is not believed.
    let eve = Client::of_user(server.addr(), SPACE, "eve").await;
    let _mallory = Member::with_document(server.addr(), SPACE, "mallory", eve.id()).await;
    eve.set("lamp", "light", &json!(2));
    eve.saved().await;
    let edit = all(&server, "&kind=edit").await.pop().expect("an edit");
    assert_eq!(edit["user"], "eve");
    assert!(
        edit["member"]
            .as_str()
            .is_some_and(|member| member.starts_with('c')),
        "{edit}"
    );
    let url = format!("/api/v1/spaces/{SPACE}/entities/box");
    http::request(
        server.addr(),
        "PUT",
        &url,
        &[("content-type", "application/json")],
        br#"{"components":{}}"#,
    )
    .await;
    let edit = all(&server, "&kind=edit").await.pop().expect("an edit");
    assert_eq!((&edit["member"], &edit["user"]), (&Value::Null, &Value::Null));
}

/// SPEC J5.
#[tokio::test]
async fn attendance_is_a_list_and_a_table() {
    let server = Server::start().await;
    let ana = Member::join(server.addr(), SPACE, "ana").await;
    let mut ben = Member::join(server.addr(), SPACE, "ben").await;
    ben.say(&Up::Bye).await;
    let token = ana.vanish();
    eventually("ana is away", async || {
        (all(&server, "&kind=suspended").await.len() == 1).then_some(())
    })
    .await;
    let _ana = Member::enter(server.addr(), SPACE, "ana", Some(token)).await;
    eventually("ben has left", async || {
        (all(&server, "&kind=left").await.len() == 1).then_some(())
    })
    .await;
    let path = format!("/api/v1/spaces/{SPACE}/attendance");
    let list = items(&http::get(server.addr(), &path).await.json());
    let short: Vec<(&Value, &Value, &Value)> = list
        .iter()
        .map(|line| (&line["user"], &line["reconnects"], &line["reason"]))
        .collect();
    assert_eq!(
        short,
        [
            (&json!("ana"), &json!(1), &Value::Null),
            (&json!("ben"), &json!(0), &json!("bye"))
        ]
    );
    // Nobody has been there in the future, and time has one direction.
    let future = http::get(server.addr(), &format!("{path}?from=9999-01-01T00:00:00Z")).await;
    assert_eq!(
        future.json()["items"].as_array().map(Vec::len),
        Some(1),
        "who is still there"
    );
    let turned = http::get(server.addr(), &format!("{path}?from=2000&to=1000")).await;
    assert_eq!(turned.json()["code"], "bad_query");
    let csv = http::request(server.addr(), "GET", &path, &[("accept", "text/csv")], b"").await;
    assert!(
        csv.header("content-type")
            .is_some_and(|kind| kind.starts_with("text/csv"))
    );
    let text = csv.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines[0].starts_with("user,name,") && lines[2].starts_with("\"ben\",\"ben\","),
        "{text}"
    );
}

/// Regression: an edit of many things was not found by those of them that are not listed.
#[tokio::test]
async fn an_edit_of_many_things_is_found_by_each() {
    let server = Server::start().await;
    let mut client = Client::connect(server.addr(), SPACE).await;
    client.offline().await;
    for n in 0..100 {
        client.set(&format!("e{n:03}"), "n", &json!(n));
    }
    client.online(server.addr()).await;
    client.saved().await;
    client.set("e000", "n", &json!(0.5));
    client.saved().await;
    for (entity, edits) in [("e000", 2), ("e099", 1)] {
        assert_eq!(
            all(&server, &format!("&entity={entity}")).await.len(),
            edits,
            "{entity}"
        );
    }
    let first = &all(&server, "&kind=edit").await[0];
    assert_eq!(changes(first).as_array().map(Vec::len), Some(64));
    assert_eq!(first["more_changes"], 136);
}

/// Regression: one page held as many large updates as it had lines.
#[tokio::test]
async fn a_page_of_large_updates_is_a_short_one_and_none_is_left_out() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), SPACE).await;
    let large = "x".repeat(15_000);
    for n in 0..12 {
        let parts: Vec<&str> = (0..60).map(|_| &large[..]).collect();
        client.set(&format!("e{n}"), "n", &json!(parts));
        client.saved().await;
    }
    let page = journal(&server, "?limit=500&kind=edit").await;
    assert!((1..12).contains(&items(&page).len()), "all of them in one page");
    assert!(page["next"].is_string());
    let whole = all(&server, "&limit=500&kind=edit").await;
    assert_eq!(whole.len(), 12);
    assert!(whole.iter().all(|item| item["bytes"].as_u64() > Some(800_000)));
}
