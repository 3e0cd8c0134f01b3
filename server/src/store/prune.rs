//! Letting go of the past, one short transaction at a time. First the history begins later; what is before that is nobody's
//! any more and goes afterwards, so that at every moment what is offered can be read.

use super::bundle::Retention;
use super::{EventKind, NewSnapshot, Result, SpaceKey, Store, StoreError, snapshot, webhook};
use sqlx::Row;
use thexr_schema::ids::Seq;

/// What a space has of its past, without the bytes.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    /// Events up to here are pruned.
    pub base_seq: i64,
    /// Events up to here are in segments.
    pub sealed_seq: i64,
    /// What the space itself is told to keep.
    pub retention: Retention,
    /// Snapshots that the head's newest one covers, oldest first.
    pub snapshots: Vec<HeldSnapshot>,
    /// Segments, oldest first.
    pub segments: Vec<HeldSegment>,
}

/// A snapshot, by its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldSnapshot {
    /// What it covers.
    pub seq: i64,
    /// When it was made.
    pub at: i64,
    /// Its size.
    pub bytes: i64,
}

/// A segment, by its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldSegment {
    /// Its last event.
    pub last: i64,
    /// When that was written.
    pub last_at: i64,
    /// Its size.
    pub bytes: i64,
}

impl Store {
    /// What a space has of its past.
    pub async fn holdings(&self, key: SpaceKey) -> Result<Holdings> {
        let mut tx = self.reader.begin().await?;
        let head = sqlx::query(
            "select h.base_seq, h.sealed_seq, h.snap_seq, s.keep_days, s.keep_bytes
             from head h join space s on s.id = h.space_id where h.space_id = ?",
        )
        .bind(key.0)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::Gone)?;
        let snapshots = sqlx::query(
            "select seq, created_at, length(body) from snapshot where space_id = ? and seq <= ? order by seq",
        )
        .bind(key.0)
        .bind(head.get::<i64, _>(2))
        .fetch_all(&mut *tx)
        .await?;
        let segments = sqlx::query(
            "select last_seq, last_at, length(body) from segment where space_id = ? order by first_seq",
        )
        .bind(key.0)
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Holdings {
            base_seq: head.get(0),
            sealed_seq: head.get(1),
            retention: Retention {
                days: head.get(3),
                bytes: head.get(4),
            },
            snapshots: snapshots
                .iter()
                .map(|row| HeldSnapshot {
                    seq: row.get(0),
                    at: row.get(1),
                    bytes: row.get(2),
                })
                .collect(),
            segments: segments
                .iter()
                .map(|row| HeldSegment {
                    last: row.get(0),
                    last_at: row.get(1),
                    bytes: row.get(2),
                })
                .collect(),
        })
    }

    /// Tells a space how much of its past it keeps.
    pub async fn set_retention(&self, key: SpaceKey, retention: Retention) -> Result<()> {
        let done =
            sqlx::query("update space set keep_days = ?, keep_bytes = ? where id = ? and deleted_at is null")
                .bind(retention.days)
                .bind(retention.bytes)
                .bind(key.0)
                .execute(&self.writer)
                .await?;
        if done.rows_affected() == 0 {
            Err(StoreError::Gone)
        } else {
            Ok(())
        }
    }

    /// What a space is told to keep.
    pub async fn retention(&self, key: SpaceKey) -> Result<Retention> {
        let row = sqlx::query("select keep_days, keep_bytes from space where id = ? and deleted_at is null")
            .bind(key.0)
            .fetch_optional(&self.reader)
            .await?
            .ok_or(StoreError::Gone)?;
        Ok(Retention {
            days: row.get(0),
            bytes: row.get(1),
        })
    }

    /// The history begins after this event from now on. `made` is the snapshot of that moment, and when it was, where
    /// there is none yet. What is untold and was written since `untold_since` (ms since 1970) is not let go. False when
    /// that cannot be: nothing was changed.
    pub async fn move_base(
        &self,
        key: SpaceKey,
        seq: Seq,
        made: Option<(&NewSnapshot, i64)>,
        untold_since: i64,
    ) -> Result<bool> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let Some(lost) = webhook::lose(&mut tx, key, seq, untold_since).await? else {
            return Ok(false);
        };
        if let Some((new, at)) = made {
            snapshot::insert(&mut tx, key, new, at).await?;
        }
        let done = sqlx::query(
            "update head set base_seq = ?2 where space_id = ?1 and base_seq < ?2 and sealed_seq >= ?2 and snap_seq >= ?2
             and exists (select 1 from snapshot where space_id = ?1 and seq = ?2)",
        )
        .bind(key.0)
        .bind(seq.0)
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            tx.rollback().await?;
            return Ok(false);
        }
        tx.commit().await?;
        if let (false, Ok(dead)) = (lost.is_empty(), self.dead_count().await) {
            self.metrics.webhook_dead.set(dead);
        }
        for lost in lost {
            self.metrics.webhook_lost(lost.events);
            tracing::error!(
                webhook.id = lost.webhook,
                space.key = key.0,
                first = lost.first,
                last = lost.last,
                events = lost.events,
                "pruned before they were told: the endpoint has been away for too long"
            );
        }
        Ok(true)
    }

    /// Takes away one snapshot and one segment of before the history begins; true while there may be more.
    pub async fn prune_slice(&self, key: SpaceKey) -> Result<bool> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let snapshot = sqlx::query(
            "delete from snapshot where space_id = ?1 and seq =
             (select min(seq) from snapshot where space_id = ?1 and seq < (select base_seq from head where space_id = ?1))",
        )
        .bind(key.0)
        .execute(&mut *tx)
        .await?;
        let segment = sqlx::query(
            "delete from segment where space_id = ?1 and first_seq =
             (select min(first_seq) from segment where space_id = ?1
              and last_seq <= (select base_seq from head where space_id = ?1))",
        )
        .bind(key.0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(snapshot.rows_affected() + segment.rows_affected() > 0)
    }

    /// Takes away a snapshot between others: its moment is then read from the one before it.
    pub async fn thin_snapshot(&self, key: SpaceKey, seq: i64) -> Result<()> {
        sqlx::query(
            "delete from snapshot where space_id = ?1 and seq = ?2 and exists
             (select 1 from head where space_id = ?1 and base_seq < ?2 and snap_seq > ?2)",
        )
        .bind(key.0)
        .bind(seq)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// When the oldest event was written that is not in a segment, but for the note of a compaction.
    pub async fn unsealed_since(&self, key: SpaceKey) -> Result<Option<i64>> {
        let at =
            sqlx::query_scalar("select at from event where space_id = ? and kind <> ? order by seq limit 1")
                .bind(key.0)
                .bind(EventKind::Compacted as i64)
                .fetch_optional(&self.reader)
                .await?;
        Ok(at)
    }

    /// Where the history begins now.
    pub async fn base_seq(&self, key: SpaceKey) -> Result<Seq> {
        let base: Option<i64> = sqlx::query_scalar("select base_seq from head where space_id = ?")
            .bind(key.0)
            .fetch_optional(&self.reader)
            .await?;
        base.map(Seq).ok_or(StoreError::Gone)
    }

    /// When the snapshot was made with which a pruned history begins: before that nothing is known.
    pub async fn begins_at(&self, key: SpaceKey, base: Seq) -> Result<Option<i64>> {
        let at = sqlx::query_scalar("select created_at from snapshot where space_id = ? and seq = ?")
            .bind(key.0)
            .bind(base.0)
            .fetch_optional(&self.reader)
            .await?;
        Ok(at)
    }
}
