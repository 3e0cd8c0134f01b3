//! Folding the log into a snapshot. Built from rows in a document of its own, never from the live one (which holds
//! edits that may still fail to commit); reloaded and compared before anything takes its place.

use super::Trouble;
use super::doc::{Encoding, SpaceDoc};
use super::load::{self, Stored};
use crate::limits;
use crate::store::{NewSnapshot, SpaceKey, SpaceRow, Store, SwapOutcome, segment::ZSTD_LEVEL};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;
use thexr_schema::api::CompactResult;
use thexr_schema::ids::Seq;

/// A v2 snapshot is kept only when it is less than 1/n of the v1 one, before compression: v1 can be sent to newcomers
/// as it is, v2 wins by far when a document was overwritten over and over (its tombstones do not merge in v1).
const V2_WORTH: usize = 2;

/// A compaction that ran to its end.
#[derive(Debug, Clone)]
pub struct Compacted {
    /// What to tell the caller.
    pub result: CompactResult,
    /// The journal's event, when something changed.
    pub event: Option<Seq>,
    /// Size of the document before compression.
    pub raw_len: usize,
}

/// What was built and found good.
struct Verified {
    format: i64,
    raw_len: usize,
    body: Vec<u8>,
    hash: [u8; 32],
}

/// Compacts a space: read, build, verify, swap, seal. `dry_run` stops before the swap.
pub async fn run(store: &Store, key: SpaceKey, dry_run: bool) -> Result<Compacted, Trouble> {
    let started = Instant::now();
    let (row, stored) = load::read(store, key).await?;
    let before = store.usage(key).await?.snapshot_bytes;
    // Where people were is sealed, and can be pruned, behind a snapshot only: so a long time without an edit gets one too.
    if stored.edits.is_empty() && row.seq.0 - row.snap_seq.0 < limits::QUIET_LOG_ROWS {
        return Ok(nothing(&row, &stored, before, dry_run, started));
    }
    fold(store, &row, &stored, before, dry_run, started).await
}

/// The same of whatever there is, however little: only what is sealed can be pruned.
pub async fn seal(store: &Store, key: SpaceKey) -> Result<Compacted, Trouble> {
    let started = Instant::now();
    let (row, stored) = load::read(store, key).await?;
    let before = store.usage(key).await?.snapshot_bytes;
    fold(store, &row, &stored, before, false, started).await
}

async fn fold(
    store: &Store,
    row: &SpaceRow,
    stored: &Arc<Stored>,
    before: i64,
    dry_run: bool,
    started: Instant,
) -> Result<Compacted, Trouble> {
    let rows = stored.edits.len() as u64;
    let spacing = spacing(stored.snapshot.as_ref().map_or(0, bytes::Bytes::len));
    let mut doc = blocking({
        let stored = stored.clone();
        move || load::build_snapshot(&stored)
    })
    .await?;
    let mut done = 0;
    // A long log is given keyframes on the way, so that no moment of it is far from one.
    while stored.edits.len() - done > spacing && !dry_run {
        let (from, to) = (done, done + spacing);
        let built = blocking({
            let stored = stored.clone();
            move || build_and_verify(doc, &stored, from..to)
        });
        let verified;
        (doc, verified) = built.await?;
        done = to;
        let keyframe = new_snapshot(row, stored.edits[done - 1].0, verified, String::new(), spacing);
        store.keep_keyframe(row.key, &keyframe).await?;
    }
    let all = stored.edits.len();
    let (_, verified) = blocking({
        let stored = stored.clone();
        move || build_and_verify(doc, &stored, done..all)
    })
    .await?;

    let mut event = None;
    let after = verified.body.len() as u64;
    let hash = hex(&verified.hash);
    let mut result = CompactResult {
        space: row.slug.to_string(),
        covered_seq: row.seq.0,
        rows_before: rows,
        rows_after: if dry_run { rows } else { 0 },
        log_bytes_before: row.log_bytes.cast_unsigned(),
        log_bytes_after: if dry_run { row.log_bytes.cast_unsigned() } else { 0 },
        snapshot_bytes_before: before.cast_unsigned(),
        snapshot_bytes_after: after,
        duration_ms: 0,
        hash: hash.clone(),
        dry_run,
        summary: String::new(),
    };
    let raw_len = verified.raw_len;
    if !dry_run {
        let note = serde_json::json!({
            "covered_seq": row.seq, "rows": rows, "log_bytes": row.log_bytes, "snapshot_bytes": after, "hash": hash,
        });
        let new = new_snapshot(row, row.seq, verified, note.to_string(), spacing);
        event = match store.swap_snapshot(row.key, &new).await? {
            SwapOutcome::Done(seq) => Some(seq),
            SwapOutcome::Lost => None,
        };
        if event.is_none() {
            return Err(Trouble::AlreadyCompacting);
        }
        while store.seal(row.key).await? {}
        let now = store.load_counts(row.key).await?;
        (result.rows_after, result.log_bytes_after) = (now.0.cast_unsigned(), now.1.cast_unsigned());
    }
    result.duration_ms = millis(started);
    result.summary = summary(&result);
    Ok(Compacted {
        result,
        event,
        raw_len,
    })
}

