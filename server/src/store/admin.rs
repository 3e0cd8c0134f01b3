//! Making, naming and deleting spaces; what the operator asks of the rows.

pub mod check;

use super::{Event, Result, SpaceKey, SpaceRow, Store, StoreError, read, segment};
use crate::clock::now_ms;
use sqlx::Row;
use thexr_schema::ids::SpaceId;

/// What a space occupies.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    /// Events not yet sealed.
    pub event_rows: i64,
    /// Their payload bytes.
    pub event_bytes: i64,
    /// Sealed segments.
    pub segments: i64,
    /// Their compressed bytes.
    pub segment_bytes: i64,
    /// Stored snapshots (the newest and the one before).
    pub snapshots: i64,
    /// Compressed bytes of the newest one.
    pub snapshot_bytes: i64,
}

impl Store {
    /// Makes a space. `Exists` when a living one has the name.
    pub async fn create(&self, slug: &SpaceId, name: &str) -> Result<SpaceRow> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let epoch = format!("{:032x}", rand::random::<u128>());
        let made = sqlx::query(
            "insert into space (slug, name, epoch, created_at) values (?, ?, ?, ?)
             on conflict (slug) where deleted_at is null do nothing returning id",
        )
        .bind(slug.as_ref())
        .bind(name)
        .bind(&epoch)
        .bind(now_ms())
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::Exists)?;
        let id: i64 = made.get(0);
        sqlx::query("insert into head (space_id) values (?)")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        let sql = format!("select {} where s.id = ?", read::SPACE_COLUMNS);
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id)
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        read::space_row(&row)
    }

    /// Gives a space another display name.
    pub async fn rename(&self, key: SpaceKey, name: &str) -> Result<()> {
        let done = sqlx::query("update space set name = ? where id = ? and deleted_at is null")
            .bind(name)
            .bind(key.0)
            .execute(&self.writer)
            .await?;
        if done.rows_affected() == 0 {
            Err(StoreError::Gone)
        } else {
            Ok(())
        }
    }

    /// Deletes a space with all it holds; only its row stays, as a tombstone, so that a stale client cannot bring
    /// it back by connecting.
    pub async fn delete(&self, key: SpaceKey) -> Result<()> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let done = sqlx::query("update space set deleted_at = ? where id = ? and deleted_at is null")
            .bind(now_ms())
            .bind(key.0)
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Gone);
        }
        for table in ["event", "segment", "snapshot", "member", "head"] {
            let sql = format!("delete from {table} where space_id = ?");
            sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(key.0)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// What the rows of a space occupy.
    pub async fn usage(&self, key: SpaceKey) -> Result<Usage> {
        let row = sqlx::query(
            "select (select count(*) from event where space_id = ?1),
                    (select coalesce(sum(length(payload)), 0) from event where space_id = ?1),
                    (select count(*) from segment where space_id = ?1),
                    (select coalesce(sum(length(body)), 0) from segment where space_id = ?1),
                    (select count(*) from snapshot where space_id = ?1),
                    coalesce((select length(body) from snapshot where space_id = ?1 order by seq desc limit 1), 0)",
        )
        .bind(key.0)
        .fetch_one(&self.reader)
        .await?;
        Ok(Usage {
            event_rows: row.get(0),
            event_bytes: row.get(1),
            segments: row.get(2),
            segment_bytes: row.get(3),
            snapshots: row.get(4),
            snapshot_bytes: row.get(5),
        })
    }

    /// Edits and their bytes since the newest snapshot.
    pub async fn load_counts(&self, key: SpaceKey) -> Result<(i64, i64)> {
        let row = sqlx::query("select log_rows, log_bytes from head where space_id = ?")
            .bind(key.0)
            .fetch_optional(&self.reader)
            .await?
            .ok_or(StoreError::Gone)?;
        Ok((row.get(0), row.get(1)))
    }

    /// The first page of a space's whole history after `after`: events from segments and rows alike, in order, at
    /// least one when there is one. For checks and export; it may hold a whole segment.
    pub async fn history(&self, key: SpaceKey, after: i64) -> Result<Vec<Event>> {
        let sealed = sqlx::query(
            "select first_seq, raw_len, body, crc from segment where space_id = ? and last_seq > ?
             order by first_seq limit 1",
        )
        .bind(key.0)
        .bind(after)
        .fetch_optional(&self.reader)
        .await?;
        if let Some(row) = sealed {
            let (first, raw_len): (i64, i64) = (row.get(0), row.get(1));
            let body: Vec<u8> = row.get(2);
            if i64::from(crc32fast::hash(&body)) != row.get::<i64, _>(3) {
                return Err(StoreError::Damaged(format!(
                    "segment {first} does not match its checksum"
                )));
            }
            let raw_len =
                usize::try_from(raw_len).map_err(|_| StoreError::Damaged("segment length".into()))?;
            let mut events = segment::unpack(&body, raw_len)?;
            events.retain(|e| e.seq.0 > after);
            return Ok(events);
        }
        let sql = format!(
            "select {} where space_id = ? and seq > ? order by seq limit 1000",
            read::EVENT_COLUMNS
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(key.0)
            .bind(after)
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(read::event).collect()
    }

    /// True when the database accepts a write now (the readiness probe): it takes and gives back the write lock.
    pub async fn writable(&self) -> Result<()> {
        let tx = self.writer.begin_with("begin immediate").await?;
        tx.rollback().await?;
        Ok(())
    }
}
