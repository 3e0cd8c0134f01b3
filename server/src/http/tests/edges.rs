//! What is refused, who is kept out, and what stands around every answer.

use super::{LOBBY, Server, TOKEN};
use crate::http::problem::Code;
use crate::http::{Peer, openapi, routes};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Corpus rows 1–8, 11, 12, 15, 17, 98, 100, 102.
#[tokio::test]
async fn bad_requests_are_told_what_is_wrong() {
    let server = Server::new().await;
    server.ask("POST", "/api/v1/spaces", json!({"id": "lobby"})).await;
    let long = format!("/api/v1/spaces/{}", "a".repeat(65));
    for (path, status, code) in [
        ("/api/v1/spaces/..%2f..%2fetc", 400, "bad_space_id"),
        ("/api/v1/spaces/%00", 400, "bad_space_id"),
        ("/api/v1/spaces/LOBBY", 400, "bad_space_id"),
        ("/api/v1/spaces/%EF%BD%8Cobby", 400, "bad_space_id"),
        ("/api/v1/spaces/a%E2%80%AEb", 400, "bad_space_id"),
        ("/api/v1/spaces/%ff", 400, "bad_request"),
        (&long, 400, "bad_space_id"),
        ("/api/v1/spaces/", 404, "not_found"),
        ("/api/v1/nothing", 404, "not_found"),
        ("/api/v1/spaces/none", 404, "no_space"),
        ("/api/v1/spaces?limit=0", 400, "bad_query"),
        ("/api/v1/spaces?limit=501", 400, "bad_query"),
        ("/api/v1/spaces?limit=x", 400, "bad_query"),
        ("/api/v1/spaces?page=2", 400, "bad_query"),
        ("/api/v1/spaces/lobby/entities/a.b", 400, "bad_entity_id"),
        (
            "/api/v1/spaces/lobby/entities/a/components/a%20b",
            400,
            "bad_component_name",
        ),
        (
            "/api/v1/spaces/lobby/entities?component=a%20b",
            400,
            "bad_component_name",
        ),
        ("/api/v1/spaces/lobby/entities/none/strokes", 404, "not_found"),
        ("/sync/LOBBY", 400, "bad_space_id"),
        ("/sync/lobby", 400, "no_upgrade"),
        ("/index.html", 404, "not_found"),
    ] {
        assert_eq!(server.get(path).await.problem(), (status, code.into()), "{path}");
    }
    let not_allowed = server.ask("PUT", "/api/v1/spaces", json!({})).await;
    assert_eq!(not_allowed.problem(), (405, "method_not_allowed".into()));
    assert_eq!(not_allowed.header("allow"), "GET,HEAD,POST");
    assert_eq!(
        server.ask("POST", "/", json!({})).await.problem().1,
        "method_not_allowed"
    );

    let component = format!("{LOBBY}/entities/e/components/app");
    let json = ("content-type", "application/json; charset=utf-8");
    let most = serde_json::json!(vec!["x".repeat(1_000); 260]);
    assert_eq!(server.ask("PUT", &component, most).await.status.as_u16(), 200);
    let deep = "[".repeat(17) + &"]".repeat(17);
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    let heavy = json!(vec!["x".repeat(1_000); 300]).to_string();
    let long = format!("\"{}\"", "x".repeat((16 << 10) + 1));
    for (headers, body, status, code) in [
        (vec![], "1", 415, "unsupported_media_type"),
        (
            vec![("content-type", "text/plain")],
            "1",
            415,
            "unsupported_media_type",
        ),
        (
            vec![json, ("content-encoding", "gzip")],
            "1",
            415,
            "unsupported_media_type",
        ),
        (vec![json], &large, 413, "body_too_large"),
        (vec![json], "", 400, "bad_json"),
        (vec![json], "{\"a\":1,\"a\":2}", 400, "bad_json"),
        (vec![json], "NaN", 400, "bad_json"),
        (vec![json], &heavy, 422, "invalid_component"),
        (vec![json], &long, 422, "invalid_component"),
        (vec![json], &deep, 422, "invalid_component"),
        (vec![json], "{\"__proto__\":1}", 422, "invalid_component"),
    ] {
        let answer = server
            .with_headers("PUT", &component, &headers, body.as_bytes())
            .await;
        assert_eq!(
            answer.problem(),
            (status, code.into()),
            "{}",
            body.get(..20.min(body.len())).unwrap_or("")
        );
    }
    let unknown = server.ask("POST", "/api/v1/spaces", json!({"idd": "x"})).await;
    assert_eq!(unknown.problem(), (400, "bad_json".into()));
}

