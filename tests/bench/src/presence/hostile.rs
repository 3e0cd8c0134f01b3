//! P11: what strangers do to a room: fuzz of the presence protocol at ten thousand messages a second, awareness that
//! claims more than it holds, JSON that is none, ids of others, and goodbyes of people who never were.

use super::crowd::Crowd;
use super::motion::Motion;
use super::room::{self, Room, SPACE};
use super::stock::{self, Stock};
use super::window::{self, Measured};
use crate::Run;
use crate::process::Process;
use crate::report::Row;
use crate::ws::{self, Socket, Target};
use anyhow::Result;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use thexr_schema::frame;
use thexr_schema::lib0::{write_str, write_var};
use thexr_schema::presence::{Hello, SUBPROTOCOL, Up, message};
use tokio::task::JoinSet;

/// Cursors that watch.
const VICTIMS: usize = 10;
/// Fuzz messages per millisecond.
const FUZZ_PER_MS: usize = 10;
/// Attacks of every other kind per second.
const ATTACKS_PER_S: f64 = 200.0;
/// Entries of one flood message: as many as a message may hold.
const FLOOD_ENTRIES: u64 = 64;
/// How long a thrown-out attacker waits.
const RETRY: Duration = Duration::from_millis(20);

/// Attacks on the document socket.
#[derive(Debug, Clone, Copy)]
enum Attack {
    Bomb,
    BadJson,
    Theft,
    Flood,
}

/// One row.
pub async fn run(run: &Run, case: &str, room: Room) -> Result<Vec<Row>> {
    let motion = Rc::new(Motion::load());
    let program = room::server(room.avatars)?;
    let crowd = room.gather(program.addr, &motion).await?;
    let stock = Stock::start(program.addr, SPACE, VICTIMS).await?;
    stock.tally.echo.set(true);
    tokio::time::sleep(run.warmup()).await;
    let (before, calm) = watch(run, &crowd, &program, &stock).await;
    let memory = program.resident_bytes();
    let tries = Rc::new(Cell::new([0u64; 2]));
    let mut attackers = JoinSet::new();
    attackers.spawn_local(fuzz(program.addr, tries.clone()));
    for attack in [Attack::Bomb, Attack::BadJson, Attack::Theft, Attack::Flood] {
        attackers.spawn_local(attack_sync(program.addr, attack, tries.clone()));
    }
    let (after, attacked) = watch(run, &crowd, &program, &stock).await;
    let grown = program.resident_bytes() - memory;
    drop(attackers);
    crowd.shared.sound()?;
    let p99 = |m: &Measured| m.staleness_ms(super::avatar::Group::Healthy, 99.0);
    let [messages, connections] = tries.get();
    Ok(vec![
        after
            .onto(room.row(case, &motion))
            .number("staleness_p99_growth_ms", p99(&after) - p99(&before))
            .number(
                "cursor_p99_growth_ms",
                attacked.latency.percentile_ms(99.0) - calm.latency.percentile_ms(99.0),
            )
            .number("server_memory_growth_MB", grown / 1e6)
            .number("attack_messages_per_s", messages as f64 / after.seconds)
            .number("attack_connections_per_s", connections as f64 / after.seconds)
            .number("strange_entries", attacked.counts.strange as f64)
            .number("unreadable_messages", attacked.counts.broken as f64)
            .number("victims_ended", f64::from(attacked.ended)),
    ])
}

async fn watch(run: &Run, crowd: &Crowd, program: &Process, stock: &Stock) -> (Measured, stock::Cursors) {
    stock.open();
    let measured = window::measure(crowd, program, run.window()).await;
    (measured, stock.close())
}

/// Counts a sent message, or a new connection.
fn count(tries: &Cell<[u64; 2]>, which: usize, by: u64) {
    let mut numbers = tries.get();
    numbers[which] += by;
    tries.set(numbers);
}

/// Comes in properly, then sends messages of id 84 with anything inside; again and again.
async fn fuzz(addr: SocketAddr, tries: Rc<Cell<[u64; 2]>>) {
    let mut seed = 11u64;
    let path = format!("/presence/{SPACE}?user=fuzz&name=Fuzz");
    loop {
        let target = Target {
            path: &path,
            protocol: Some(SUBPROTOCOL),
            ..Target::default()
        };
        if let Ok(mut socket) = Socket::open(addr, &target).await {
            count(&tries, 1, 1);
            let hello = Up::Hello(Hello {
                want_hz: 20,
                state: "{}",
                ..Hello::default()
            });
            let _ = socket.send(&message(&hello.write())).await;
            let stream = socket.stream.clone();
            let sending = async {
                let mut every = tokio::time::interval(Duration::from_millis(1));
                let mut out = Vec::new();
                loop {
                    every.tick().await;
                    out.clear();
                    for _ in 0..FUZZ_PER_MS {
                        ws::put_message(&mut out, &message(&noise(&mut seed)));
                    }
                    if ws::write_all(&stream, &out).await.is_err() {
                        return;
                    }
                    count(&tries, 0, FUZZ_PER_MS as u64);
                }
            };
            tokio::select! {
                () = sending => {}
                () = until_closed(&mut socket) => {}
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn until_closed(socket: &mut Socket) {
    while socket.read(|_| ()).await.is_ok() {}
}

/// A payload that nobody wrote: mostly of a kind that is skipped, so that the connection lives.
fn noise(seed: &mut u64) -> Vec<u8> {
    let mut next = || {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        (*seed >> 24) as u8
    };
    let kind = if next() < 250 {
        0x40 | next() & 0x3F
    } else {
        next() & 0x0F
    };
    let len = usize::from(next() & 0x3F);
    std::iter::once(kind).chain((0..len).map(|_| next())).collect()
}

/// Sends one kind of attack again and again; comes back when it is thrown out.
async fn attack_sync(addr: SocketAddr, attack: Attack, tries: Rc<Cell<[u64; 2]>>) {
    let mut clock = 1_000_000;
    loop {
        if let Ok(mut socket) = Socket::connect(addr, SPACE).await {
            count(&tries, 1, 1);
            let stream = socket.stream.clone();
            let sending = async {
                let mut every = tokio::time::interval(Duration::from_secs_f64(1.0 / ATTACKS_PER_S));
                let mut out = Vec::new();
                loop {
                    every.tick().await;
                    clock += 1;
                    out.clear();
                    ws::put_message(&mut out, &frame::awareness(&update(attack, clock)));
                    if ws::write_all(&stream, &out).await.is_err() {
                        return;
                    }
                    count(&tries, 0, 1);
                }
            };
            tokio::select! {
                () = sending => {}
                () = until_closed(&mut socket) => {}
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// An awareness update of the attack.
fn update(attack: Attack, clock: u64) -> Vec<u8> {
    let stolen = format!("{{\"{}\":true}}", stock::STOLEN);
    let mut out = Vec::new();
    match attack {
        Attack::Bomb => write_var(&mut out, 100_000_000),
        Attack::BadJson => out = stock::entry(clock, 1, "{\"a\":"),
        Attack::Theft => out = stock::entry(stock::FIRST_CLIENT + clock % VICTIMS as u64, clock, &stolen),
        Attack::Flood => {
            write_var(&mut out, FLOOD_ENTRIES);
            for n in 0..FLOOD_ENTRIES {
                write_var(&mut out, clock * FLOOD_ENTRIES + n);
                write_var(&mut out, 1);
                write_str(&mut out, "null");
            }
        }
    }
    out
}
