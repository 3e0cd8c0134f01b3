//! Stock clients, which know nothing of `/presence`, among members.

use serde_json::{Value, json};
use std::time::Duration;
use thexr_schema::presence::Reason;
use thexr_tests::presence::{Member, Told, at};
use thexr_tests::{Client, Server, http};

/// SPEC M13: a stock client is a member, moves like one, and sees the others.
#[tokio::test]
async fn stock_clients_and_members_see_each_other() {
    let server = Server::with(|config| config.grace = Duration::from_secs(1)).await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    ana.pose(at(1.0, 0.0)).await;
    let mut stock = Client::connect(server.addr(), "hall").await;
    stock.say(7, 1, "{\"user\":{\"name\":\"Stu\"}}");
    ana.told(Told::Joined("Guest".into())).await;
    let handle = ana.handle;
    let shown = stock
        .wait("ana", |s| {
            s.presence.get(&((1 << 32) + u64::from(handle))).cloned()
        })
        .await;
    let shown: Value = serde_json::from_str(&shown.1).expect("JSON");
    assert_eq!(shown["user"]["name"], json!("ana"));
    let pose = "\"pose\":{\"head\":{\"pos\":[3,1.6,0],\"rot\":[0,0,0,1]}}";
    stock.say(
        7,
        2,
        &format!("{{\"user\":{{\"name\":\"Stu\"}},\"cursor\":1,{pose}}}"),
    );
    let other = Client::connect(server.addr(), "hall").await;
    let passed = other
        .wait("stu", |s| {
            s.presence.get(&7).filter(|s| s.1.contains("cursor")).cloned()
        })
        .await;
    assert_eq!(passed.1, "{\"user\":{\"name\":\"Stu\"},\"cursor\":1}");
    let handle = ana
        .roster
        .keys()
        .copied()
        .find(|h| *h != ana.handle)
        .expect("the stock one");
    ana.until("stu's pose", |m| {
        m.poses
            .get(&handle)
            .is_some_and(|p| p.0.head_mm() == [3_000, 1_600, 0])
    })
    .await;
    assert_eq!(ana.roster[&handle].state, "{\"name\":\"Stu\"}");
    stock.offline().await;
    ana.told(Told::Suspended("Guest".into())).await;
    ana.told(Told::Left("Guest".into(), Reason::Grace)).await;
}

/// Regression: only connections of `/presence` were closed, and a stock client was back at its next word.
#[tokio::test]
async fn an_admin_removes_a_stock_client_too() {
    let server = Server::start().await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    let stock = Client::connect(server.addr(), "hall").await;
    stock.say(7, 1, "{}");
    ana.told(Told::Joined("Guest".into())).await;
    let id = ana
        .roster
        .values()
        .find(|m| m.name == "Guest")
        .expect("there")
        .id
        .clone();
    let path = format!("/api/v1/admin/spaces/hall/members/{id}");
    assert_eq!(server.admin("DELETE", &path, b"").await.status, 200);
    assert_eq!(stock.closed().await.code, 4411);
    ana.told(Told::Left("Guest".into(), Reason::Kicked)).await;
    let lost = |told: &(u64, Told)| matches!(told.1, Told::Suspended(_));
    assert!(
        !ana.told.iter().any(lost),
        "it was removed, not lost: {:?}",
        ana.told
    );
    let members = http::get(server.addr(), "/api/v1/spaces/hall/members")
        .await
        .json()["items"]
        .clone();
    assert_eq!(members.as_array().map(Vec::len), Some(1));
}
