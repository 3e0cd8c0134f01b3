//! How far a webhook is in a space.

use super::super::{Result, SpaceKey, SpaceRow, Store, StoreError, read};
use crate::clock::now_ms;
use sqlx::{Row, SqliteConnection};
use thexr_schema::ids::Seq;

/// A place in a space, and the batch that was tried there.
#[derive(Debug, Clone)]
pub struct Cursor {
    /// The space as it is now.
    pub space: SpaceRow,
    /// Everything up to here was taken or given up.
    pub seq: Seq,
    /// Behind that and up to here is nothing to tell.
    pub looked: Seq,
    /// Where the batch ends that was tried and not taken.
    pub until: Option<Seq>,
    /// How often it was tried.
    pub attempts: u32,
    /// When for the first time, ms since 1970.
    pub first_at: Option<i64>,
    /// Not again before.
    pub next_at: Option<i64>,
}

/// A space in which a webhook has something to look at.
#[derive(Debug, Clone, Copy)]
pub struct Behind {
    /// The space.
    pub key: SpaceKey,
    /// Its newest event.
    pub head: Seq,
    /// Everything up to here was looked at.
    pub looked: Seq,
}

/// An attempt that was not taken.
#[derive(Debug, Clone)]
pub struct Failed {
    /// Where its batch ends.
    pub until: Seq,
    /// How often it was tried by now.
    pub attempts: u32,
    /// When for the first time.
    pub first_at: i64,
    /// When again.
    pub next_at: i64,
    /// What went wrong.
    pub error: String,
}

/// What is written asks for the head row: a delivery may come back after its space was deleted, and leaves nothing then.
impl Store {
    /// The place of a webhook in a space; at the beginning when it has none yet.
    pub async fn webhook_cursor(&self, id: &str, key: SpaceKey) -> Result<Cursor> {
        let mut tx = self.reader.begin().await?;
        let sql = format!(
            "select {} where s.id = ? and s.deleted_at is null",
            read::SPACE_COLUMNS
        );
        let space = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(key.0)
            .fetch_optional(&mut *tx)
            .await?;
        let row = sqlx::query(
            "select seq, looked_seq, until_seq, attempts, first_at, next_at from webhook_cursor
             where webhook_id = ? and space_id = ?",
        )
        .bind(id)
        .bind(key.0)
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        let space = read::space_row(&space.ok_or(StoreError::Gone)?)?;
        Ok(match row {
            Some(row) => Cursor {
                space,
                seq: Seq(row.get(0)),
                looked: Seq(row.get(1)),
                until: row.get::<Option<i64>, _>(2).map(Seq),
                attempts: row.get(3),
                first_at: row.get(4),
                next_at: row.get(5),
            },
            None => Cursor {
                space,
                seq: Seq::ZERO,
                looked: Seq::ZERO,
                until: None,
                attempts: 0,
                first_at: None,
                next_at: None,
            },
        })
    }

    /// Spaces in which a webhook is not at the end, those first whose turn is first.
    pub async fn webhook_behind(&self, id: &str, limit: usize) -> Result<Vec<Behind>> {
        let rows = sqlx::query(
            "select h.space_id, h.seq, coalesce(c.looked_seq, 0) from webhook w
             join head h on w.space_id is null or h.space_id = w.space_id
             left join webhook_cursor c on c.webhook_id = w.id and c.space_id = h.space_id
             where w.id = ? and h.seq > coalesce(c.looked_seq, 0)
             order by coalesce(c.next_at, 0), h.space_id limit ?",
        )
        .bind(id)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.reader)
        .await?;
        let behind = rows.iter().map(|row| Behind {
            key: SpaceKey(row.get(0)),
            head: Seq(row.get(1)),
            looked: Seq(row.get(2)),
        });
        Ok(behind.collect())
    }

    /// There is nothing to tell up to `looked`.
    pub async fn webhook_looked(&self, id: &str, key: SpaceKey, looked: Seq) -> Result<()> {
        sqlx::query(
            "insert into webhook_cursor (webhook_id, space_id, seq, looked_seq)
             select w.id, h.space_id, 0, ?3 from webhook w join head h on h.space_id = ?2 where w.id = ?1
             on conflict do update set looked_seq = max(looked_seq, excluded.looked_seq), until_seq = null,
                    attempts = 0, first_at = null, next_at = null",
        )
        .bind(id)
        .bind(key.0)
        .bind(looked.0)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Everything up to `until` was taken.
    pub async fn webhook_taken(&self, id: &str, key: SpaceKey, until: Seq) -> Result<()> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        move_to(&mut tx, id, key, until).await?;
        sqlx::query("update webhook set told_at = ?, error = null, error_at = null where id = ?")
            .bind(now_ms())
            .bind(id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// A batch was not taken and will be tried again.
    pub async fn webhook_failed(&self, id: &str, key: SpaceKey, failed: &Failed) -> Result<()> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        sqlx::query(
            "insert into webhook_cursor (webhook_id, space_id, seq, looked_seq, until_seq, attempts, first_at, next_at)
             select w.id, h.space_id, 0, 0, ?3, ?4, ?5, ?6 from webhook w join head h on h.space_id = ?2
             where w.id = ?1
             on conflict do update set until_seq = excluded.until_seq, attempts = excluded.attempts,
                    first_at = excluded.first_at, next_at = excluded.next_at
             where webhook_cursor.seq < excluded.until_seq",
        )
        .bind(id)
        .bind(key.0)
        .bind(failed.until.0)
        .bind(failed.attempts)
        .bind(failed.first_at)
        .bind(failed.next_at)
        .execute(&mut *tx)
        .await?;
        went_wrong(&mut tx, id, &failed.error).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A batch is given up: it becomes a dead letter and the place moves behind it, both or neither. What of it was
    /// pruned meanwhile was said to be lost and is not in it.
    pub async fn webhook_given_up(&self, id: &str, key: SpaceKey, first: Seq, failed: &Failed) -> Result<()> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        move_to(&mut tx, id, key, failed.until).await?;
        sqlx::query(
            "insert into webhook_dead (webhook_id, space_id, first_seq, last_seq, attempts, error, at)
             select w.id, h.space_id, max(?3, h.base_seq + 1), ?4, ?5, ?6, ?7 from webhook w
             join head h on h.space_id = ?2 where w.id = ?1 and h.base_seq < ?4",
        )
        .bind(id)
        .bind(key.0)
        .bind(first.0)
        .bind(failed.until.0)
        .bind(failed.attempts)
        .bind(&failed.error)
        .bind(now_ms())
        .execute(&mut *tx)
        .await?;
        went_wrong(&mut tx, id, &failed.error).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// The place never goes back.
pub(super) async fn move_to(
    connection: &mut SqliteConnection,
    id: &str,
    key: SpaceKey,
    seq: Seq,
) -> Result<()> {
    sqlx::query(
        "insert into webhook_cursor (webhook_id, space_id, seq, looked_seq)
         select w.id, h.space_id, ?3, ?3 from webhook w join head h on h.space_id = ?2 where w.id = ?1
         on conflict do update set seq = max(seq, excluded.seq), looked_seq = max(looked_seq, excluded.seq),
                until_seq = null, attempts = 0, first_at = null, next_at = null",
    )
    .bind(id)
    .bind(key.0)
    .bind(seq.0)
    .execute(connection)
    .await?;
    Ok(())
}

async fn went_wrong(connection: &mut SqliteConnection, id: &str, error: &str) -> Result<()> {
    sqlx::query("update webhook set error = ?, error_at = ? where id = ?")
        .bind(error)
        .bind(now_ms())
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}
