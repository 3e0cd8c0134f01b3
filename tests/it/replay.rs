//! Replays: what happened, from any point, at any speed.

#[path = "replay/poses.rs"]
mod poses;

use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use thexr_schema::presence::{Reason, Up};
use thexr_schema::replay::{Order, State, Target};
use thexr_tests::presence::{Member, Told};
use thexr_tests::replay::{Replay, knock};
use thexr_tests::rows::Rows;
use thexr_tests::value::{Content, stroke};
use thexr_tests::{Client, Rng, Server, eventually, http, within};

const SPACE: &str = "hall";

async fn edit(client: &Client, rng: &mut Rng, n: usize) {
    let entity = format!("e{}", rng.below(6));
    match rng.below(6) {
        0 => drop(client.delete(&entity)),
        1 => drop(client.push_stroke(&entity, &stroke(&format!("s{n}"), 3))),
        _ => drop(client.set(&entity, "n", &json!(n))),
    }
    client.saved().await;
}

/// The number of the newest event.
async fn newest(server: &Server) -> i64 {
    Rows::open(&server.folder()).await.head(SPACE).await.seq
}

fn seq(seq: i64) -> Target {
    Target::Seq(seq.unsigned_abs())
}

/// SPEC R1, R2, R5: from the beginning to the end a replay is the history, byte by byte, and ends at the present.
#[tokio::test]
async fn the_end_of_a_replay_is_the_present() {
    let server = Server::start().await;
    let (ana, ben) = (
        Client::connect(server.addr(), SPACE).await,
        Client::connect(server.addr(), SPACE).await,
    );
    let mut rng = Rng::new(7);
    for n in 0..60 {
        edit(if n % 2 == 0 { &ana } else { &ben }, &mut rng, n).await;
        if n == 30 {
            server.compact(SPACE, false).await;
        }
    }
    // More than waits for a connection: the replay stands still until it is read.
    for n in 0..8 {
        ana.set("large", "text", &json!(format!("{n}").repeat(100_000)));
        ana.saved().await;
    }
    let mut replay = Replay::start(server.addr(), SPACE, "?speed=64").await;
    replay.ends().await;
    assert_eq!(replay.content(), server.content(SPACE).await);
    let rows = Rows::open(&server.folder()).await;
    let history = rows.whole_history(SPACE).await;
    let edits: Vec<Vec<u8>> = history
        .values()
        .filter(|(kind, _)| *kind == 1)
        .map(|(_, p)| p.clone())
        .collect();
    assert_eq!(replay.updates, edits);
    let position = replay.at();
    assert_eq!(
        (position.seq, position.newest, position.oldest),
        (history.len() as u64, history.len() as u64, 0)
    );
    // What happens now is played when it is asked for.
    ana.set("late", "n", &json!(1));
    ana.saved().await;
    replay.say(Order::Play).await;
    let seen = position.seq;
    replay
        .until("the new event", |replay| {
            replay.at().seq > seen && replay.at().state == State::Ended
        })
        .await;
    assert_eq!(replay.content(), server.content(SPACE).await);
}

/// SPEC R2, R3: at any point the document is the one that was there.
#[tokio::test]
async fn every_point_of_a_replay_is_what_it_was() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), SPACE).await;
    let mut rng = Rng::new(11);
    let mut points: BTreeMap<i64, Content> = BTreeMap::new();
    for n in 0..40 {
        edit(&client, &mut rng, n).await;
        points.insert(newest(&server).await, server.content(SPACE).await);
        if n == 15 {
            server.compact(SPACE, false).await;
        }
    }
    let mut replay = Replay::start(server.addr(), SPACE, "?paused=1").await;
    assert_eq!((replay.at().state, replay.at().seq), (State::Paused, 0));
    let all: Vec<i64> = points.keys().copied().collect();
    for _ in 0..12 {
        let point = all[rng.below(all.len())];
        replay.seek(seq(point)).await;
        assert_eq!(replay.at().seq, point as u64);
        assert_eq!(replay.content(), points[&point], "at {point}");
    }
    replay.seek(seq(all[3])).await;
    for at in [4, 5, 6] {
        replay.step(1).await;
        assert_eq!(replay.content(), points[&all[at]], "one further");
    }
    for at in [5, 4, 3] {
        replay.step(-1).await;
        assert_eq!(replay.content(), points[&all[at]], "one back");
    }
    replay.step(3).await;
    assert_eq!(replay.content(), points[&all[6]]);
    assert_eq!(replay.at().state, State::Paused);
    replay.step(-100).await;
    assert_eq!(replay.at().seq, 0, "no further back than the beginning");
    assert_eq!(replay.content().json["entities"], json!({}));
    replay.seek(Target::Seq(1 << 40)).await;
    assert_eq!(
        replay.content(),
        points[all.last().expect("points")],
        "nor further than the end"
    );
    // A time is as good as a number.
    replay.seek(Target::Time(0)).await;
    assert_eq!(replay.at().at, replay.at().range[0]);
    let end = replay.at().range[1];
    let mut later = Replay::start(server.addr(), SPACE, &format!("?at={end}&paused=1")).await;
    assert_eq!(later.content(), points[all.last().expect("points")]);
    later.say(Order::Play).await;
    later.ends().await;
}

