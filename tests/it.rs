//! Through the front door: one binary, one link. Names of tests are rules; their docs quote SPEC ids.
#![allow(missing_docs, reason = "a test's name is its documentation")]

#[path = "it/activity.rs"]
mod activity;
#[path = "it/compaction.rs"]
mod compaction;
#[path = "it/connections.rs"]
mod connections;
#[path = "it/convergence.rs"]
mod convergence;
#[path = "it/cuts.rs"]
mod cuts;
#[path = "it/damage.rs"]
mod damage;
#[path = "it/differential.rs"]
mod differential;
#[path = "it/epoch.rs"]
mod epoch;
#[path = "it/follow.rs"]
mod follow;
#[path = "it/handshake.rs"]
mod handshake;
#[path = "it/harness.rs"]
mod harness;
#[path = "it/hostile.rs"]
mod hostile;
#[path = "it/journal.rs"]
mod journal;
#[path = "it/limits.rs"]
mod limits;
#[path = "it/metrics.rs"]
mod metrics;
#[path = "it/mutation.rs"]
mod mutation;
#[path = "it/past.rs"]
mod past;
#[path = "it/presence.rs"]
mod presence;
#[path = "it/replay.rs"]
mod replay;
#[path = "it/stock.rs"]
mod stock;
#[path = "it/sync.rs"]
mod sync;
#[path = "it/tidy.rs"]
mod tidy;
#[path = "it/track.rs"]
mod track;
#[path = "it/webhook.rs"]
mod webhook;
