//! How much of its past a space keeps, as the operator says it, and what is offered then.

use super::{LOBBY, Server, TOKEN};
use crate::config::{Config, HistoryConfig};
use crate::space::compactor;
use crate::space::doc::SpaceDoc;
use crate::space::doc::edit::{Edit, Edited};
use crate::store::{EventKind, Kinds, NewEvent};
use serde_json::{Value, json};
use sqlx::Connection;
use thexr_schema::ids::Seq;
use tokio_util::sync::CancellationToken;

const KEEP: &str = "/api/v1/admin/spaces/lobby/retention";

impl Server {
    async fn keep(&self, body: Value) -> super::Answer {
        let token = format!("Bearer {TOKEN}");
        let headers = [("authorization", &*token), ("content-type", "application/json")];
        self.with_headers("PATCH", KEEP, &headers, body.to_string().as_bytes())
            .await
    }
}

/// SPEC H5, J11.
#[tokio::test]
async fn a_space_is_told_what_to_keep() {
    let server = Server::new().await;
    server.ask("POST", "/api/v1/spaces", json!({"id": "lobby"})).await;
    for (body, days, bytes) in [
        (json!({}), json!(null), json!(null)),
        (json!({"days": 30}), json!(30), json!(null)),
        (json!({"bytes": 1000}), json!(30), json!(1000)),
        (json!({"days": null, "bytes": 0}), json!(null), json!(0)),
    ] {
        let said = server.keep(body.clone()).await.json();
        assert_eq!(
            (&said["keep_days"], &said["keep_bytes"]),
            (&days, &bytes),
            "{body}"
        );
    }
    for bad in [
        json!({"days": -1}),
        json!({"days": 36_501}),
        json!({"bytes": 1u64 << 54}),
        json!({"day": 1}),
        json!({"days": "7"}),
    ] {
        assert_eq!(
            server.keep(bad.clone()).await.problem(),
            (400, "bad_json".into()),
            "{bad}"
        );
    }
    assert_eq!(
        server.ask("PATCH", KEEP, json!({})).await.problem(),
        (401, "bad_token".into())
    );
    let shown = server.admin("GET", "/api/v1/admin/spaces/lobby").await.json();
    assert_eq!(
        (&shown["keep_bytes"], &shown["oldest_seq"]),
        (&json!(0), &json!(0))
    );
}

/// SPEC J7, J11.
#[tokio::test]
async fn what_is_pruned_is_not_offered_and_all_else_is() {
    let server = Server::new().await;
    server.ask("POST", "/api/v1/spaces", json!({"id": "lobby"})).await;
    let began = server.get(LOBBY).await.json()["created_at"]
        .as_str()
        .expect("a time")
        .to_owned();
    server.keep(json!({"bytes": 1})).await;
    for n in 0..4 {
        for m in 0..3 {
            let body = json!({"id": format!("box{n}-{m}"), "components": {"shape": {"kind": "box"}}});
            server.ask("POST", &format!("{LOBBY}/entities"), body).await;
        }
        let done = server.admin("POST", "/api/v1/admin/spaces/lobby/compact").await;
        assert_eq!(done.status.as_u16(), 200);
    }
    // Events 1 to 3 and the compaction at 4, and so on: the newest two snapshots are at 11 and 15.
    let info = server.get(LOBBY).await.json();
    assert_eq!((&info["oldest_seq"], &info["seq"]), (&json!(11), &json!(16)));
    for seq in 0..=17 {
        let answer = server.get(&format!("{LOBBY}/document?seq={seq}")).await;
        if (11..=16).contains(&seq) {
            let boxes = answer.json()["entities"].as_object().map(serde_json::Map::len);
            assert_eq!(
                boxes,
                Some(if seq < 15 {
                    9 + (seq - 12).max(0) as usize
                } else {
                    12
                }),
                "seq {seq}"
            );
        } else {
            assert_eq!(answer.problem(), (404, "not_kept".into()), "seq {seq}");
        }
    }
    let before = server.get(&format!("{LOBBY}/document?at={began}")).await;
    assert_eq!(before.problem(), (404, "not_kept".into()));
    let journal = server.get(&format!("{LOBBY}/journal")).await.json();
    assert_eq!(journal["items"][0]["seq"], 12);
    let shown = server.admin("GET", "/api/v1/admin/spaces/lobby").await.json();
    assert_eq!(shown["oldest_seq"], 11);
    assert!(shown["history_bytes"].as_i64() > Some(0));
}

