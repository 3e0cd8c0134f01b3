//! How much of its past a space keeps: what goes is planned from the rows, and then goes piece by piece, so that commits
//! slip in between and every moment that is offered can be read at any time.

mod untold;

use super::{Trouble, compactor, past};
use crate::config::HistoryConfig;
use crate::limits;
use crate::store::{HeldSnapshot, Holdings, SpaceKey, Store};
use thexr_schema::ids::Seq;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// What is to go.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The history begins after this event, which was written at this time.
    pub base: Option<(i64, i64)>,
    /// Snapshots that go although the history around them stays.
    pub thinned: Vec<i64>,
}

/// What keeps a space within `days` and `bytes` (0 = without limit); what comes after event `limit`, which is sealed, stays
/// all the same. So does the newest snapshot; for the sake of bytes alone also the one before it and everything after that:
/// there is always something of them, also in a space that is new.
pub fn plan(held: &Holdings, policy: HistoryConfig, limit: i64, now: i64) -> Plan {
    // Where the history may begin: segments go as a whole.
    let ends = |until: Option<&HeldSnapshot>| {
        let until = until.map_or(0, |snapshot| snapshot.seq.min(limit));
        held.segments
            .iter()
            .map(|segment| (segment.last, segment.last_at))
            .filter(move |(last, _)| *last > held.base_seq && *last <= until)
    };
    let [newest, fallback] = [0, 1].map(|n| held.snapshots.iter().rev().nth(n));
    let mut base = None;
    if policy.days > 0 {
        let oldest = oldest(policy.days, now);
        base = ends(newest).take_while(|(_, at)| *at < oldest).last();
    }
    if policy.bytes > 0 {
        let mut ends = ends(fallback);
        let fits = |(last, _): &(i64, i64)| bytes_after(held, *last) <= policy.bytes;
        let as_it_is = base.map_or(held.base_seq, |(last, _)| last);
        if bytes_after(held, as_it_is) > policy.bytes {
            // When nothing fits, as much as may go.
            base = ends.clone().find(fits).or_else(|| ends.next_back()).max(base);
        }
    }
    let begins = base.map_or(held.base_seq, |(last, _)| last);
    Plan {
        base,
        thinned: thinned(&held.snapshots, begins, now),
    }
}

/// Who keeps so many days keeps what was written since then, ms since 1970.
fn oldest(days: i64, now: i64) -> i64 {
    now.saturating_sub(days.saturating_mul(DAY))
}

/// What a history that begins there weighs, the snapshot it begins with included.
fn bytes_after(held: &Holdings, base: i64) -> i64 {
    let segments = held.segments.iter().filter(|segment| segment.last > base);
    let snapshots = held.snapshots.iter().filter(|snapshot| snapshot.seq >= base);
    let there = held.snapshots.iter().any(|snapshot| snapshot.seq == base);
    let made = match held.snapshots.iter().rfind(|snapshot| snapshot.seq <= base) {
        Some(before) if !there && base > 0 => before.bytes,
        _ => 0,
    };
    let segments: i64 = segments.map(|segment| segment.bytes).sum();
    segments + snapshots.map(|snapshot| snapshot.bytes).sum::<i64>() + made
}

/// Of the last day all stay that compactions left (one every so many events), of the week before the first of each hour,
/// of the time before that the first of each day; and any whose neighbours would be too far apart.
fn thinned(snapshots: &[HeldSnapshot], base: i64, now: i64) -> Vec<i64> {
    let mut thinned = Vec::new();
    let mut last = base;
    let mut turn = None;
    let after = || snapshots.iter().filter(|snapshot| snapshot.seq > base);
    let newest = after().count().saturating_sub(2);
    for (n, (snapshot, next)) in after().zip(after().skip(1)).enumerate() {
        let length = match now - snapshot.at {
            ..DAY => 1,
            age if age < 7 * DAY => HOUR,
            _ => DAY,
        };
        let this = Some((length, snapshot.at.div_euclid(length)));
        let near = next.seq - last <= limits::KEYFRAME_GAP_MAX;
        if length > 1 && turn == this && near && n < newest {
            thinned.push(snapshot.seq);
        } else {
            (last, turn) = (snapshot.seq, this);
        }
    }
    thinned
}

/// True when a space has events that are older than it keeps and are not sealed: nobody comes to it, or what happens there
/// is not worth a snapshot.
pub async fn overdue(store: &Store, key: SpaceKey, server: HistoryConfig, now: i64) -> Result<bool, Trouble> {
    let days = store.retention(key).await?.days.unwrap_or(server.days);
    if days == 0 {
        return Ok(false);
    }
    let since = store.unsealed_since(key).await?;
    Ok(since.is_some_and(|at| at < oldest(days, now)))
}

/// Prunes a space as it is told, or else as the server is told. True when the history begins later than before.
pub async fn run(store: &Store, key: SpaceKey, server: HistoryConfig, now: i64) -> Result<bool, Trouble> {
    let held = store.holdings(key).await?;
    let policy = HistoryConfig {
        days: held.retention.days.unwrap_or(server.days),
        bytes: held.retention.bytes.unwrap_or(server.bytes),
    };
    let mut planned = plan(&held, policy, held.sealed_seq, now);
    let mut moved = false;
    if let Some((base, _)) = planned.base {
        let may_go = untold::may_go(store, key, Seq(base), &held, now).await?;
        planned = plan(&held, policy, may_go, now);
    }
    if let Some(base) = planned.base {
        moved = begin_at(store, key, &held, base, now).await?;
    }
    // Also what was left when the last time was cut off.
    while store.prune_slice(key).await? {}
    for seq in planned.thinned {
        store.thin_snapshot(key, seq).await?;
    }
    Ok(moved)
}

/// Lets the history begin after an event, with a snapshot of that moment.
pub async fn begin_at(
    store: &Store,
    key: SpaceKey,
    held: &Holdings,
    (seq, at): (i64, i64),
    now: i64,
) -> Result<bool, Trouble> {
    if held.snapshots.iter().any(|snapshot| snapshot.seq == seq) {
        return Ok(store
            .move_base(key, Seq(seq), None, untold::kept_since(now))
            .await?);
    }
    let row = store.space_of(key).await?;
    let past = past::document(store, &row, Seq(seq)).await?;
    let made = past
        .work(|past| compactor::snapshot_of(&past.doc, past.seq))
        .await??;
    Ok(store
        .move_base(key, Seq(seq), Some((&made, at)), untold::kept_since(now))
        .await?)
}

#[cfg(test)]
mod tests;
