//! What the API does when it is asked properly.

use super::{LOBBY, Server};
use serde_json::{Value, json};

/// SPEC H2.
#[tokio::test]
async fn spaces_are_made_listed_renamed_and_deleted() {
    let server = Server::new().await;
    let made = server
        .ask(
            "POST",
            "/api/v1/spaces",
            json!({"id": "lobby", "name": " Die Lobby "}),
        )
        .await;
    assert_eq!((made.status.as_u16(), made.header("location")), (201, LOBBY));
    let info = made.json();
    assert_eq!(
        (&info["name"], &info["seq"], &info["members"]),
        (&json!("Die Lobby"), &json!(0), &json!(0))
    );
    let again = server.ask("POST", "/api/v1/spaces", json!({"id": "lobby"})).await;
    assert_eq!(again.problem(), (409, "exists".into()));
    let random = server.ask("POST", "/api/v1/spaces", json!({})).await.json();
    assert_eq!(random["id"].as_str().map(str::len), Some(26));
    assert_eq!(random["name"], random["id"]);

    server.ask("POST", "/api/v1/spaces", json!({"id": "zoo"})).await;
    let page = server.get("/api/v1/spaces?limit=2").await.json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2));
    let next = page["next"].as_str().expect("there is more");
    let rest = server
        .get(&format!("/api/v1/spaces?limit=2&after={next}"))
        .await
        .json();
    assert_eq!(
        (&rest["items"][0]["id"], &rest["next"]),
        (&json!("zoo"), &Value::Null)
    );
    let found = server.get("/api/v1/spaces?q=DIE%20lob").await.json();
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1));

    let renamed = server.ask("PATCH", LOBBY, json!({"name": "Foyer"})).await;
    assert_eq!(
        (renamed.status.as_u16(), &renamed.json()["name"]),
        (200, &json!("Foyer"))
    );
    for bad in ["", "  ", "a\nb", &"x".repeat(121)] {
        assert_eq!(
            server.ask("PATCH", LOBBY, json!({"name": bad})).await.problem().1,
            "bad_name"
        );
    }
    let shown = server.get(LOBBY).await;
    let etag = [("if-none-match", shown.header("etag"))];
    assert_eq!(
        server
            .with_headers("GET", LOBBY, &etag, b"")
            .await
            .status
            .as_u16(),
        304
    );

    assert_eq!(
        server.ask("DELETE", LOBBY, Value::Null).await.status.as_u16(),
        204
    );
    assert_eq!(server.get(LOBBY).await.problem(), (404, "no_space".into()));
    assert_eq!(
        server.get(&format!("{LOBBY}/entities")).await.problem().1,
        "no_space"
    );
}