/// SPEC R2. Regression: what follows a document of more than 8 MiB had no room behind it.
#[tokio::test]
async fn a_large_document_is_replayed() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), SPACE).await;
    large(&client).await;
    let last = newest(&server).await;
    let mut replay = Replay::start(server.addr(), SPACE, &format!("?from={last}&paused=1")).await;
    assert!(replay.content() == server.content(SPACE).await, "another content");
    replay.seek(seq(0)).await;
    replay.step(100).await;
    assert!(replay.content() == server.content(SPACE).await, "another content");
}

/// A document of 9 MiB.
async fn large(client: &Client) {
    for n in 0..3 {
        client.set(&format!("large{n}"), "text", &json!("x".repeat(3 << 20)));
        client.saved().await;
    }
}

/// SPEC R5. Regression: what came behind a large document was played while that was still on its way.
#[tokio::test]
async fn a_replay_stands_still_until_its_document_is_read() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), SPACE).await;
    large(&client).await;
    let first = newest(&server).await;
    for n in 0..5 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.set("e", "n", &json!(n));
        client.saved().await;
    }
    // Half a second of recording, at a quarter of its speed.
    let query = format!("?from={first}&speed=0.25");
    let mut replay = Replay::unread(server.addr(), SPACE, &query, 64 << 10).await;
    tokio::time::sleep(Duration::from_millis(3_000)).await;
    replay
        .until("the beginning", |replay| replay.position.is_some())
        .await;
    replay.say(Order::Pause).await;
    replay
        .until("the pause", |replay| replay.at().state != State::Playing)
        .await;
    assert_eq!(replay.at().state, State::Paused, "{:?}", replay.at());
}

/// SPEC R3: of many moments that are asked for at once the last is shown.
#[tokio::test]
async fn who_drags_a_slider_gets_where_it_stops() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), SPACE).await;
    for n in 0..10 {
        client.set("e", "n", &json!(n));
        client.saved().await;
    }
    let last = newest(&server).await.unsigned_abs();
    let mut replay = Replay::start(server.addr(), SPACE, "?paused=1").await;
    for id in 1..=200 {
        let to = Target::Seq(id % last);
        replay.say(Order::Seek { id, to }).await;
    }
    replay.until("the last", |replay| replay.at().id == 200).await;
    assert_eq!(replay.at().seq, 200 % last);
    assert!(
        replay.resets.len() < 200,
        "{} of 200 were shown",
        replay.resets.len()
    );
}

