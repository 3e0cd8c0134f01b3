//! Making, naming and deleting spaces; what the operator asks of the rows.

pub mod check;

use super::{
    NewEvent, NewSnapshot, Result, SpaceKey, SpaceRow, Store, StoreError, event_crc, read, snapshot,
};
use crate::clock::now_ms;
use sqlx::{Row, SqliteConnection};
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
    /// Compressed bytes of all snapshots and segments.
    pub history_bytes: i64,
}

/// Every table with rows of a space: they go with it, and `thexr fsck` looks for those that stayed.
pub(super) const TABLES: &[&str] = &[
    "event",
    "segment",
    "snapshot",
    "member",
    "head",
    "webhook_cursor",
    "webhook_dead",
    "webhook",
];

impl Store {
    /// Makes a space. `Exists` when a living one has the name.
    pub async fn create(&self, slug: &SpaceId, name: &str) -> Result<SpaceRow> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let key = insert(&mut tx, slug, name).await?;
        let row = read::space_of(&mut tx, key).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Makes a space that begins with a document: `snapshot` stands for its event 1, and `note` is its event 2.
    pub async fn create_from(
        &self,
        slug: &SpaceId,
        name: &str,
        snapshot: &NewSnapshot,
        note: &NewEvent,
    ) -> Result<SpaceRow> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let key = insert(&mut tx, slug, name).await?;
        let (first, now, kind) = (snapshot.seq.0, now_ms(), note.kind as i64);
        sqlx::query(
            "update head set seq = ?1 + 1, at = ?2, snap_seq = ?1, sealed_seq = ?1, base_seq = ?1 where space_id = ?3",
        )
        .bind(first)
        .bind(now)
        .bind(key.0)
        .execute(&mut *tx)
        .await?;
        snapshot::insert(&mut tx, key, snapshot, now).await?;
        sqlx::query(
            "insert into event (space_id, seq, at, kind, user, payload, crc) values (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(key.0)
        .bind(first + 1)
        .bind(now)
        .bind(kind)
        .bind(note.user.as_deref())
        .bind(&note.payload[..])
        .bind(event_crc(kind, &note.payload, None))
        .execute(&mut *tx)
        .await?;
        let row = read::space_of(&mut tx, key).await?;
        tx.commit().await?;
        self.heads.moved(key, row.seq);
        Ok(row)
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
        bury(&mut tx, key).await?;
        clear(&mut tx, key).await?;
        tx.commit().await?;
        self.heads.gone(key);
        Ok(())
    }

    /// Gives every living space a new epoch, all or none; how many there are. For a folder that is older than what was
    /// seen of it: its numbers are about to be handed out a second time.
    pub async fn renew_epochs(&self) -> Result<u64> {
        let done =
            sqlx::query("update space set epoch = lower(hex(randomblob(16))) where deleted_at is null")
                .execute(&self.writer)
                .await?;
        Ok(done.rows_affected())
    }

    /// What the rows of a space occupy.
    pub async fn usage(&self, key: SpaceKey) -> Result<Usage> {
        let row = sqlx::query(
            "select (select count(*) from event where space_id = ?1),
                    (select coalesce(sum(length(payload)), 0) from event where space_id = ?1),
                    (select count(*) from segment where space_id = ?1),
                    (select coalesce(sum(length(body)), 0) from segment where space_id = ?1),
                    (select count(*) from snapshot where space_id = ?1),
                    coalesce((select length(body) from snapshot where space_id = ?1 order by seq desc limit 1), 0),
                    (select coalesce(sum(length(body)), 0) from snapshot where space_id = ?1)
                    + (select coalesce(sum(length(body)), 0) from segment where space_id = ?1)",
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
            history_bytes: row.get(6),
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

/// The rows of a space in which nothing has happened.
pub(super) async fn insert(tx: &mut SqliteConnection, slug: &SpaceId, name: &str) -> Result<SpaceKey> {
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
    let key = SpaceKey(made.get(0));
    sqlx::query("insert into head (space_id) values (?)")
        .bind(key.0)
        .execute(tx)
        .await?;
    Ok(key)
}

/// Makes a living space's row a tombstone; the name is free. What it holds is still there.
pub(super) async fn bury(tx: &mut SqliteConnection, key: SpaceKey) -> Result<()> {
    let done = sqlx::query("update space set deleted_at = ? where id = ? and deleted_at is null")
        .bind(now_ms())
        .bind(key.0)
        .execute(&mut *tx)
        .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::Gone);
    }
    Ok(())
}

/// Takes all that a space holds.
pub(super) async fn clear(tx: &mut SqliteConnection, key: SpaceKey) -> Result<()> {
    for table in TABLES {
        let sql = format!("delete from {table} where space_id = ?");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(key.0)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::temporary::Temporary;
    use std::collections::BTreeSet;

    #[tokio::test]
    async fn no_table_with_rows_of_a_space_is_forgotten() {
        let store = Temporary::open().await;
        let found: Vec<String> = sqlx::query_scalar(
            "select m.name from sqlite_master m join pragma_table_info(m.name) c
             where m.type = 'table' and c.name = 'space_id'",
        )
        .fetch_all(&store.reader)
        .await
        .expect("reads");
        let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, TABLES.iter().copied().collect());
    }
}
