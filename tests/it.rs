//! Through the front door: one binary, one link. Names of tests are rules; their docs quote SPEC ids.
#![allow(missing_docs, reason = "a test's name is its documentation")]

#[path = "it/harness.rs"]
mod harness;