/// SPEC H3, H6.
#[tokio::test]
async fn entities_are_edited_as_a_whole_and_by_component() {
    let server = Server::new().await;
    server.ask("POST", "/api/v1/spaces", json!({"id": "lobby"})).await;
    let entities = format!("{LOBBY}/entities");
    let body = json!({"id": "box", "components": {"shape": {"kind": "box"}, "app": {"a": 1, "b": 2}}});
    let made = server.ask("POST", &entities, body.clone()).await;
    assert_eq!(made.json(), json!({"id": "box", "seq": 1}));
    assert_eq!(
        (made.status.as_u16(), made.header("location")),
        (201, &*format!("{entities}/box"))
    );
    assert_eq!(
        server.ask("POST", &entities, body).await.problem(),
        (409, "exists".into())
    );
    let path = format!("{entities}/box");
    let shown = server.get(&path).await;
    assert_eq!(
        shown.json(),
        json!({"id": "box", "components": {"app": {"a": 1, "b": 2}, "shape": {"kind": "box"}}})
    );
    assert!(shown.header("etag").ends_with("-1\""));

    let app = format!("{path}/components/app");
    let patched = server.ask("PATCH", &app, json!({"a": null, "c": [3]})).await;
    assert_eq!(patched.json(), json!({"seq": 2}));
    assert_eq!(server.get(&app).await.json(), json!({"b": 2, "c": [3]}));
    let light = format!("{path}/components/light");
    assert_eq!(
        server.ask("PUT", &light, json!({"kind": "spot"})).await.json(),
        json!({"seq": 3})
    );
    assert_eq!(
        server.ask("PUT", &light, json!({"kind": "spot"})).await.json(),
        json!({"seq": 3})
    );
    for (method, body) in [
        ("PUT", json!({"kind": "sun"})),
        ("PATCH", json!({"intensity": -1})),
    ] {
        assert_eq!(
            server.ask(method, &light, body).await.problem(),
            (422, "invalid_component".into())
        );
    }
    assert_eq!(
        server.ask("DELETE", &light, Value::Null).await.json(),
        json!({"seq": 4})
    );
    assert_eq!(server.ask("DELETE", &light, Value::Null).await.problem().0, 404);
    assert_eq!(server.get(&light).await.problem(), (404, "not_found".into()));

    let whole = json!({"components": {"name": "a box"}});
    assert_eq!(server.ask("PUT", &path, whole).await.json(), json!({"seq": 5}));
    assert_eq!(
        server.get(&path).await.json()["components"],
        json!({"name": "a box"})
    );
    for id in ["a", "b", "c"] {
        server
            .ask("PUT", &format!("{entities}/{id}/components/tag"), json!(id))
            .await;
    }
    let page = server
        .get(&format!("{entities}?component=tag&limit=2"))
        .await
        .json();
    assert_eq!(
        (&page["items"][1]["id"], &page["next"]),
        (&json!("b"), &json!("b"))
    );
    let page = server
        .get(&format!("{entities}?component=tag&limit=2&after=b"))
        .await
        .json();
    assert_eq!(
        (&page["items"][0]["id"], &page["next"]),
        (&json!("c"), &Value::Null)
    );
    assert_eq!(
        server.ask("DELETE", &path, Value::Null).await.json(),
        json!({"seq": 9})
    );
    assert_eq!(server.get(&path).await.problem().0, 404);
}

/// SPEC H4.
#[tokio::test]
async fn a_document_goes_out_and_an_update_comes_in() {
    let server = Server::new().await;
    for id in ["lobby", "copy"] {
        server.ask("POST", "/api/v1/spaces", json!({"id": id})).await;
    }
    for n in 0..60 {
        let path = format!("{LOBBY}/entities/e{n}/components/text");
        let text = json!({"value": "x".repeat(2_000)});
        assert_eq!(server.ask("PUT", &path, text).await.json()["seq"], n + 1);
    }
    let document = format!("{LOBBY}/document");
    let json = server.get(&document).await;
    assert_eq!(
        json.json()["entities"].as_object().map(|e| e.len()),
        Some(60),
        "a large one is read elsewhere"
    );
    assert_eq!(json.json()["strokes"], json!({}));
    let etag = [("if-none-match", json.header("etag"))];
    assert_eq!(
        server
            .with_headers("GET", &document, &etag, b"")
            .await
            .status
            .as_u16(),
        304
    );
    assert_eq!(
        server.get(&format!("{document}?seq=61")).await.problem(),
        (404, "not_kept".into())
    );

    let binary = ("accept", "application/octet-stream");
    let update = server.with_headers("GET", &document, &[binary], b"").await;
    assert_eq!(update.header("content-type"), "application/octet-stream");
    let octets = [("content-type", "application/octet-stream")];
    let target = "/api/v1/spaces/copy/update";
    let merged = server.with_headers("POST", target, &octets, &update.body).await;
    assert_eq!(merged.json(), json!({"seq": 1}));
    let again = server.with_headers("POST", target, &octets, &update.body).await;
    assert_eq!(again.json(), json!({"seq": 1}), "what adds nothing is no event");
    assert_eq!(
        server.get("/api/v1/spaces/copy/document").await.json(),
        json.json()
    );

    let bad = server.with_headers("POST", target, &octets, b"\xff\xff").await;
    assert_eq!(bad.problem(), (400, "bad_update".into()));
    // One client, one struct that follows clock 5 of nobody we know: (clock 5, GC of length 1).
    let gap = server
        .with_headers("POST", target, &octets, &[1, 1, 9, 5, 0, 1, 0])
        .await;
    assert_eq!(gap.problem(), (409, "update_gap".into()));
    let json_instead = server.ask("POST", target, json!({})).await;
    assert_eq!(json_instead.problem(), (415, "unsupported_media_type".into()));
    let huge = server
        .with_headers("POST", target, &octets, &vec![0; (16 << 20) + 1])
        .await;
    assert_eq!(huge.problem(), (413, "body_too_large".into()));
}

