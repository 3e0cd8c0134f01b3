//! What Thexr speaks, and nothing of what it does: names, bytes, bodies and limits.
//!
//! The map: [`ids`] names things, [`limits`] bounds them, [`fault`] says how bytes were wrong, [`lib0`] reads
//! primitives, [`frame`] splits a WebSocket payload of `/sync`, [`presence`] is what `/presence` speaks, [`replay`] what
//! steers `/replay`, [`scan`] judges updates, state vectors and awareness before any engine sees them, [`content`] reads a
//! document without one, [`component`] is the vocabulary of entities, [`stroke`] packs ink, [`track`] poses that were,
//! [`close`] ends sockets, [`api`] shapes HTTP bodies, [`change`] and [`journal`] what happened in a space, [`webhook`] who
//! else is told. The rules behind all of it are numbered in `SPEC.md`.
//!
//! This crate must not know: files, sockets, clocks, tokio, yrs, SQL.

pub mod api;
pub mod change;
pub mod close;
pub mod component;
pub mod content;
pub mod fault;
pub mod frame;
pub mod ids;
pub mod journal;
pub mod lib0;
pub mod limits;
pub mod presence;
pub mod replay;
pub mod scan;
pub mod stroke;
pub mod track;
pub mod webhook;

pub use fault::{Fault, FaultCode};
pub use ids::{BadId, EntityId, Seq, SpaceId};