/// Without edits since the last snapshot there is nothing to build.
fn nothing(
    row: &SpaceRow,
    stored: &Stored,
    snapshot_bytes: i64,
    dry_run: bool,
    started: Instant,
) -> Compacted {
    let mut result = CompactResult {
        space: row.slug.to_string(),
        covered_seq: row.snap_seq.0,
        rows_before: 0,
        rows_after: 0,
        log_bytes_before: row.log_bytes.cast_unsigned(),
        log_bytes_after: row.log_bytes.cast_unsigned(),
        snapshot_bytes_before: snapshot_bytes.cast_unsigned(),
        snapshot_bytes_after: snapshot_bytes.cast_unsigned(),
        duration_ms: millis(started),
        hash: hex(&stored.hash),
        dry_run,
        summary: String::new(),
    };
    result.summary = "Nothing to compact: no edits since the last snapshot.".into();
    Compacted {
        result,
        event: None,
        raw_len: 0,
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A document as the first snapshot of a space.
pub fn first_snapshot(doc: &SpaceDoc) -> Result<NewSnapshot, Trouble> {
    snapshot_of(doc, Seq(1))
}

/// A document as a snapshot of the moment after `seq`.
pub fn snapshot_of(doc: &SpaceDoc, seq: Seq) -> Result<NewSnapshot, Trouble> {
    let verified = verified(doc)?;
    Ok(NewSnapshot {
        seq,
        replaces: Seq::ZERO,
        format: verified.format,
        raw_len: verified.raw_len,
        hash: verified.hash.to_vec(),
        body: verified.body,
        note: String::new(),
        spacing: 0,
    })
}

/// Events between two snapshots that are kept: about as many as take as long to apply as a snapshot of this size takes
/// to load (5 µs an edit, 5 ns a byte), so that any moment costs at most twice the present.
fn spacing(snapshot_bytes: usize) -> usize {
    limits::KEYFRAME_EVENTS.max(snapshot_bytes / 1_000)
}

/// Heavy work, off the runtime's own threads. A panic of the engine is damage.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Trouble::Damaged(format!("the engine panicked: {e}")))?
}

fn new_snapshot(row: &SpaceRow, seq: Seq, verified: Verified, note: String, spacing: usize) -> NewSnapshot {
    NewSnapshot {
        seq,
        replaces: row.snap_seq,
        format: verified.format,
        raw_len: verified.raw_len,
        hash: verified.hash.to_vec(),
        body: verified.body,
        note,
        spacing: i64::try_from(spacing).unwrap_or(i64::MAX),
    }
}

/// Goes on with the edits of `range`, and makes a snapshot of what that gives.
fn build_and_verify(
    mut doc: SpaceDoc,
    stored: &Stored,
    range: std::ops::Range<usize>,
) -> Result<(SpaceDoc, Verified), Trouble> {
    let edits = stored.edits[range].iter().map(|(_, edit)| &edit[..]);
    doc.replay(edits).map_err(|e| Trouble::Damaged(e.to_string()))?;
    let verified = verified(&doc)?;
    Ok((doc, verified))
}

/// Encodes and compresses a document, then loads the result again from the compressed bytes and compares clocks and
/// content. Anything that differs is an error.
fn verified(doc: &SpaceDoc) -> Result<Verified, Trouble> {
    let (clocks, hash) = (doc.clocks(), doc.content_hash());
    let (v1, v2) = (doc.encode(Encoding::V1), doc.encode(Encoding::V2));
    let v2_wins = v2.len() * V2_WORTH < v1.len();
    let (encoding, chosen) = if v2_wins {
        (Encoding::V2, v2)
    } else {
        (Encoding::V1, v1)
    };
    let raw_len = chosen.len();
    let body = zstd::bulk::compress(&chosen, ZSTD_LEVEL).map_err(|e| Trouble::Damaged(e.to_string()))?;
    drop(chosen);

    let raw = zstd::bulk::decompress(&body, raw_len).map_err(|e| Trouble::Damaged(e.to_string()))?;
    let again = SpaceDoc::from_stored(0, Some((encoding, &raw)), std::iter::empty())
        .map_err(|e| Trouble::Damaged(format!("the new snapshot does not load: {e}")))?;
    if again.clocks() != clocks || again.content_hash() != hash {
        return Err(Trouble::Damaged(
            "the new snapshot differs from the log it was made of".into(),
        ));
    }
    let format = if v2_wins { 2 } else { 1 };
    tracing::debug!(format, raw_len, packed = body.len(), "snapshot verified");
    Ok(Verified {
        format,
        raw_len,
        body,
        hash,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}

/// Sizes as a person reads them.
fn human(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn summary(r: &CompactResult) -> String {
    let from = human(r.log_bytes_before + r.snapshot_bytes_before);
    let to = human(r.snapshot_bytes_after);
    let edits = if r.rows_before == 1 { "edit" } else { "edits" };
    let what = format!(
        "{} {edits}, {from} → {to}, clocks and content identical after reload",
        r.rows_before
    );
    if r.dry_run {
        format!("Would fold {what}. Nothing was changed.")
    } else {
        format!("Folded {what}.")
    }
}
