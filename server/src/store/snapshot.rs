//! Replacing the log by a snapshot: swap first, seal after. Nothing is deleted before what replaces it is stored.

use super::{EventKind, Result, SpaceKey, Store, StoreError, event_crc, read, segment};
use crate::clock::now_ms;
use crate::limits;
use sqlx::Row;
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
    /// Puts a snapshot in place by compare-and-set on the head row, journals it, and drops all but the snapshot
    /// before it. Events are not touched: [`Store::seal`] packs them afterwards.
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
        sqlx::query(
            "insert into snapshot (space_id, seq, created_at, format, raw_len, hash, body, crc)
             values (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(key.0)
        .bind(new.seq.0)
        .bind(at)
        .bind(new.format)
        .bind(new.raw_len as i64)
        .bind(&new.hash[..])
        .bind(&new.body[..])
        .bind(i64::from(crc32fast::hash(&new.body)))
        .execute(&mut *tx)
        .await?;
        sqlx::query("delete from snapshot where space_id = ? and seq < ?")
            .bind(key.0)
            .bind(new.replaces.0)
            .execute(&mut *tx)
            .await?;
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

    /// Packs one slice of the events that the snapshot covers into a segment; true while there is more to do.
    /// A slice is one short transaction, so commits of live edits slip in between.
    pub async fn seal(&self, key: SpaceKey) -> Result<bool> {
        let sql = format!(
            "select {} where space_id = ?1 and seq <= (select snap_seq from head where space_id = ?1)
             order by seq limit ?2",
            read::EVENT_COLUMNS
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(key.0)
            .bind(limits::SEGMENT_ROWS_MAX)
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
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Ok(false);
        };
        let (first, last, first_at, last_at) = (first.seq, last.seq, first.at, last.at);
        let kinds = segment::kinds(&events);
        let more = events.len() < rows.len() || rows.len() as i64 == limits::SEGMENT_ROWS_MAX;
        let packed = tokio::task::spawn_blocking(move || segment::pack(&events)).await;
        let (body, raw_len) = packed
            .map_err(|e| StoreError::Damaged(format!("packing: {e}")))?
            .map_err(|e| StoreError::Db(sqlx::Error::Io(e)))?;
        let mut tx = self.writer.begin_with("begin immediate").await?;
        sqlx::query(
            "insert into segment (space_id, first_seq, last_seq, first_at, last_at, raw_len, body, crc, format, kinds)
             values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(key.0)
        .bind(first.0)
        .bind(last.0)
        .bind(first_at)
        .bind(last_at)
        .bind(raw_len as i64)
        .bind(&body[..])
        .bind(i64::from(crc32fast::hash(&body)))
        .bind(segment::FORMAT)
        .bind(kinds)
        .execute(&mut *tx)
        .await?;
        sqlx::query("delete from event where space_id = ? and seq between ? and ?")
            .bind(key.0)
            .bind(first.0)
            .bind(last.0)
            .execute(&mut *tx)
            .await?;
        sqlx::query("update head set sealed_seq = ? where space_id = ?")
            .bind(last.0)
            .bind(key.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(more)
    }
}
