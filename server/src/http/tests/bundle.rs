//! A space as one file, from a running server.

use super::{LOBBY, Server};
use crate::metrics::Metrics;
use crate::space::bundle::{BadBundle, Import, Wish};
use crate::store::Store;
use serde_json::json;
use std::sync::Arc;
use tokio_util::task::TaskTracker;

const BUNDLE: &str = "/api/v1/admin/spaces/lobby/bundle";

#[tokio::test]
async fn a_running_server_gives_a_space_as_one_file() {
    let server = Server::new().await;
    server
        .ask(
            "POST",
            "/api/v1/spaces",
            json!({"id": "lobby", "name": "Die Lobby"}),
        )
        .await;
    let boxes = |n: u32| json!({"id": format!("box{n}"), "components": {"shape": {"kind": "box"}}});
    for n in 0..5 {
        server.ask("POST", &format!("{LOBBY}/entities"), boxes(n)).await;
    }
    server.admin("POST", "/api/v1/admin/spaces/lobby/compact").await;
    server.ask("POST", &format!("{LOBBY}/entities"), boxes(5)).await;

    assert_eq!(server.get(BUNDLE).await.problem(), (401, "bad_token".into()));
    let nowhere = server.admin("GET", "/api/v1/admin/spaces/nowhere/bundle").await;
    assert_eq!(nowhere.problem(), (404, "no_space".into()));
    let file = server.admin("GET", BUNDLE).await;
    assert_eq!(file.status.as_u16(), 200);
    assert_eq!(
        file.header("content-disposition"),
        "attachment; filename=\"lobby.thexr\""
    );
    let again = server.admin("GET", BUNDLE).await;
    assert_eq!(again.status.as_u16(), 200, "its place is free again");

    let (folder, tracker) = (server.folder.join("elsewhere"), TaskTracker::new());
    let store = Store::open(&folder, Arc::new(Metrics::default()), &tracker)
        .await
        .expect("opens");
    let begun = Import::open(&file.body[..], &Wish::default()).expect("a bundle");
    let made = begun.run(&store).await.expect("whole");
    assert_eq!(
        (made.row.name.as_str(), made.row.seq.0, made.entities),
        ("Die Lobby", 7, 6)
    );
    let over = Wish {
        replace: true,
        ..Wish::default()
    };
    let cut = Import::open(&file.body[..file.body.len() - 1], &over).expect("the beginning is there");
    assert!(matches!(cut.run(&store).await, Err(BadBundle::Cut)));
}
