//! What webhooks have yet to tell, where retention wants it gone: who they are, and what is lost when it goes all the same.

use super::super::{Kinds, Result, SpaceKey, Store};
use super::cursor::move_to;
use crate::clock::now_ms;
use sqlx::{Row, SqliteConnection};
use thexr_schema::ids::Seq;

/// A webhook, paused or not, that has not looked at everything that is to go.
#[derive(Debug, Clone)]
pub struct Late {
    /// Its id.
    pub id: String,
    /// What it is told of.
    pub kinds: Kinds,
    /// Nothing up to here is left to tell; not before what is pruned already.
    pub looked: Seq,
}

/// Events that went before a webhook had told them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Lost {
    pub webhook: String,
    /// How many there were, of kinds that it is told of or not …
    pub events: i64,
    /// … from this one …
    pub first: i64,
    /// … to this one.
    pub last: i64,
}

impl Lost {
    /// For people.
    pub(in super::super) fn said(&self, space: &str) -> String {
        let Self {
            events, first, last, ..
        } = self;
        // Between a dead letter and what came later is what was taken.
        let some = match *events == last - first + 1 {
            true => String::new(),
            false => format!("{events} of "),
        };
        format!("{some}events {first} to {last} of {space} were pruned before they were told")
    }
}

impl Store {
    /// Webhooks that have not looked at all events of a space up to `base`; there is a bounded number.
    pub async fn webhooks_late(&self, key: SpaceKey, base: Seq) -> Result<Vec<Late>> {
        let mut connection = self.reader.acquire().await?;
        late(&mut connection, key, base).await
    }

    /// Up to `to` is nothing that a webhook is told of. What it tries just now stays as it is.
    pub async fn webhook_passed(&self, id: &str, key: SpaceKey, to: Seq) -> Result<()> {
        sqlx::query(
            "insert into webhook_cursor (webhook_id, space_id, seq, looked_seq)
             select w.id, h.space_id, 0, ?3 from webhook w join head h on h.space_id = ?2 where w.id = ?1
             on conflict do update set looked_seq = max(looked_seq, excluded.looked_seq)",
        )
        .bind(id)
        .bind(key.0)
        .bind(to.0)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// The first event of a space that is in a dead letter.
    pub async fn first_dead(&self, key: SpaceKey) -> Result<Option<Seq>> {
        let first: Option<i64> =
            sqlx::query_scalar("select min(first_seq) from webhook_dead where space_id = ?")
                .bind(key.0)
                .fetch_one(&self.reader)
                .await?;
        Ok(first.map(Seq))
    }
}

async fn late(connection: &mut SqliteConnection, key: SpaceKey, base: Seq) -> Result<Vec<Late>> {
    let rows = sqlx::query(
        "select w.id, w.kinds, max(coalesce(c.looked_seq, 0), h.base_seq) from webhook w
         join head h on h.space_id = ?1
         left join webhook_cursor c on c.webhook_id = w.id and c.space_id = h.space_id
         where (w.space_id is null or w.space_id = h.space_id) and coalesce(c.looked_seq, 0) < ?2",
    )
    .bind(key.0)
    .bind(base.0)
    .fetch_all(connection)
    .await?;
    let late = rows.iter().map(|row| Late {
        id: row.get(0),
        kinds: Kinds::of_bits(row.get(1)),
        looked: Seq(row.get(2)),
    });
    Ok(late.collect())
}

/// What is lost when the history of a space begins after `base`; `None` when that must not be, because some of it is
/// younger than `kept_since`. Webhooks go on behind `base` and say what is missing. What is left of a batch or a dead
/// letter begins behind `base`, and so has another delivery's id: a retry under the id of before is the same bytes, or none.
pub(in super::super) async fn lose(
    tx: &mut SqliteConnection,
    key: SpaceKey,
    base: Seq,
    kept_since: i64,
) -> Result<Option<Vec<Lost>>> {
    let late = late(tx, key, base).await?;
    let dead = sqlx::query(
        "select webhook_id, min(first_seq), sum(min(last_seq, ?2) - first_seq + 1), max(min(last_seq, ?2))
         from webhook_dead where space_id = ?1 and first_seq <= ?2 group by webhook_id",
    )
    .bind(key.0)
    .bind(base.0)
    .fetch_all(&mut *tx)
    .await?;
    let mut lost: Vec<Lost> = dead
        .iter()
        .map(|row| Lost {
            webhook: row.get(0),
            first: row.get(1),
            events: row.get(2),
            last: row.get(3),
        })
        .collect();
    for Late { id, looked, .. } in &late {
        let events = base.0 - looked.0;
        // Dead letters are of before.
        match lost.iter_mut().find(|lost| lost.webhook == *id) {
            Some(lost) => (lost.events, lost.last) = (lost.events + events, base.0),
            None => lost.push(Lost {
                webhook: id.clone(),
                events,
                first: looked.0 + 1,
                last: base.0,
            }),
        }
    }
    if lost.is_empty() {
        return Ok(Some(lost));
    }
    let newest: Option<i64> =
        sqlx::query_scalar("select max(last_at) from segment where space_id = ? and last_seq <= ?")
            .bind(key.0)
            .bind(base.0)
            .fetch_one(&mut *tx)
            .await?;
    if newest.is_some_and(|newest| newest >= kept_since) {
        return Ok(None);
    }
    let space: String = sqlx::query_scalar("select slug from space where id = ?")
        .bind(key.0)
        .fetch_one(&mut *tx)
        .await?;
    for lost in &lost {
        sqlx::query("update webhook set lost = ?, lost_at = ? where id = ?")
            .bind(lost.said(&space))
            .bind(now_ms())
            .bind(&lost.webhook)
            .execute(&mut *tx)
            .await?;
    }
    for Late { id, .. } in &late {
        move_to(tx, id, key, base).await?;
    }
    for sql in [
        "delete from webhook_dead where space_id = ? and last_seq <= ?",
        "update webhook_dead set first_seq = ?2 + 1 where space_id = ?1 and first_seq <= ?2",
    ] {
        sqlx::query(sql)
            .bind(key.0)
            .bind(base.0)
            .execute(&mut *tx)
            .await?;
    }
    Ok(Some(lost))
}
