//! Members and poses, through `/presence`.

use serde_json::{Value, json};
use std::time::Duration;
use thexr_schema::presence::{Reason, Up, message};
use thexr_tests::presence::{Member, Told, at, knock};
use thexr_tests::{Server, http};

async fn members(server: &Server, space: &str) -> Vec<Value> {
    let path = format!("/api/v1/spaces/{space}/members");
    let body = http::get(server.addr(), &path).await.json();
    body["items"].as_array().expect("a list").clone()
}

/// SPEC M8.
#[tokio::test]
async fn who_comes_and_goes_is_told_and_numbered() {
    let server = Server::start().await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    assert_eq!(ana.names(), ["ana"]);
    let mut ben = Member::join(server.addr(), "hall", "ben").await;
    assert_eq!(ben.names(), ["ana", "ben"]);
    ana.told(Told::Joined("ben".into())).await;
    ben.say(&Up::Bye).await;
    assert_eq!(ben.socket().close().await.0, 1000);
    ana.told(Told::Left("ben".into(), Reason::Bye)).await;
    let seqs: Vec<u64> = ana.told.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, [2, 3], "ana's own join is 1");
    assert_eq!(ana.names(), ["ana"]);
}

/// SPEC M9. Regression (the prototype): a refresh is no leave and no join.
#[tokio::test]
async fn a_refresh_is_suspended_and_resumed() {
    let server = Server::start().await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    let ben = Member::join(server.addr(), "hall", "ben").await;
    let (handle, id) = (ben.handle, ben.id.clone());
    let token = ben.vanish();
    ana.told(Told::Suspended("ben".into())).await;
    assert_eq!(ana.names(), ["ana", "ben?"]);
    assert_eq!(members(&server, "hall").await[1]["away"], json!(true));
    let ben = Member::enter(server.addr(), "hall", "ben", Some(token)).await;
    assert!(ben.resumed && ben.handle == handle && ben.id == id);
    ana.told(Told::Resumed("ben".into())).await;
    assert!(
        !ana.told.iter().any(|(_, told)| matches!(told, Told::Left(..))),
        "{:?}",
        ana.told
    );
    assert_eq!(
        ana.told
            .iter()
            .filter(|(_, t)| matches!(t, Told::Joined(_)))
            .count(),
        1
    );
}

/// SPEC M9.
#[tokio::test]
async fn who_does_not_come_back_has_left_once() {
    let server = Server::with(|config| config.grace = Duration::from_secs(1)).await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    let ben = Member::join(server.addr(), "hall", "ben").await;
    let token = ben.vanish();
    ana.told(Told::Left("ben".into(), Reason::Grace)).await;
    let ben = Member::enter(server.addr(), "hall", "ben", Some(token)).await;
    assert!(
        !ben.resumed,
        "a token of somebody who has left makes a new member"
    );
    ana.until("the new one", |m| m.names() == ["ana", "ben"]).await;
    let left = ana
        .told
        .iter()
        .filter(|(_, t)| matches!(t, Told::Left(..)))
        .count();
    assert_eq!(left, 1);
}

/// Regression (the prototype): closing one of two tabs of a user leaves the other one in place.
#[tokio::test]
async fn two_tabs_of_a_user_are_two_members() {
    let server = Server::start().await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    let mut tab = Member::join(server.addr(), "hall", "ana").await;
    assert_ne!(ana.id, tab.id);
    tab.say(&Up::Bye).await;
    ana.told(Told::Left("ana".into(), Reason::Bye)).await;
    assert_eq!(ana.names(), ["ana"]);
}

/// SPEC M9.
#[tokio::test]
async fn a_second_connection_with_a_token_takes_the_place_over() {
    let server = Server::start().await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    let mut ben = Member::join(server.addr(), "hall", "ben").await;
    let again = Member::enter(server.addr(), "hall", "ben", Some(ben.token)).await;
    assert_eq!((again.handle, &again.id), (ben.handle, &ben.id));
    assert_eq!(ben.socket().close().await, (4410, "replaced".to_owned()));
    let cleo = Member::join(server.addr(), "hall", "cleo").await;
    assert_eq!(cleo.names(), ["ana", "ben", "cleo"]);
    ana.told(Told::Joined("cleo".into())).await;
    assert!(
        !ana.told
            .iter()
            .any(|(_, t)| matches!(t, Told::Suspended(_) | Told::Left(..)))
    );
}

/// SPEC M9: nobody has left because the server was away.
#[tokio::test]
async fn after_a_restart_everybody_is_suspended_and_may_come_back() {
    let mut server = Server::with(|config| config.grace = Duration::from_secs(2)).await;
    let ana = Member::join(server.addr(), "hall", "ana").await;
    let ben = Member::join(server.addr(), "hall", "ben").await;
    let (token, handle) = (ana.token, ana.handle);
    drop((ana, ben));
    server.restart().await;
    assert_eq!(
        members(&server, "hall").await.len(),
        2,
        "known from the first answer on"
    );
    let mut ana = Member::enter(server.addr(), "hall", "ana", Some(token)).await;
    assert!(ana.resumed && ana.handle == handle);
    assert_eq!(ana.names(), ["ana", "ben?"]);
    ana.told(Told::Left("ben".into(), Reason::Shutdown)).await;
}

