//! Making, naming and deleting spaces; what the operator asks of the rows.

pub mod check;

use super::{Result, SpaceKey, SpaceRow, Store, StoreError, read};
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
        self.heads.gone(key);
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

    /// True when the database accepts a write now (the readiness probe): it takes and gives back the write lock.
    pub async fn writable(&self) -> Result<()> {
        let tx = self.writer.begin_with("begin immediate").await?;
        tx.rollback().await?;
        Ok(())
    }
}
