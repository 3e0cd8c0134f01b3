//! Webhooks against a real endpoint: what it is sent, and what becomes of it when it does not take it.

#[path = "webhook/admin.rs"]
mod admin;
#[path = "webhook/damage.rs"]
mod damage;
#[path = "webhook/many.rs"]
mod many;
#[path = "webhook/outage.rs"]
mod outage;
#[path = "webhook/program.rs"]
mod program;
#[path = "webhook/retention.rs"]
mod retention;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use thexr::config::Config;
use thexr_tests::endpoint::{Received, TAKEN};
use thexr_tests::{Client, Endpoint, Server, eventually, http};

const HOOKS: &str = "/api/v1/admin/webhooks";
const SECRET: &str = "a secret for tests only";

/// As patient as a test can be.
fn quick(config: &mut Config) {
    config.webhook.gather = Duration::from_millis(1);
    config.webhook.backoff_first = Duration::from_millis(2);
    config.webhook.backoff_max = Duration::from_millis(20);
}

/// The same, and gives a batch up once it was tried so often.
fn impatient(config: &mut Config, attempts: u32) {
    quick(config);
    config.webhook.attempts_min = attempts;
    config.webhook.give_up = Duration::ZERO;
}

/// Makes a webhook and gives its id.
async fn hook(server: &Server, wish: Value) -> String {
    let made = server.admin("POST", HOOKS, wish.to_string().as_bytes()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["id"].as_str().expect("an id").to_owned()
}

async fn show(server: &Server, id: &str) -> Value {
    server.admin("GET", &format!("{HOOKS}/{id}"), b"").await.json()
}

async fn set(server: &Server, id: &str, state: &str) {
    let body = json!({ "state": state }).to_string();
    let done = server
        .admin("PATCH", &format!("{HOOKS}/{id}"), body.as_bytes())
        .await;
    assert_eq!(done.json()["state"], state, "{}", done.text());
}

async fn dead(server: &Server, id: &str) -> Vec<Value> {
    let page = server
        .admin("GET", &format!("{HOOKS}/{id}/dead-letters"), b"")
        .await;
    page.json()["items"].as_array().expect("a page").clone()
}

/// Waits until so many deliveries since the start were taken: what is not noted yet comes again after a restart.
async fn noted(server: &Server, taken: f64) {
    let name = "thexr_webhook_deliveries_total{result=\"taken\"}";
    server.metric_is(name, |n| n >= taken).await;
}

async fn make_space(server: &Server, space: &str) {
    let body = json!({ "id": space }).to_string();
    let json = [("Content-Type", "application/json")];
    let made = http::request(server.addr(), "POST", "/api/v1/spaces", &json, body.as_bytes()).await;
    assert_eq!(made.status, 201);
}

/// One durable edit.
async fn edit(client: &Client, n: i64) {
    client.set("lamp", "n", &json!(n));
    client.saved().await;
}

async fn journal(server: &Server, space: &str, query: &str) -> Vec<Value> {
    let path = format!("/api/v1/spaces/{space}/journal?limit=500{query}");
    let page = http::get(server.addr(), &path).await.json();
    page["items"].as_array().expect("a page").clone()
}

fn hex_hmac(secret: &str, text: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(text);
    mac.finalize()
        .into_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// What the SPEC tells an endpoint to do.
fn is_signed(received: &Received, secret: &str) -> bool {
    let header = received.header("thexr-signature");
    let (t, v1) = header
        .strip_prefix("t=")
        .and_then(|rest| rest.split_once(",v1="))
        .expect("a signature");
    hex_hmac(secret, &[t.as_bytes(), b".", &received.body].concat()) == v1
}

/// An endpoint's memory: what it was told of each space, once, in order, without a hole.
#[derive(Default)]
struct Told {
    items: HashMap<String, Vec<Value>>,
    last: HashMap<String, i64>,
    ids: HashSet<String>,
}

impl Told {
    /// Takes in a delivery that was answered with 2xx.
    fn take(&mut self, received: &Received) {
        assert!(is_signed(received, SECRET));
        let body = received.json();
        let id = body["delivery"].as_str().expect("an id").to_owned();
        assert_eq!(received.header("thexr-delivery"), id);
        if !self.ids.insert(id) {
            return;
        }
        let space = body["space"].as_str().expect("a space").to_owned();
        let (first, last) = (body["first_seq"].as_i64(), body["last_seq"].as_i64());
        let known = self.last.entry(space.clone()).or_default();
        if *known > 0 {
            assert_eq!(first, Some(*known + 1), "batches follow each other");
        }
        *known = last.expect("a number");
        let items = body["items"].as_array().expect("items");
        self.items.entry(space).or_default().extend(items.iter().cloned());
    }

    /// Waits until everything up to an event of a space was told.
    async fn up_to(&mut self, endpoint: &mut Endpoint, space: &str, seq: i64) {
        while self.last.get(space).is_none_or(|last| *last < seq) {
            let next = endpoint.next().await;
            if next.reply == TAKEN {
                self.take(&next);
            }
        }
    }
}

async fn head(server: &Server, space: &str) -> i64 {
    let info = http::get(server.addr(), &format!("/api/v1/spaces/{space}")).await;
    info.json()["seq"].as_i64().expect("a number")
}

/// SPEC N2.
#[tokio::test]
async fn an_endpoint_is_told_what_the_journal_shows() {
    let server = Server::with(quick).await;
    let mut endpoint = Endpoint::start().await;
    make_space(&server, "hall").await;
    let wish = json!({"url": endpoint.url(), "space": "hall", "secret": SECRET});
    let id = hook(&server, wish).await;
    let client = Client::connect(server.addr(), "hall").await;
    for n in 0..20 {
        edit(&client, n).await;
    }
    let mut told = Told::default();
    told.up_to(&mut endpoint, "hall", head(&server, "hall").await)
        .await;
    assert_eq!(told.items["hall"], journal(&server, "hall", "").await);

    edit(&client, 20).await;
    let next = endpoint.taken().await;
    let body = next.json();
    assert_eq!(body["webhook"], id);
    let space = http::get(server.addr(), "/api/v1/spaces/hall").await.json();
    assert_eq!(
        (&body["epoch"], &body["space"]),
        (&space["epoch"], &json!("hall"))
    );
    assert_eq!(next.header("content-type"), "application/json");
    assert_eq!(next.header("thexr-attempt"), "1");
    assert!(next.header("user-agent").starts_with("thexr/"));
    eventually("it is noted", async || {
        show(&server, &id).await["told_at"].as_str().map(str::to_owned)
    })
    .await;
}

/// SPEC N3.
#[tokio::test]
async fn a_signature_is_of_the_secret_the_time_and_the_body() {
    let server = Server::with(quick).await;
    let mut endpoint = Endpoint::start().await;
    make_space(&server, "hall").await;
    hook(&server, json!({"url": endpoint.url(), "secret": SECRET})).await;
    edit(&Client::connect(server.addr(), "hall").await, 1).await;
    let mut received = endpoint.taken().await;
    assert!(is_signed(&received, SECRET));
    assert!(!is_signed(&received, "another secret for tests"));
    received.body.push(b' ');
    assert!(!is_signed(&received, SECRET), "another body");
    received.body.pop();
    let signature = received.headers.iter_mut().find(|(n, _)| n == "thexr-signature");
    let signature = &mut signature.expect("it is there").1;
    *signature = signature.replacen("t=1", "t=2", 1);
    assert!(!is_signed(&received, SECRET), "another time");
}

/// SPEC N1: a server's webhook begins with what comes in spaces that there are, and with the first event in later ones.
#[tokio::test]
async fn a_webhook_of_the_server_sees_a_space_made_later() {
    let server = Server::with(quick).await;
    let mut endpoint = Endpoint::start().await;
    let old = Client::connect(server.addr(), "old").await;
    edit(&old, 1).await;
    let before = head(&server, "old").await;
    hook(&server, json!({"url": endpoint.url(), "secret": SECRET})).await;
    edit(&old, 2).await;
    let first = endpoint.taken().await.json();
    assert_eq!(
        (first["space"].as_str(), first["first_seq"].as_i64()),
        (Some("old"), Some(before + 1))
    );
    let new = Client::connect(server.addr(), "new").await;
    for n in 0..5 {
        edit(&new, n).await;
    }
    let mut told = Told::default();
    told.up_to(&mut endpoint, "new", head(&server, "new").await).await;
    assert_eq!(told.items["new"], journal(&server, "new", "").await);
    assert_eq!(told.items["new"][0]["seq"], 1);
}

/// SPEC N1.
#[tokio::test]
async fn a_webhook_begins_where_it_is_told_to() {
    let server = Server::with(quick).await;
    let mut endpoint = Endpoint::start().await;
    let client = Client::connect(server.addr(), "hall").await;
    for n in 0..5 {
        edit(&client, n).await;
    }
    let wish = json!({"url": endpoint.url(), "space": "hall", "secret": SECRET, "after": 2});
    hook(&server, wish).await;
    let mut told = Told::default();
    told.up_to(&mut endpoint, "hall", head(&server, "hall").await)
        .await;
    assert_eq!(told.items["hall"], journal(&server, "hall", "&after=2").await);
}

/// SPEC N1, N2: what is between the events of its kinds is spoken for.
#[tokio::test]
async fn a_webhook_is_told_of_its_kinds_only() {
    let mut server = Server::with(quick).await;
    let mut endpoint = Endpoint::start().await;
    let wish = json!({"url": endpoint.url(), "secret": SECRET, "kinds": ["compacted", "restored"]});
    hook(&server, wish).await;
    let client = Client::connect(server.addr(), "hall").await;
    for n in 0..10 {
        edit(&client, n).await;
    }
    server.compact("hall", false).await;
    let first = endpoint.taken().await.json();
    assert_eq!((&first["first_seq"], &first["last_seq"]), (&json!(1), &json!(11)));
    let kinds = |body: &Value| -> Vec<Value> {
        let items = body["items"].as_array().expect("items");
        items.iter().map(|item| item["kind"].clone()).collect()
    };
    assert_eq!(kinds(&first), ["compacted"]);
    noted(&server, 1.0).await;
    server.restart().await;
    let client = Client::connect(server.addr(), "hall").await;
    edit(&client, 10).await;
    server.compact("hall", false).await;
    let second = endpoint.taken().await.json();
    assert_eq!(
        (&second["first_seq"], &second["last_seq"]),
        (&json!(12), &json!(13))
    );
    assert_eq!(kinds(&second), ["compacted"]);
}
