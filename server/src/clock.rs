//! The wall clock: what this machine says it is. For the journal and for people; what must not jump uses
//! `tokio::time`.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    unix_ms() as i64
}

/// The same with the fraction that clock synchronisation wants.
pub fn unix_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64() * 1000.0)
}