/// Promise 1: what a read shows is durable, and its ETag says up to which event.
#[tokio::test]
async fn a_read_beside_writes_shows_only_what_is_durable() {
    let server = Server::new().await;
    server.ask("POST", "/api/v1/spaces", json!({"id": "lobby"})).await;
    let path = format!("{LOBBY}/entities/e/components/n");
    server.ask("PUT", &path, json!(1)).await;
    let write = async {
        for n in 2..=40 {
            assert_eq!(server.ask("PUT", &path, json!(n)).await.json()["seq"], n);
        }
    };
    let read = async {
        let mut seen = 0;
        while seen < 40 {
            let answer = server.get(&path).await;
            let tag = answer.header("etag").trim_end_matches('"').rsplit('-').next();
            assert_eq!(tag, Some(&*answer.json().to_string()));
            seen = answer.json().as_i64().expect("a number");
        }
    };
    tokio::join!(write, read);
}

/// An edit that must not undo somebody else's says which state it was made for. Regression: If-Match was ignored.
#[tokio::test]
async fn an_edit_with_if_match_is_made_for_one_state_only() {
    let server = Server::new().await;
    server.ask("POST", "/api/v1/spaces", json!({"id": "lobby"})).await;
    let entity = format!("{LOBBY}/entities/box");
    let app = format!("{entity}/components/app");
    let write = async |method: &str, path: &str, tag: &str, body: Value| {
        let headers = [("content-type", "application/json"), ("if-match", tag)];
        let body = body.to_string();
        server.with_headers(method, path, &headers, body.as_bytes()).await
    };
    let any = write("PUT", &app, "*", json!(1)).await;
    assert_eq!(any.problem(), (412, "changed".into()), "it is not there");
    let made = server.ask("PUT", &app, json!(1)).await;
    let first = made.header("etag").to_owned();
    assert_eq!(server.get(&app).await.header("etag"), first);
    let second = write("PUT", &app, &first, json!(2)).await;
    assert_eq!(second.status.as_u16(), 200);
    let second = second.header("etag").to_owned();
    assert_ne!(first, second);
    for stale in [&first, &format!("W/{second}"), "\"other\"", "no tag", ""] {
        for (method, path) in [
            ("PUT", &app),
            ("PATCH", &app),
            ("DELETE", &app),
            ("PUT", &entity),
            ("DELETE", &entity),
        ] {
            let answer = write(method, path, stale, json!({})).await;
            assert_eq!(
                answer.problem(),
                (412, "changed".into()),
                "{method} {path} {stale}"
            );
        }
    }
    assert_eq!(server.get(&app).await.json(), json!(2));
    // Nothing to change is no edit: the tag is still good.
    let same = write("PUT", &app, &format!("\"x\", {second}"), json!(2)).await;
    assert_eq!(same.header("etag"), second);
    let patched = write("PATCH", &app, &second, json!({"a": 1})).await;
    let replaced = json!({"components": {"app": {"a": 2}, "b": 1}});
    let replaced = write("PUT", &entity, patched.header("etag"), replaced).await;
    let removed = write("DELETE", &app, replaced.header("etag"), Value::Null).await;
    assert_eq!(removed.status.as_u16(), 200);
    let gone = write("DELETE", &entity, "*", Value::Null).await;
    assert_eq!(gone.status.as_u16(), 200);
    let gone = write("DELETE", &entity, "*", Value::Null).await;
    assert_eq!(gone.problem(), (412, "changed".into()));
}