#[tokio::test]
async fn a_space_where_nobody_comes_any_more_still_writes_the_leaves() {
    let mut server = Server::with(|config| {
        config.grace = Duration::from_secs(1);
        config.idle = Duration::from_secs(1);
    })
    .await;
    let ana = Member::join(server.addr(), "hall", "ana").await;
    drop(ana);
    server.restart().await;
    // Woken by nobody but the start.
    server.metric_is("thexr_spaces_loaded", |n| n == 1.0).await;
    server.sleeps("hall").await;
    assert!(members(&server, "hall").await.is_empty());
    let seq = http::get(server.addr(), "/api/v1/spaces/hall").await.json()["seq"].clone();
    assert_eq!(seq, json!(3), "joined, suspended, left");
}

#[tokio::test]
async fn an_admin_removes_a_member() {
    let server = Server::start().await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    let mut ben = Member::join(server.addr(), "hall", "ben").await;
    let path = format!("/api/v1/admin/spaces/hall/members/{}", ben.id);
    assert_eq!(server.admin("DELETE", &path, b"").await.status, 200);
    assert_eq!(ben.socket().close().await, (4411, "kicked".to_owned()));
    ana.told(Told::Left("ben".into(), Reason::Kicked)).await;
    assert_eq!(server.admin("DELETE", &path, b"").await.status, 404);
    assert_eq!(members(&server, "hall").await.len(), 1);
}

/// SPEC M5, M6, M7.
#[tokio::test]
async fn poses_reach_those_who_are_near_and_dots_the_rest() {
    let server = Server::start().await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    let mut ben = Member::join(server.addr(), "hall", "ben").await;
    let mut far = Member::join(server.addr(), "hall", "far").await;
    ana.pose(at(0.0, 0.0)).await;
    far.pose(at(100.0, 0.0)).await;
    let place = at(2.0, 1.0);
    ben.pose(place).await;
    let handle = ben.handle;
    ana.until("ben's pose", |m| m.poses.contains_key(&handle)).await;
    let mut seen = ana.poses[&handle].0;
    seen.set_age_ms(0);
    assert_eq!(seen, place);
    let handle = far.handle;
    ana.until("a dot of the far one", |m| m.dots.contains_key(&handle))
        .await;
    assert!(!ana.poses.contains_key(&handle));
}

/// SPEC M12.
#[tokio::test]
async fn what_is_said_reaches_everybody_the_newest_of_a_key_at_least() {
    let server = Server::start().await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    let mut ben = Member::join(server.addr(), "hall", "ben").await;
    for n in 0..10u8 {
        let say = Up::Say {
            topic: "preview",
            key: "box/transform",
            data: &[n],
        };
        ben.say(&say).await;
    }
    let last = (
        ben.handle,
        "preview".to_owned(),
        "box/transform".to_owned(),
        vec![9],
    );
    ana.until("the newest", |m| m.said.contains(&last)).await;
    ben.say(&Up::State("{\"mood\":\"fine\"}")).await;
    ana.told(Told::State("ben".into())).await;
    assert_eq!(ana.roster[&ben.handle].state, "{\"mood\":\"fine\"}");
    assert_eq!(
        members(&server, "hall").await[1]["state"],
        json!({"mood": "fine"})
    );
}

/// SPEC M1, M2, M4; corpus rows 90, 93 and 94.
#[tokio::test]
async fn what_is_no_message_ends_the_connection_and_nobody_elses() {
    let server = Server::start().await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    let hello = |state: &str| {
        let hello = thexr_schema::presence::Hello {
            state,
            ..Default::default()
        };
        message(&Up::Hello(hello).write())
    };
    let good = hello("{}");
    let cases: [(&str, Vec<u8>); 8] = [
        ("empty", vec![]),
        ("another protocol", vec![0, 0, 1, 0]),
        ("no kind", vec![84, 0]),
        ("cut", good[..good.len() - 1].to_vec()),
        ("state is no JSON", hello("{")),
        ("state is no object", hello("null")),
        ("two of them", [&good[..], &good[..]].concat()),
        ("a pose of 255 bytes", message(&[&[2u8][..], &[0; 254]].concat())),
    ];
    for (name, bytes) in cases {
        let mut socket = knock(server.addr(), "hall", "", None).await;
        socket.message(&bytes).await;
        let (code, reason) = socket.close().await;
        assert_eq!(code, 4400, "{name}: {reason}");
    }
    let mut early = knock(server.addr(), "hall", "", None).await;
    let pose = Up::Pose {
        seq: 1,
        t_client: 0,
        record: at(0.0, 0.0),
    };
    early.message(&message(&pose.write())).await;
    server
        .metric_is("thexr_presence_dropped_total{kind=\"early\"}", |n| n == 1.0)
        .await;
    early
        .message(&message(&Up::Ping { id: 7, t0: 1.0 }.write()))
        .await;
    early.message_with(&[84, 27, 0x85, 7, 0]).await;
    let evil = knock(server.addr(), "hall", "?name=%3Cimg%20onerror%3E", None).await;
    let evil = Member::hello(evil, None, "{}").await;
    ana.told(Told::Joined("<img onerror>".into())).await;
    drop(evil);
    server.assert_alive().await;
}