/// Regression: some texts began in lower case or changed the case of a name, some named nothing.
#[tokio::test]
async fn the_detail_says_what_is_wrong_in_a_sentence() {
    let server = Server::new().await;
    server.ask("POST", "/api/v1/spaces", json!({"id": "lobby"})).await;
    let entity = format!("{LOBBY}/entities/e");
    let text = format!("{entity}/components/text");
    server.ask("PUT", &text, json!({"value": "hi"})).await;
    let none = format!("{LOBBY}/entities/none");
    for (method, path, body, detail) in [
        ("GET", "/api/v1/spaces/NO", json!(null), "A space id is 1 to 64"),
        (
            "GET",
            "/api/v1/spaces/none",
            json!(null),
            "There is no space with this id.",
        ),
        (
            "GET",
            &format!("{LOBBY}/entities/a.b"),
            json!(null),
            "An entity id is 1 to 64",
        ),
        ("GET", &none, json!(null), "There is no such entity."),
        ("DELETE", &none, json!(null), "There is no such entity."),
        (
            "PATCH",
            &format!("{none}/components/a"),
            json!(1),
            "There is no such entity.",
        ),
        (
            "GET",
            &format!("{entity}/components/a"),
            json!(null),
            "The entity has no such component.",
        ),
        (
            "PATCH",
            &format!("{entity}/components/a"),
            json!(1),
            "The entity has no such component.",
        ),
        (
            "DELETE",
            &format!("{entity}/components/a"),
            json!(null),
            "The entity has no such component.",
        ),
        ("PUT", &text, json!("plain"), "Component text: not an object."),
        (
            "PATCH",
            &text,
            json!({"size": -1}),
            "Component text: size is below 0.",
        ),
        (
            "GET",
            "/api/v1/spaces?limit=x",
            json!(null),
            "In the query, limit: ",
        ),
        (
            "GET",
            "/api/v1/spaces?page=2",
            json!(null),
            "In the query, page: unknown field `page`, expected one of `limit`",
        ),
    ] {
        let answer = server.ask(method, path, body).await.json();
        let said = answer["detail"].as_str().unwrap_or_default();
        assert!(said.starts_with(detail), "{method} {path}: {said}");
    }
    let octets = [("content-type", "application/octet-stream")];
    let update = server
        .with_headers("POST", &format!("{LOBBY}/update"), &octets, b"hello")
        .await;
    let said = update.json()["detail"].as_str().unwrap_or_default().to_owned();
    assert!(
        said.starts_with("This does not look like a Yjs v1 update"),
        "{said}"
    );
}

/// Regression: serde reads a struct from an array of its fields too.
#[tokio::test]
async fn an_array_is_not_an_object() {
    let server = Server::new().await;
    server.ask("POST", "/api/v1/spaces", json!({"id": "lobby"})).await;
    let entities = format!("{LOBBY}/entities");
    for (method, path, body) in [
        ("POST", "/api/v1/spaces", json!(["zoo", "Zoo"])),
        ("POST", "/api/v1/spaces", json!(["zoo"])),
        ("POST", "/api/v1/spaces", json!("zoo")),
        ("PATCH", LOBBY, json!(["Foyer"])),
        ("POST", &entities, json!(["e", {"app": 1}])),
        ("PUT", &format!("{entities}/e"), json!([null, {"app": 1}])),
    ] {
        let answer = server.ask(method, path, body.clone()).await;
        assert_eq!(
            answer.problem(),
            (400, "bad_json".into()),
            "{method} {path} {body}"
        );
    }
    // A component is any JSON.
    let app = format!("{entities}/e/components/app");
    assert_eq!(server.ask("PUT", &app, json!([1])).await.status.as_u16(), 200);
}

/// Corpus row 17; threat T14.
#[tokio::test]
async fn admin_endpoints_need_the_token_and_without_one_do_not_exist() {
    let server = Server::new().await;
    server.ask("POST", "/api/v1/spaces", json!({"id": "lobby"})).await;
    server
        .ask("PUT", &format!("{LOBBY}/entities/e/components/app"), json!(1))
        .await;
    let compact = "/api/v1/admin/spaces/lobby/compact";
    let refused = server.with_headers("POST", compact, &[], b"").await;
    assert_eq!(refused.problem(), (401, "bad_token".into()));
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    for wrong in [
        "Bearer",
        "Bearer x",
        &format!("Basic {TOKEN}"),
        &format!("Bearer {TOKEN}x"),
        &format!("Bearer {}", &TOKEN[1..]),
    ] {
        let answer = server
            .with_headers("POST", compact, &[("authorization", wrong)], b"")
            .await;
        assert_eq!(answer.problem().0, 401, "{wrong}");
    }
    for how in ["dry_run=true", "dry_run=1", "dry_run", "dry_run="] {
        let dry = server.admin("POST", &format!("{compact}?{how}")).await.json();
        assert_eq!(
            (&dry["dry_run"], &dry["rows_after"]),
            (&json!(true), &json!(1)),
            "{how}"
        );
    }
    let maybe = server.admin("POST", &format!("{compact}?dry_run=maybe")).await;
    assert_eq!(maybe.problem(), (400, "bad_query".into()));
    let done = server.admin("POST", compact).await.json();
    assert_eq!(
        (&done["rows_before"], &done["rows_after"], &done["covered_seq"]),
        (&json!(1), &json!(0), &json!(1))
    );
    let stats = server.admin("GET", "/api/v1/admin/spaces/lobby").await.json();
    assert_eq!(
        (&stats["snapshot_seq"], &stats["loaded"]),
        (&json!(1), &json!(true))
    );
    let page = server.admin("GET", "/api/v1/admin/spaces").await.json();
    assert_eq!(page["items"][0], stats);
    assert_eq!(server.get("/metrics").await.problem().0, 401);
    assert_eq!(server.admin("GET", "/metrics").await.status, StatusCode::OK);
    let mut local = Request::builder().uri("/metrics").header("host", "localhost");
    local = local.extension(Peer(([127, 0, 0, 1], 9).into()));
    let text = server
        .send(local.body(Body::empty()).expect("a request"))
        .await
        .body;
    assert!(String::from_utf8_lossy(&text).contains("thexr_spaces_loaded 1"));

    let open = Server::with(|config| config.admin_token = None).await;
    assert_eq!(
        open.admin("POST", compact).await.problem(),
        (404, "not_found".into())
    );
    assert_eq!(open.get("/metrics").await.problem().0, 404);
}

