//! Where people were, in a replay.

use super::{SPACE, newest, seq};
use serde_json::json;
use thexr::space::track::Chunk;
use thexr_schema::presence::{Record, Up};
use thexr_schema::replay::{Order, State, Target};
use thexr_tests::presence::{Member, at};
use thexr_tests::replay::Replay;
use thexr_tests::rows::Rows;
use thexr_tests::{Client, Server, eventually, http};

/// SPEC R2, T1: poses come as they were written down, which is as they were sent.
#[tokio::test]
async fn poses_come_back_byte_by_byte() {
    let mut server = Server::with(|config| config.pose_track_hz = 20).await;
    let mut ana = Member::join(server.addr(), SPACE, "ana").await;
    let mut ben = Member::join(server.addr(), SPACE, "ben").await;
    let handle = ana.handle;
    for step in 0..20u8 {
        ana.pose(at(f32::from(step) / 10.0, 0.0)).await;
        let n = ben.poses.get(&handle).map_or(0, |(_, n)| *n);
        ben.until("a tick with ana", |m| {
            m.poses.get(&handle).is_some_and(|(_, more)| *more > n)
        })
        .await;
    }
    server.restart().await;
    let rows = Rows::open(&server.folder()).await;
    let history = rows.whole_history(SPACE).await;
    let stored: Vec<(u16, Record)> = history
        .values()
        .filter(|(kind, _)| *kind == 7)
        .flat_map(|(_, payload)| {
            Chunk::unpack(payload)
                .expect("a chunk")
                .samples()
                .expect("samples")
        })
        .flat_map(|sample| sample.records)
        .collect();
    assert!(stored.len() >= 10, "{}", stored.len());
    let mut replay = Replay::start(server.addr(), SPACE, "?speed=64").await;
    replay.ends().await;
    assert_eq!(replay.poses, stored);
    // And in the middle everybody is where they were.
    let last = stored.last().expect("a sample").1;
    replay.seek(Target::Time(u64::MAX >> 12)).await;
    assert!(replay.here.is_empty() || replay.here[&handle] == last);
    let (before, _) = history.iter().find(|(_, (kind, _))| *kind == 7).expect("a chunk");
    replay.seek(seq(*before)).await;
    assert_eq!(replay.here.get(&handle), Some(&last));
}

/// Walks twenty steps, and sees that they were sent on.
async fn walk(who: &mut Member, seen_by: &mut Member) {
    let handle = who.handle;
    for step in 0..20u8 {
        who.pose(at(f32::from(step) / 10.0, 0.0)).await;
        let n = seen_by.poses.get(&handle).map_or(0, |(_, n)| *n);
        seen_by
            .until("a tick with them", |m| {
                m.poses.get(&handle).is_some_and(|(_, more)| *more > n)
            })
            .await;
    }
}

/// Waits until the chunk of poses is stored, as it is when everybody has left.
async fn walked(server: &Server, chunks: usize) {
    let path = format!("/api/v1/spaces/{SPACE}/journal?kind=poses");
    eventually("the poses are stored", async || {
        let page = http::get(server.addr(), &path).await.json();
        (page["items"].as_array().map(Vec::len) == Some(chunks)).then_some(())
    })
    .await;
}

/// SPEC R3. Regression: a step told all of the way there, however long it was, and was closed as a slow reader.
#[tokio::test]
async fn a_step_tells_where_everybody_is_and_not_the_way() {
    let server = Server::with(|config| config.pose_track_hz = 20).await;
    let client = Client::connect(server.addr(), SPACE).await;
    let mut ana = Member::join(server.addr(), SPACE, "ana").await;
    let mut ben = Member::join(server.addr(), SPACE, "ben").await;
    let handle = ana.handle;
    walk(&mut ana, &mut ben).await;
    let stands = ben.poses[&handle].0;
    client.set("e", "n", &json!(1));
    client.saved().await;
    let edit = newest(&server).await;
    ana.say(&Up::Bye).await;
    ben.say(&Up::Bye).await;
    walked(&server, 1).await;
    let mut replay = Replay::start(server.addr(), SPACE, "?paused=1").await;
    replay.seek(seq(edit - 1)).await;
    assert_ne!(replay.here.get(&handle), Some(&stands), "it has yet to walk");
    replay.step(1).await;
    assert_eq!(replay.at().seq, edit.unsigned_abs());
    assert_eq!((replay.here.get(&handle), replay.poses.len()), (Some(&stands), 0));
    replay.step(-1).await;
    assert_ne!(replay.here.get(&handle), Some(&stands));
}

/// SPEC R2. Regression: a replay that had found no more poses never looked for them again.
#[tokio::test]
async fn who_walks_after_the_end_is_seen_to_walk() {
    let server = Server::with(|config| config.pose_track_hz = 20).await;
    Client::connect(server.addr(), SPACE).await.saved().await;
    let mut replay = Replay::start(server.addr(), SPACE, "?speed=64").await;
    replay.ends().await;
    let mut ana = Member::join(server.addr(), SPACE, "ana").await;
    let mut ben = Member::join(server.addr(), SPACE, "ben").await;
    walk(&mut ana, &mut ben).await;
    ana.say(&Up::Bye).await;
    ben.say(&Up::Bye).await;
    walked(&server, 1).await;
    let last = newest(&server).await.unsigned_abs();
    replay.say(Order::Play).await;
    replay
        .until("the end", |replay| {
            replay.at().seq == last && replay.at().state == State::Ended
        })
        .await;
    assert!(replay.poses.len() >= 10, "{}", replay.poses.len());
}
