//! Batches that were given up: where they are in the log, until somebody has them sent again.

use super::super::{Result, SpaceKey, Store, StoreError};
use crate::clock::now_ms;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use thexr_schema::ids::{Seq, SpaceId};

/// A batch that was given up.
#[derive(Debug, Clone)]
pub struct DeadRow {
    /// Its number.
    pub id: i64,
    /// The space its events are of.
    pub key: SpaceKey,
    /// Its name.
    pub space: SpaceId,
    /// Behind the event before it …
    pub first: Seq,
    /// … up to this one.
    pub last: Seq,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong last.
    pub error: String,
    /// When it was given up, or last tried since.
    pub at: i64,
    /// It will be tried again.
    pub due: bool,
}

const COLUMNS: &str = "d.id, d.space_id, s.slug, d.first_seq, d.last_seq, d.attempts, d.error, d.at, d.due
     from webhook_dead d join space s on s.id = d.space_id";

fn dead(row: &SqliteRow) -> Result<DeadRow> {
    let slug: String = row.get(2);
    Ok(DeadRow {
        id: row.get(0),
        key: SpaceKey(row.get(1)),
        space: slug
            .parse()
            .map_err(|_| StoreError::Damaged(format!("space name {slug:?}")))?,
        first: Seq(row.get(3)),
        last: Seq(row.get(4)),
        attempts: row.get(5),
        error: row.get(6),
        at: row.get(7),
        due: row.get(8),
    })
}

impl Store {
    /// Dead letters of a webhook, oldest first, after one of them.
    pub async fn dead_letters(&self, id: &str, after: i64, limit: usize) -> Result<Vec<DeadRow>> {
        let sql = format!("select {COLUMNS} where d.webhook_id = ? and d.id > ? order by d.id limit ?");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id)
            .bind(after)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(dead).collect()
    }

    /// Has them sent again, all of a webhook; says how many.
    pub async fn retry_dead(&self, id: &str) -> Result<u64> {
        let done = sqlx::query("update webhook_dead set due = 1 where webhook_id = ?")
            .bind(id)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected())
    }

    /// The oldest that is to be sent again.
    pub async fn due_dead(&self, id: &str) -> Result<Option<DeadRow>> {
        let sql = format!("select {COLUMNS} where d.webhook_id = ? and d.due = 1 order by d.id limit 1");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(dead).transpose()
    }

    /// It was taken after all.
    pub async fn dead_taken(&self, dead: i64) -> Result<()> {
        sqlx::query("delete from webhook_dead where id = ?")
            .bind(dead)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// It was not taken: it stays, until somebody asks again.
    pub async fn dead_failed(&self, dead: i64, error: &str) -> Result<()> {
        sqlx::query(
            "update webhook_dead set due = 0, attempts = attempts + 1, error = ?, at = ? where id = ?",
        )
        .bind(error)
        .bind(now_ms())
        .bind(dead)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// How many there are, of all webhooks.
    pub async fn dead_count(&self) -> Result<i64> {
        let row = sqlx::query("select count(*) from webhook_dead")
            .fetch_one(&self.reader)
            .await?;
        Ok(row.get(0))
    }
}
