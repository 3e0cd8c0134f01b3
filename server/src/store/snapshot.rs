//! Replacing the log by a snapshot: swap first, seal after. Nothing is deleted before what replaces it is stored.

use super::segment::{self, Listed};
use super::{EventKind, Result, SpaceKey, Store, event_crc, read};
use crate::clock::now_ms;
use crate::limits;
use sqlx::{Row, SqliteConnection};
use thexr_schema::ids::Seq;

/// A verified snapshot, ready to take the place of the one at `replaces`.
#[derive(Debug, Clone)]
pub struct NewSnapshot {
    /// The event it covers up to.
    pub seq: Seq,
    /// The snapshot it was built on; 0 = none. Somebody else's newer one makes the swap fail.
    pub replaces: Seq,
    /// 1 = Yjs v1 + zstd, 2 = Yjs v2 + zstd.
    pub format: i64,
    /// Bytes before compression.
    pub raw_len: usize,
    /// SHA-256 of the canonical content.
    pub hash: Vec<u8>,
    /// The compressed bytes.
    pub body: Vec<u8>,
    /// What the `compacted` event says, JSON.
    pub note: String,
    /// Events between two snapshots that are kept.
    pub spacing: i64,
}

/// What came of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapOutcome {
    /// The snapshot is in place; the `compacted` event has this number.
    Done(Seq),
    /// Another compaction was first: nothing was changed.
    Lost,
}

impl Store {
    /// Puts a snapshot in place by compare-and-set on the head row, journals it, and keeps the one before it and, of
    /// the older ones, one every so many events. Events are not touched: [`Store::seal`] packs them afterwards.
    pub async fn swap_snapshot(&self, key: SpaceKey, new: &NewSnapshot) -> Result<SwapOutcome> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        // What stays in the log: the edits that came in while the snapshot was being built.
        let swapped = sqlx::query(
            "update head set snap_seq = ?1, seq = seq + 1, at = max(at, ?2),
                 log_rows = (select count(*) from event e where e.space_id = ?3 and e.seq > ?1 and e.kind = 1),
                 log_bytes = (select coalesce(sum(length(payload)), 0) from event e
                              where e.space_id = ?3 and e.seq > ?1 and e.kind = 1)
             where space_id = ?3 and snap_seq = ?4
             and exists (select 1 from space where id = ?3 and deleted_at is null) returning seq, at",
        )
        .bind(new.seq.0)
        .bind(now_ms())
        .bind(key.0)
        .bind(new.replaces.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(head) = swapped else {
            return Ok(SwapOutcome::Lost);
        };
        let (seq, at): (i64, i64) = (head.get(0), head.get(1));
        insert(&mut tx, key, new, at).await?;
        thin(&mut tx, key, new).await?;
        let kind = EventKind::Compacted as i64;
        sqlx::query("insert into event (space_id, seq, at, kind, payload, crc) values (?, ?, ?, ?, ?, ?)")
            .bind(key.0)
            .bind(seq)
            .bind(at)
            .bind(kind)
            .bind(new.note.as_bytes())
            .bind(event_crc(kind, new.note.as_bytes(), None))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.heads.moved(key, Seq(seq));
        Ok(SwapOutcome::Done(Seq(seq)))
    }

    /// Keeps a snapshot of some moment of the log, for whoever asks for one near it. Changes nothing else.
    pub async fn keep_keyframe(&self, key: SpaceKey, new: &NewSnapshot) -> Result<()> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        insert(&mut tx, key, new, now_ms()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Packs one slice of the events that the snapshot covers, all of one day, into a segment; true while there may be
    /// more to do. A slice is one short transaction, so commits of live edits slip in between.
    pub async fn seal(&self, key: SpaceKey) -> Result<bool> {
        let sql = format!(
            "select {} where space_id = ?1 and seq <= (select snap_seq from head where space_id = ?1)
             and at / ?3 = (select at / ?3 from event where space_id = ?1 order by seq limit 1)
             order by seq limit ?2",
            read::EVENT_COLUMNS
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(key.0)
            .bind(limits::SEGMENT_ROWS_MAX)
            .bind(limits::SEGMENT_SPAN_MS)
            .fetch_all(&self.reader)
            .await?;
        let mut events = Vec::new();
        let mut bytes = 0;
        for row in &rows {
            let event = read::event(row)?;
            bytes += event.payload.len();
            events.push(event);
            if bytes >= limits::SEGMENT_BYTES_MAX {
                break;
            }
        }
        let Some(listed) = Listed::of(&events) else {
            return Ok(false);
        };
        let packed = segment::pack(events).await?;
        let mut tx = self.writer.begin_with("begin immediate").await?;
        listed.insert(&mut tx, key, &packed).await?;
        sqlx::query("delete from event where space_id = ? and seq between ? and ?")
            .bind(key.0)
            .bind(listed.first.0)
            .bind(listed.last.0)
            .execute(&mut *tx)
            .await?;
        sqlx::query("update head set sealed_seq = ? where space_id = ?")
            .bind(listed.last.0)
            .bind(key.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Adds a snapshot's row.
pub(super) async fn insert(
    tx: &mut SqliteConnection,
    key: SpaceKey,
    new: &NewSnapshot,
    at: i64,
) -> Result<()> {
    // One of the same moment may be left of a compaction that was cut off; it holds the same.
    sqlx::query(
        "insert into snapshot (space_id, seq, created_at, format, raw_len, hash, body, crc)
         select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 where exists (select 1 from head where space_id = ?1)
         on conflict do nothing",
    )
    .bind(key.0)
    .bind(new.seq.0)
    .bind(at)
    .bind(new.format)
    .bind(new.raw_len as i64)
    .bind(&new.hash[..])
    .bind(&new.body[..])
    .bind(i64::from(crc32fast::hash(&new.body)))
    .execute(tx)
    .await?;
    Ok(())
}

/// Drops the snapshot before the one that is being replaced if its neighbours are near each other: what is kept are
/// the newest, the one before, and behind them one every so many events.
async fn thin(tx: &mut SqliteConnection, key: SpaceKey, new: &NewSnapshot) -> Result<()> {
    let older: Vec<i64> = sqlx::query_scalar(
        "select seq from snapshot where space_id = ? and seq < ? order by seq desc limit 2",
    )
    .bind(key.0)
    .bind(new.replaces.0)
    .fetch_all(&mut *tx)
    .await?;
    let Some(&candidate) = older.first() else {
        return Ok(());
    };
    let before = older.get(1).copied().unwrap_or(0);
    if new.replaces.0 - before > new.spacing {
        return Ok(());
    }
    sqlx::query(
        "delete from snapshot where space_id = ?1 and seq = ?2
         and seq > (select base_seq from head where space_id = ?1)",
    )
    .bind(key.0)
    .bind(candidate)
    .execute(tx)
    .await?;
    Ok(())
}