#[tokio::test]
async fn other_sites_are_kept_out_and_named_ones_are_told_they_may() {
    let server = Server::with(|config| config.origins = vec!["https://app.test".into()]).await;
    let preflight = |origin| [("origin", origin), ("access-control-request-method", "POST")];
    let good = server
        .with_headers("OPTIONS", "/api/v1/spaces", &preflight("https://app.test"), b"")
        .await;
    assert_eq!(good.header("access-control-allow-origin"), "https://app.test");
    assert!(
        good.header("vary").contains("origin") && good.header("access-control-allow-credentials").is_empty()
    );
    let evil = server
        .with_headers("OPTIONS", "/api/v1/spaces", &preflight("https://evil.test"), b"")
        .await;
    assert_eq!(evil.problem(), (403, "bad_origin".into()));
    assert!(evil.header("access-control-allow-origin").is_empty());
    let rebound = Request::builder()
        .uri("/api/v1/spaces")
        .header("host", "attacker.test");
    let rebound = server.send(rebound.body(Body::empty()).expect("a request")).await;
    assert_eq!(rebound.problem(), (403, "bad_host".into()));
}

#[tokio::test]
async fn the_page_is_packed_cached_and_guarded() {
    let server = Server::new().await;
    let plain = server.get("/").await;
    assert_eq!(plain.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(plain.header("cache-control"), "no-cache");
    assert!(
        plain
            .header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    assert_eq!(
        (
            plain.header("x-content-type-options"),
            plain.header("referrer-policy")
        ),
        ("nosniff", "no-referrer")
    );
    for asset in thexr_embed::ASSETS {
        for (accept, form, encoding) in [
            ("gzip, br", asset.brotli, "br"),
            ("gzip, br;q=0", asset.gzip, "gzip"),
        ] {
            let answer = server
                .with_headers("GET", asset.path, &[("accept-encoding", accept)], b"")
                .await;
            let Some(form) = form else { continue };
            assert_eq!(
                (answer.header("content-encoding"), &*answer.body),
                (encoding, form)
            );
            let etag = [
                ("accept-encoding", accept),
                ("if-none-match", answer.header("etag")),
            ];
            let again = server.with_headers("GET", asset.path, &etag, b"").await;
            assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
            assert_eq!(
                answer.header("cache-control").contains("immutable"),
                asset.immutable
            );
        }
    }
    assert_eq!(server.get("/livez").await.body, b"ok\n");
    assert_eq!(server.get("/readyz").await.body, b"ok\n");
    server.stop.cancel();
    assert_eq!(server.get("/readyz").await.problem(), (503, "stopping".into()));
}

#[tokio::test]
async fn the_openapi_document_names_every_route_and_every_code_and_no_others() {
    let document: Value = serde_json::from_str(openapi::TEXT).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let written: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .into_iter()
                .flatten()
                .map(move |(method, _)| (path, method))
        })
        .filter(|(_, method)| *method != "parameters")
        .map(|(path, method)| (method.to_uppercase(), path.clone()))
        .collect();
    let served: BTreeSet<(String, String)> = routes()
        .iter()
        .map(|(method, path, _)| (method.to_string(), (*path).to_owned()))
        .collect();
    assert_eq!(written, served);
    let codes = document["components"]["responses"]["Problem"]["x-codes"]
        .as_object()
        .expect("codes");
    let written: BTreeSet<(&str, u64)> = codes
        .iter()
        .map(|(code, is)| (code.as_str(), is["status"].as_u64().unwrap_or(0)))
        .collect();
    let ours = Code::ALL
        .iter()
        .map(|code| (code.as_str(), u64::from(code.status().as_u16())))
        .collect();
    assert_eq!(written, ours);
    let served = Server::new().await.get("/openapi.json").await;
    assert_eq!(served.json(), document);
}
