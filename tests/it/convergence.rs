//! Random plans: people edit, lose their connection, come back; the server restarts, dies, compacts. At the end all
//! agree, and with the rows.

use std::time::Duration;
use thexr_tests::plan::Op;
use thexr_tests::rows::Rows;
use thexr_tests::server::ADMIN_TOKEN;
use thexr_tests::{Client, Plan, Process, Rng, Server, env_number, http};

const SPACE: &str = "plan";

/// Plans of each kind in a run of every day.
fn plans() -> u64 {
    env_number("THEXR_PLANS", 25)
}

/// One person: a replica, and what the server has said is durable.
struct Person {
    client: Client,
    online: bool,
    acked: u32,
}

impl Person {
    fn clock(&self) -> u32 {
        use yrs::{ReadTxn, Transact};
        let state = self.client.state();
        let own = state.doc.client_id();
        state.doc.transact().state_vector().get(&own)
    }

    async fn save(&mut self) {
        let clock = self.clock();
        self.client.saved().await;
        self.acked = clock;
    }
}

fn people(rng: &mut Rng) -> Vec<Person> {
    let person = || Person {
        client: Client::new(SPACE),
        online: false,
        acked: 0,
    };
    (0..2 + rng.below(5)).map(|_| person()).collect()
}

/// One step that does not concern the server itself.
async fn step(rng: &mut Rng, people: &mut [Person], addr: std::net::SocketAddr) {
    let who = rng.below(people.len());
    let person = &mut people[who];
    match rng.below(20) {
        0..13 => drop(Op::random(rng).apply(&person.client)),
        13 => {
            person.client.edit_quietly(|txn, entities| {
                yrs::Map::insert(entities, txn, "quiet", yrs::types::map::MapPrelim::default());
            });
        }
        14 | 15 if person.online => {
            person.client.offline().await;
            person.online = false;
        }
        // Not waiting: edits go out before the first sync is through.
        16 if !person.online => {
            person.online = person.client.try_online(addr).await.is_ok();
        }
        17 | 18 if !person.online => {
            person.client.online(addr).await;
            person.online = true;
        }
        _ if person.online && person.client.state().closed.is_none() => person.save().await,
        _ => {}
    }
}

/// Everybody comes back, says what they have, and agrees with what the server shows; gives that.
async fn agree(people: &mut [Person], addr: std::net::SocketAddr) -> thexr_tests::value::Content {
    for person in people.iter_mut() {
        person.client.online(addr).await;
        person.save().await;
    }
    let fresh = Client::connect(addr, SPACE).await;
    let content = fresh.content();
    for person in people.iter() {
        person.client.agrees_with(&content).await;
        let own = person.client.state().doc.client_id().get();
        let kept = content
            .clocks
            .iter()
            .find(|(client, _)| *client == own)
            .map_or(0, |(_, clock)| *clock);
        assert!(
            kept >= person.acked,
            "acknowledged up to {}, kept {kept}",
            person.acked
        );
    }
    content
}

/// SPEC S1 to S6, A2; design promises 1 and 4.
#[tokio::test]
async fn everybody_agrees_after_any_plan() {
    for seed in Plan::seeds(plans()) {
        let mut plan = Plan::new("everybody_agrees_after_any_plan", seed);
        let rng = &mut plan.rng;
        let idle = *rng.pick(&[Duration::ZERO, Duration::from_secs(60)]);
        let mut server = Server::with(|config| config.idle = idle).await;
        let mut people = people(rng);
        people[0].client.online(server.addr()).await;
        people[0].online = true;
        for _ in 0..40 + rng.below(120) {
            match rng.below(40) {
                0 => {
                    server.restart().await;
                    for person in people.iter_mut() {
                        person.client.offline().await;
                        person.online = false;
                    }
                }
                1 | 2 => drop(server.compact(SPACE, rng.one_in(4)).await),
                _ => step(rng, &mut people, server.addr()).await,
            }
        }
        let content = agree(&mut people, server.addr()).await;
        assert_eq!(server.content(SPACE).await, content);
        let folder = server.folder();
        let rows = Rows::open(&folder).await;
        assert_eq!(
            rows.stored(SPACE).await,
            content,
            "the rows make another document"
        );
        drop(rows);
        server.restart().await;
        assert_eq!(server.content(SPACE).await, content, "after a restart");
        server.stop().await;
    }
}

/// The same with a program that is killed: what was acknowledged is there, what everybody holds comes back.
#[tokio::test]
async fn everybody_agrees_when_the_program_is_killed() {
    for seed in Plan::seeds(plans().div_ceil(5)) {
        let mut plan = Plan::new("everybody_agrees_when_the_program_is_killed", seed);
        let rng = &mut plan.rng;
        let mut process = Process::start().await;
        let mut people = people(rng);
        people[0].client.online(process.addr()).await;
        people[0].online = true;
        for _ in 0..40 + rng.below(120) {
            match rng.below(40) {
                0..2 => {
                    process.kill_and_start_again().await;
                    for person in people.iter_mut() {
                        person.client.offline().await;
                        person.online = false;
                    }
                }
                2 => compact(process.addr()).await,
                _ => step(rng, &mut people, process.addr()).await,
            }
        }
        let content = agree(&mut people, process.addr()).await;
        process.kill_and_start_again().await;
        let again = Client::connect(process.addr(), SPACE).await;
        assert_eq!(again.content(), content, "after a last kill");
        let rows = Rows::open(process.folder()).await;
        assert_eq!(
            rows.stored(SPACE).await,
            content,
            "the rows make another document"
        );
    }
}

async fn compact(addr: std::net::SocketAddr) {
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let path = format!("/api/v1/admin/spaces/{SPACE}/compact");
    let answer = http::request(addr, "POST", &path, &[("Authorization", &bearer)], b"").await;
    assert!(
        matches!(answer.status, 200 | 409),
        "{} {}",
        answer.status,
        answer.text()
    );
}
