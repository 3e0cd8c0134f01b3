//! The harness itself.
use serde_json::json;
use thexr_tests::{Client, Process, Proxy, Server};

#[tokio::test]
async fn a_server_in_this_process_serves_and_restarts_on_its_port() {
    let mut server = Server::start().await;
    let mut client = Client::connect(server.addr(), "a").await;
    client.set("box", "name", &json!("b"));
    client.saved().await;
    server.restart().await;
    client.online(server.addr()).await;
    assert_eq!(server.content("a").await, client.content());
    server.assert_alive().await;
}

#[tokio::test]
async fn the_program_starts_and_keeps_its_folder_over_a_kill() {
    let mut process = Process::start().await;
    let client = Client::connect(process.addr(), "a").await;
    client.set("box", "name", &json!("b"));
    client.saved().await;
    process.kill_and_start_again().await;
    let other = Client::connect(process.addr(), "a").await;
    assert_eq!(other.content(), client.content());
}

#[tokio::test]
async fn a_proxy_cuts_a_connection() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.addr()).await;
    let mut client = Client::connect(proxy.addr(), "a").await;
    proxy.cut();
    assert_eq!(client.closed().await.code, 1006);
    client.online(proxy.addr()).await;
}