/// SPEC R3. Regression: nothing was shown as long as yet another moment was asked for.
#[tokio::test]
async fn who_drags_a_slider_sees_the_moments_pass() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), SPACE).await;
    for n in 0..10 {
        client.set("e", "n", &json!(n));
        client.saved().await;
    }
    let mut replay = Replay::start(server.addr(), SPACE, "?paused=1").await;
    let mut id = 0;
    within("ten moments", async {
        while replay.resets.len() < 10 {
            id += 1;
            let to = Target::Seq(id % 10);
            replay.say(Order::Seek { id, to }).await;
            replay.look(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// SPEC R2: joins, losses, returns and leaves are those of the journal, with their numbers and reasons.
#[tokio::test]
async fn who_came_and_went_is_told_as_it_was_told() {
    let server = Server::start().await;
    let mut ana = Member::join(server.addr(), SPACE, "ana").await;
    let mut ben = Member::join(server.addr(), SPACE, "ben").await;
    ana.told(Told::Joined("ben".into())).await;
    let cleo = Member::join(server.addr(), SPACE, "cleo").await;
    ana.told(Told::Joined("cleo".into())).await;
    let id = cleo.id.clone();
    let token = cleo.vanish();
    ana.told(Told::Suspended("cleo".into())).await;
    let cleo = Member::enter(server.addr(), SPACE, "cleo", Some(token)).await;
    ana.told(Told::Resumed("cleo".into())).await;
    ben.say(&Up::Bye).await;
    ana.told(Told::Left("ben".into(), Reason::Bye)).await;
    server
        .admin(
            "DELETE",
            &format!("/api/v1/admin/spaces/{SPACE}/members/{id}"),
            b"",
        )
        .await;
    ana.told(Told::Left("cleo".into(), Reason::Kicked)).await;
    drop(cleo);
    let live: Vec<(u64, Told)> = ana.told.iter().filter(|(seq, _)| *seq > 0).cloned().collect();
    let mut replay = Replay::start(server.addr(), SPACE, "?speed=64").await;
    replay.ends().await;
    assert_eq!(replay.told[0], (1, Told::Joined("ana".into())));
    assert_eq!(replay.told[1..], live[..]);
    assert_eq!(replay.names(), ["ana"]);
    let lost = live
        .iter()
        .find(|(_, told)| matches!(told, Told::Suspended(_)))
        .expect("told")
        .0;
    for (at, names) in [
        (lost, vec!["ana", "ben", "cleo?"]),
        (2, vec!["ana", "ben"]),
        (lost + 1, vec!["ana", "ben", "cleo"]),
    ] {
        replay.seek(Target::Seq(at)).await;
        assert_eq!(replay.names(), names, "after {at}");
    }
    // From wherever it comes, as one that has been nowhere yet.
    for at in (0..=live.last().expect("told").0).rev().step_by(2) {
        replay.seek(Target::Seq(at)).await;
        let fresh = Replay::start(server.addr(), SPACE, &format!("?from={at}&paused=1")).await;
        assert_eq!(replay.names(), fresh.names(), "after {at}");
    }
}

/// SPEC R4. Regression: the newest event and the end of the recording were those of the last jump.
#[tokio::test]
async fn where_the_end_is_stays_true_while_a_space_goes_on() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), SPACE).await;
    let edits = async |from: u32| {
        for n in from..from + 15 {
            client.set("e", "n", &json!(n));
            client.saved().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    edits(0).await;
    let mut replay = Replay::start(server.addr(), SPACE, "").await;
    let watch = replay.until("the end", |replay| {
        let at = replay.at();
        assert!(at.seq <= at.newest && at.at <= at.range[1] + 1, "{at:?}");
        at.newest >= 30 && at.state == State::Ended
    });
    tokio::join!(watch, edits(15));
}

/// SPEC R5. Regression: what was pruned while a replay stood there was left out, and all that builds on it with it.
#[tokio::test]
async fn a_replay_goes_on_where_the_history_begins_now() {
    let server = Server::start().await;
    let client = Client::connect(server.addr(), SPACE).await;
    let mut replay: Option<Replay> = None;
    let path = format!("/api/v1/admin/spaces/{SPACE}/retention");
    for round in 0..4 {
        for n in 0..5 {
            client.push_stroke("board", &stroke(&format!("{round}-{n}"), 3));
            client.set("e", "n", &json!(n));
            client.saved().await;
        }
        if round == 3 {
            // It goes with the next compaction.
            let told = server.admin("PATCH", &path, br#"{"bytes":1}"#).await;
            assert_eq!(told.status, 200, "{:?}", told.text());
        }
        server.compact(SPACE, false).await;
        if round == 0 {
            replay = Some(Replay::start(server.addr(), SPACE, "?paused=1&speed=64").await);
        }
    }
    let mut replay = replay.expect("begun");
    let oldest = eventually("the past is pruned", async || {
        let info = http::get(server.addr(), &format!("/api/v1/spaces/{SPACE}"))
            .await
            .json();
        info["oldest_seq"].as_u64().filter(|oldest| *oldest > 0)
    })
    .await;
    replay.say(Order::Play).await;
    replay.ends().await;
    assert_eq!(replay.resets, [(0, 0), (0, oldest)]);
    assert_eq!(replay.content(), server.content(SPACE).await);
}

/// SPEC R1.
#[tokio::test]
async fn what_cannot_be_replayed_is_refused() {
    let server = Server::start().await;
    assert_eq!(
        knock(server.addr(), SPACE, "").await.status,
        101,
        "our subprotocol is told by a close code"
    );
    let spaces = http::get(server.addr(), "/api/v1/spaces").await.json();
    assert_eq!(spaces["items"], json!([]), "a replay makes no space");
    Client::connect(server.addr(), SPACE).await.saved().await;
    for bad in [
        "?speed=0",
        "?speed=65",
        "?speed=x",
        "?from=x",
        "?at=yesterday",
        "?from=1&at=1",
        "?paused=perhaps",
        "?x=1",
    ] {
        assert_eq!(knock(server.addr(), SPACE, bad).await.status, 400, "{bad}");
    }
    let mut replay = Replay::start(server.addr(), SPACE, "").await;
    replay.socket().message(&[103, 1, 3]).await;
    assert_eq!(replay.socket().close().await.0, 4400);
    let mut replay = Replay::start(server.addr(), SPACE, "").await;
    // A stock client greets; that is no order.
    replay
        .socket()
        .message(&thexr_schema::frame::sync_step1(&[0]))
        .await;
    replay.say(Order::Speed(2.0)).await;
    replay.until("the speed", |replay| replay.at().speed == 2.0).await;
    let gone = server
        .admin("DELETE", &format!("/api/v1/spaces/{SPACE}"), b"")
        .await;
    assert_eq!(gone.status, 204);
    replay
        .say(Order::Seek {
            id: 1,
            to: Target::Seq(0),
        })
        .await;
    assert_eq!(replay.socket().close().await.0, 4404);
}
