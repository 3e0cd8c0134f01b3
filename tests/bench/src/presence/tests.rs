//! A crowd against a server of forty lines: what it measures is what that server does.

use super::avatar::{Counts, Group};
use super::crowd::{Crowd, Habits};
use super::motion::{Motion, Place};
use crate::ws;
use anyhow::{Result, ensure};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use thexr_schema::presence::{Payloads, Record, Up, Welcome, down, message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

const TICK_MS: u64 = 50;

type Poses = Rc<RefCell<BTreeMap<u16, Record>>>;

/// Passes everybody's newest pose to everybody every tick, and leaves out every `gap`th tick.
async fn serve(listener: TcpListener, gap: u32) {
    let poses = Poses::default();
    let tick0 = tokio::time::Instant::now();
    let tick0_unix_ms = unix_ms();
    for handle in 1.. {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a request"));
        }
        let answer = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
        stream.write_all(answer).await.expect("an answer");
        let (stream, poses) = (Rc::new(stream), poses.clone());
        say(&stream, &welcome(handle, tick0_unix_ms)).await;
        tokio::task::spawn_local(hear(stream.clone(), handle, poses.clone()));
        tokio::task::spawn_local(async move {
            for n in 1u32.. {
                tokio::time::sleep_until(tick0 + Duration::from_millis(TICK_MS * u64::from(n))).await;
                if n % gap != 0 {
                    let tick = tick(n, &poses.borrow());
                    say(&stream, &tick).await;
                }
            }
        });
    }
}

fn unix_ms() -> f64 {
    let since = SystemTime::UNIX_EPOCH.elapsed();
    since.map_or(0.0, |since| since.as_secs_f64() * 1e3)
}

fn welcome(handle: u16, tick0_unix_ms: f64) -> Vec<u8> {
    Welcome {
        resumed: false,
        handle,
        member: [handle as u8; 16],
        token: [1; 16],
        tick_ms: TICK_MS as u16,
        tick_now: 0,
        tick0_unix_ms,
        origin: [0.0; 3],
        unit_shift: 0,
        grace_ms: 15_000,
        cell_m: 8,
        every: [8, 20],
        budget: 48_000,
        epoch: "e",
        user: "u",
        name: "n",
    }
    .write()
}

fn tick(n: u32, poses: &BTreeMap<u16, Record>) -> Vec<u8> {
    let mut out = down::tick_header(n, true, 0, poses.len() as u16, 0).to_vec();
    for (handle, record) in poses {
        out.extend(handle.to_le_bytes());
        out.extend(record.as_bytes());
    }
    out
}

/// Writes an unmasked frame.
async fn say(stream: &TcpStream, payload: &[u8]) {
    let message = message(payload);
    let mut frame = vec![0x82, 126];
    frame.extend((message.len() as u16).to_be_bytes());
    frame.extend(message);
    let _ = ws::write_all(stream, &frame).await;
}

/// Keeps the poses, and answers pings.
async fn hear(stream: Rc<TcpStream>, handle: u16, poses: Poses) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        stream.readable().await.expect("readable");
        match stream.try_read(&mut buffer) {
            Ok(0) => {
                poses.borrow_mut().remove(&handle);
                return;
            }
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
            Err(_) => continue,
        }
        // Masked with zeros, and short.
        while bytes.len() >= 6 && bytes.len() >= 6 + usize::from(bytes[1] & 0x7F) {
            let end = 6 + usize::from(bytes[1] & 0x7F);
            let payloads: Vec<Vec<u8>> = Payloads::new(&bytes[6..end])
                .map(|payload| payload.expect("a payload").to_vec())
                .collect();
            bytes.drain(..end);
            for payload in payloads {
                match Up::read(&payload).expect("well formed") {
                    Up::Pose { record, .. } => {
                        poses.borrow_mut().insert(handle, record);
                    }
                    Up::Ping { id, t0 } => {
                        say(&stream, &down::pong(id, t0, unix_ms(), unix_ms())).await;
                    }
                    _ => {}
                }
            }
        }
    }
}

/// A second of a crowd of six; gives p50 of the staleness, ms. Fails where the machine was too busy for that.
async fn crowd(addr: SocketAddr, phase_locked: bool) -> Result<f64> {
    let habits = Habits {
        phase_locked,
        rosters: false,
        size: 6,
        slow_bytes_per_s: 10_000,
    };
    let mut crowd = Crowd::new(addr, "test", Rc::new(Motion::load()), habits);
    let places: Vec<Place> = (0..6).map(|n| Place::in_square(n, 10.0)).collect();
    crowd
        .gather(&places, Group::Healthy, addr)
        .await
        .expect("they come");
    // Long enough for two PINGs.
    tokio::time::sleep(Duration::from_millis(400)).await;
    crowd.shared.from_us.set(crate::load::now_us());
    crowd
        .shared
        .avatars
        .borrow()
        .iter()
        .for_each(|a| a.counts.set(Counts::default()));
    tokio::time::sleep(Duration::from_millis(900)).await;
    crowd.shared.sound().expect("nothing wrong");
    for avatar in crowd.shared.avatars.borrow().iter() {
        let counts = avatar.counts.get();
        ensure!((11..=18).contains(&counts.ticks), "{counts:?}");
        ensure!((2..=5).contains(&counts.skipped), "{counts:?}");
        ensure!((12..=19).contains(&counts.poses), "{counts:?}");
        ensure!(counts.moved > 5 && counts.bytes > 2_000, "{counts:?}");
    }
    let [lost, found] = crowd.shared.unmatched.get();
    ensure!(lost == 0 && found > 200, "{lost} and {found}");
    let staleness = crowd.shared.staleness.borrow();
    let (count, max) = (staleness[0].count(), staleness[0].max_ms());
    ensure!(count > 200 && max < 200.0, "{count} samples, at most {max} ms");
    Ok(staleness[0].percentile_ms(50.0))
}

#[test]
fn a_crowd_measures_what_the_server_does_and_a_locked_phase_makes_poses_fresher() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        tokio::task::spawn_local(serve(listener, 4));
        let both = async || {
            let (free, locked) = (crowd(addr, false).await?, crowd(addr, true).await?);
            ensure!((5.0..60.0).contains(&free), "{free} ms");
            ensure!(locked < 30.0, "{locked} ms, {free} ms without");
            Ok(())
        };
        // What is wrong is wrong each time; what the machine does meanwhile is not.
        let mut rounds = Vec::new();
        while let Err(error) = both().await {
            rounds.push(format!("{error:#}"));
            assert!(rounds.len() < 5, "{rounds:?}");
        }
    });
}
