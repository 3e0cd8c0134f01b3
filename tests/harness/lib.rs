//! What the tests drive the server with. Nothing here sleeps to let something happen: a wait names an event and has
//! a [`DEADLINE`].

pub mod client;
pub mod corpus;
pub mod endpoint;
pub mod fixtures;
pub mod http;
pub mod mutation;
pub mod node;
pub mod plan;
pub mod presence;
pub mod process;
pub mod proxy;
pub mod raw;
pub mod replay;
pub mod rng;
pub mod rows;
pub mod server;
pub mod value;

pub use client::Client;
pub use endpoint::Endpoint;
pub use plan::Plan;
pub use presence::Member;
pub use process::Process;
pub use proxy::Proxy;
pub use raw::RawSocket;
pub use rng::Rng;
pub use server::Server;

use std::time::Duration;

/// How long a test waits for an event before it fails: far above anything that happens on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for `future`, or fails saying what did not happen.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {DEADLINE:?}"),
    }
}

/// Asks again every few milliseconds until the answer is there; for what cannot be waited for, like a metric.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(value) = ask().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// A number from the environment, for runs that are longer than those of every day.
pub fn env_number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .replace('_', "")
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}
