//! Webhooks: who is told, and how far each has come in each space. Every call that writes is one transaction.

mod cursor;
mod dead;
mod lost;

pub use cursor::{Behind, Cursor, Failed};
pub use dead::DeadRow;
pub use lost::Late;
pub(super) use lost::lose;

use super::{Kinds, Result, SpaceKey, Store, StoreError};
use crate::clock::now_ms;
use crate::config::Secret;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use thexr_schema::ids::{Seq, SpaceId};

/// A webhook as stored.
#[derive(Debug, Clone)]
pub struct WebhookRow {
    /// Random.
    pub id: String,
    /// The space it is of; `None` = all of them.
    pub space: Option<(SpaceKey, SpaceId)>,
    /// Where deliveries go.
    pub url: String,
    /// What they are signed with.
    pub secret: Secret,
    /// What it is told of.
    pub kinds: Kinds,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Nothing is sent.
    pub paused: bool,
    /// What went wrong last, and when; after that, what was lost last.
    pub error: Option<(String, i64)>,
    /// When a delivery was last taken.
    pub told_at: Option<i64>,
}

const COLUMNS: &str = "w.id, w.space_id, s.slug, w.url, w.secret, w.kinds, w.created_at, w.paused, \
     coalesce(w.error, w.lost), case when w.error is null then w.lost_at else w.error_at end, w.told_at \
     from webhook w left join space s on s.id = w.space_id";

fn webhook(row: &SqliteRow) -> Result<WebhookRow> {
    let (key, slug): (Option<i64>, Option<String>) = (row.get(1), row.get(2));
    let space = match (key, slug) {
        (Some(key), Some(slug)) => {
            let damaged = |_| StoreError::Damaged(format!("space name {slug:?}"));
            Some((SpaceKey(key), slug.parse().map_err(damaged)?))
        }
        _ => None,
    };
    let (error, error_at): (Option<String>, Option<i64>) = (row.get(8), row.get(9));
    Ok(WebhookRow {
        id: row.get(0),
        space,
        url: row.get(3),
        secret: Secret::new(row.get::<String, _>(4)),
        kinds: Kinds::of_bits(row.get(5)),
        created_at: row.get(6),
        paused: row.get(7),
        error: error.zip(error_at),
        told_at: row.get(10),
    })
}

impl Store {
    /// Keeps a new webhook. It begins behind event `after` of each space that there is, as far as that is kept, or at its
    /// newest.
    pub async fn add_webhook(&self, new: &WebhookRow, after: Option<Seq>) -> Result<()> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let key = new.space.as_ref().map(|(key, _)| key.0);
        sqlx::query(
            "insert into webhook (id, space_id, url, secret, kinds, created_at) values (?, ?, ?, ?, ?, ?)",
        )
        .bind(&new.id)
        .bind(key)
        .bind(&new.url)
        .bind(new.secret.expose())
        .bind(new.kinds.bits())
        .bind(new.created_at)
        .execute(&mut *tx)
        .await?;
        let begun = sqlx::query(
            "insert into webhook_cursor (webhook_id, space_id, seq, looked_seq)
             select ?1, space_id, max(base_seq, min(seq, coalesce(?3, seq))),
                    max(base_seq, min(seq, coalesce(?3, seq))) from head
             where ?2 is null or space_id = ?2",
        )
        .bind(&new.id)
        .bind(key)
        .bind(after.map(|after| after.0))
        .execute(&mut *tx)
        .await?;
        if key.is_some() && begun.rows_affected() == 0 {
            return Err(StoreError::Gone);
        }
        tx.commit().await?;
        Ok(())
    }

    /// All of them, oldest first; there is a bounded number.
    pub async fn webhooks(&self) -> Result<Vec<WebhookRow>> {
        let sql = format!("select {COLUMNS} order by w.created_at, w.id");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(webhook).collect()
    }

    /// The one of this id.
    pub async fn webhook(&self, id: &str) -> Result<Option<WebhookRow>> {
        let sql = format!("select {COLUMNS} where w.id = ?");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(webhook).transpose()
    }

    /// Forgets a webhook, its places and its dead letters; false when there is none.
    pub async fn remove_webhook(&self, id: &str) -> Result<bool> {
        let done = sqlx::query("delete from webhook where id = ?")
            .bind(id)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Stops telling, with the reason when the server decides it; false when there is no such webhook.
    pub async fn pause_webhook(&self, id: &str, why: Option<&str>) -> Result<bool> {
        let done = sqlx::query(
            "update webhook set paused = 1, error = coalesce(?2, error),
                    error_at = case when ?2 is null then error_at else ?3 end where id = ?1",
        )
        .bind(id)
        .bind(why)
        .bind(now_ms())
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Goes on where it was, at once and with all attempts ahead. When it was not paused, what it lost was seen.
    pub async fn resume_webhook(&self, id: &str) -> Result<bool> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let done = sqlx::query(
            "update webhook set lost = case when paused then lost end,
                    lost_at = case when paused then lost_at end, paused = 0 where id = ?",
        )
        .bind(id)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "update webhook_cursor set attempts = 0, first_at = null, next_at = null where webhook_id = ?",
        )
        .bind(id)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }
}