/// A crowd that comes at once ends with one list, the same for all (P9 of notes/presence.md in small).
#[tokio::test]
async fn everybody_knows_the_same_after_a_crowd_came_refreshed_and_went() {
    let server = Server::start().await;
    let mut crowd = Vec::new();
    for n in 0..30 {
        crowd.push(Member::join(server.addr(), "hall", &format!("m{n}")).await);
    }
    let names: Vec<String> = crowd[29].names();
    assert_eq!(names.len(), 30);
    let mut back = Vec::new();
    for (n, member) in crowd.drain(10..).enumerate() {
        back.push((n + 10, member.vanish()));
    }
    for (n, _) in &back {
        crowd[0].told(Told::Suspended(format!("m{n}"))).await;
    }
    for (n, token) in back {
        crowd.push(Member::enter(server.addr(), "hall", &format!("m{n}"), Some(token)).await);
    }
    for member in &mut crowd {
        member.until("all are here", |m| m.names() == names).await;
        assert!(!member.told.iter().any(|(_, t)| matches!(t, Told::Left(..))));
    }
    let seen = |m: &Member| {
        let events = m
            .told
            .iter()
            .filter(|(_, t)| matches!(t, Told::Resumed(_)))
            .count();
        (events, m.roster.len())
    };
    assert_eq!(seen(&crowd[0]), (20, 30));
}

/// SPEC M8: what a roster leaves out comes after it, also when many come in one commit.
#[tokio::test]
async fn those_who_come_in_one_commit_know_each_other() {
    let server = Server::start().await;
    let joining: Vec<_> = (0..40)
        .map(|n| {
            let addr = server.addr();
            tokio::spawn(async move { Member::join(addr, "hall", &format!("m{n:02}")).await })
        })
        .collect();
    let mut crowd = Vec::new();
    for member in joining {
        crowd.push(member.await.expect("joins"));
    }
    for member in &mut crowd {
        member.until("all forty", |m| m.roster.len() == 40).await;
    }
}

/// SPEC M8, M9. Regression: whoever took its place over with another state showed the old one to everybody else.
#[tokio::test]
async fn who_comes_back_is_told_as_it_is_now() {
    let server = Server::start().await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    let ben = Member::join(server.addr(), "hall", "ben").await;
    ana.told(Told::Joined("ben".into())).await;
    for (v, query) in ["?user=ben&name=ben", "?user=ben&name=Benjamin"]
        .into_iter()
        .enumerate()
    {
        let state = format!("{{\"v\":{v}}}");
        let socket = knock(server.addr(), "hall", query, None).await;
        let again = Member::hello(socket, Some(ben.token), &state).await;
        assert_eq!(again.handle, ben.handle);
        ana.until("the new state", |m| m.roster[&ben.handle].state == state)
            .await;
        if v == 0 {
            again.vanish();
            ana.told(Told::Suspended("ben".into())).await;
        } else {
            assert_eq!(ana.roster[&ben.handle].name, "Benjamin");
        }
    }
}

/// Regression: what a member wanted to see was forgotten when it said so before it was let in.
#[tokio::test]
async fn a_view_counts_from_the_first_tick_on() {
    let server = Server::start().await;
    let mut ana = Member::join(server.addr(), "hall", "ana").await;
    ana.pose(at(0.0, 0.0)).await;
    let mut socket = knock(server.addr(), "hall", "", None).await;
    let hello = Up::Hello(thexr_schema::presence::Hello {
        state: "{}",
        ..Default::default()
    });
    let view = Up::View {
        zone: "cellar",
        focus: None,
        budget_kb: 0,
    };
    let both = [message(&hello.write()), message(&view.write())].concat();
    socket.message(&both).await;
    let mut ben = Member::join(server.addr(), "hall", "ben").await;
    ben.say(&view).await;
    let pose = Up::Pose {
        seq: 1,
        t_client: 0,
        record: at(1.0, 0.0),
    };
    socket.message(&message(&pose.write())).await;
    let guest = ben
        .roster
        .iter()
        .find(|(_, m)| m.name == "Guest")
        .map(|(handle, _)| *handle);
    let guest = guest.expect("there");
    ben.until("the one in the cellar", |m| m.poses.contains_key(&guest))
        .await;
}