/// Nobody comes to a space for days: it is pruned all the same, and not woken.
#[tokio::test]
async fn a_space_that_sleeps_is_pruned_too() {
    let folder = std::env::temp_dir().join(format!("thexr-sweep-{:032x}", rand::random::<u128>()));
    let config = Config {
        data: folder.clone(),
        history: HistoryConfig { days: 0, bytes: 1 },
        ..Config::default()
    };
    let (app, _) = crate::open(config, CancellationToken::new())
        .await
        .expect("opens");
    let store = app.spaces.store();
    for name in ["lobby", "zoo"] {
        let row = store
            .create(&name.parse().expect("an id"), name)
            .await
            .expect("creates");
        let mut doc = SpaceDoc::new(7);
        for n in 0..3 {
            let edit = Edit::Put {
                entity: "e".into(),
                component: "text".into(),
                value: json!({"value": n.to_string()}),
            };
            let Edited::Done(update) = doc.edit(&edit) else {
                panic!("refused")
            };
            store
                .append(row.key, vec![NewEvent::edit(update)])
                .await
                .expect("appends");
            compactor::run(store, row.key, false).await.expect("compacts");
        }
        assert_eq!(store.base_seq(row.key).await.expect("reads").0, 0);
    }
    app.spaces.prune().await;
    for name in ["lobby", "zoo"] {
        let row = store
            .space(&name.parse().expect("an id"))
            .await
            .expect("reads")
            .expect("is there");
        assert_eq!(row.base_seq.0, 3, "{name}");
    }
    assert!(app.spaces.is_empty());
    let _ = std::fs::remove_dir_all(&folder);
}

/// Regression: a space in which too little happened for a snapshot kept its joins and names for ever. SPEC J11.
#[tokio::test]
async fn what_is_too_old_goes_also_where_hardly_anything_happens() {
    const DAY: i64 = 86_400_000;
    let folder = std::env::temp_dir().join(format!("thexr-quiet-{:032x}", rand::random::<u128>()));
    let config = Config {
        data: folder.clone(),
        history: HistoryConfig { days: 30, bytes: 0 },
        ..Config::default()
    };
    let (app, _) = crate::open(config, CancellationToken::new())
        .await
        .expect("opens");
    let store = app.spaces.store();
    let ids = ["sleeps", "runs", "lives"].map(|name| name.parse().expect("an id"));
    for id in &ids {
        let row = store.create(id, "").await.expect("creates");
        let came = |name: &str| NewEvent::note(EventKind::Joined, Some(name.into()), &json!({"name": name}));
        let events = ["ada", "ben", "cy", "dan"].map(came).to_vec();
        store.append(row.key, events).await.expect("appends");
    }
    // The first two came long ago, the last two yesterday; to one of the spaces all of them.
    let db = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("thexr.db"));
    let mut db = sqlx::SqliteConnection::connect_with(&db).await.expect("opens");
    let age = "update event set at = at - ? where seq <= 2 and space_id <> 3";
    let aged = sqlx::query(age)
        .bind(40 * DAY)
        .execute(&mut db)
        .await
        .expect("runs");
    assert_eq!(aged.rows_affected(), 4);
    sqlx::query("update event set at = at - ? where seq > 2 or space_id = 3")
        .bind(DAY)
        .execute(&mut db)
        .await
        .expect("runs");
    db.close().await.expect("closes");

    let running = app.spaces.get(&ids[1]).await.expect("starts");
    for round in 0..2 {
        app.spaces.prune().await;
        for (id, base, newest) in [(&ids[0], 2, 5), (&ids[1], 2, 5), (&ids[2], 0, 4)] {
            let row = store.space(id).await.expect("reads").expect("is there");
            // One compaction, and none for its own note.
            assert_eq!((row.base_seq.0, row.seq.0), (base, newest), "{id}, round {round}");
            let kept = store
                .history(row.key, Seq::ZERO, 500, Kinds::ALL)
                .await
                .expect("reads");
            assert_eq!(kept.events[0].seq.0, base + 1, "{id}");
        }
    }
    assert_eq!(
        running.stats().await.expect("runs").seq,
        Seq(5),
        "it counts along"
    );
    assert!(app.spaces.loaded(&ids[0]).is_none(), "nobody woke it");
    app.stop.cancel();
    let _ = std::fs::remove_dir_all(&folder);
}
