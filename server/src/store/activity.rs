//! How much happened when, from what the rows say of themselves: no block is unpacked, no payload is read.

use super::{Kinds, Result, SpaceKey, Store};
use sqlx::Row;
use thexr_schema::ids::Seq;

/// A sealed block of events, by its row.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// Its first event.
    pub first: Seq,
    /// Its last.
    pub last: Seq,
    /// When the first was written.
    pub first_at: i64,
    /// When the last was.
    pub last_at: i64,
    /// Which kinds are in it, as stored: bit n = kind n, -1 = not known.
    pub kinds: i64,
    /// How many edits are in it, when that is known.
    pub edits: Option<u64>,
}

impl Block {
    /// True when an event of one of these kinds may be in it.
    pub fn may_have(&self, kinds: Kinds) -> bool {
        kinds.meets(self.kinds)
    }
}

/// Events that are not sealed, of one bucket.
#[derive(Debug, Clone, Copy)]
pub struct Tally {
    /// Which bucket.
    pub bucket: i64,
    /// Edits among them.
    pub edits: u64,
    /// The last of them.
    pub seq: Seq,
}

/// All of a space's history, counted.
#[derive(Debug, Default)]
pub struct Counted {
    /// Everything sealed, in order.
    pub blocks: Vec<Block>,
    /// The rest, by bucket.
    pub rows: Vec<Tally>,
    /// The newest event then. What has come since may be of the same millisecond.
    pub newest: Seq,
}

impl Store {
    /// When the first kept event and the newest one were written; `None` before the first.
    pub async fn extent(&self, key: SpaceKey) -> Result<Option<(i64, i64)>> {
        let row = sqlx::query(
            "select min(first), max(last) from (
                 select min(first_at) as first, max(last_at) as last from segment
                 where space_id = ?1 and last_seq > (select base_seq from head where space_id = ?1)
                 union all
                 select min(at), max(at) from event where space_id = ?1)",
        )
        .bind(key.0)
        .fetch_one(&self.reader)
        .await?;
        Ok(row.get::<Option<i64>, _>(0).zip(row.get::<Option<i64>, _>(1)))
    }

    /// What was written up to `to`: sealed blocks, and of the rest from `from` on how much is in each bucket of
    /// `width` milliseconds.
    pub async fn counted(&self, key: SpaceKey, from: i64, to: i64, width: i64) -> Result<Counted> {
        // One transaction: a seal in between moves rows from one table to the other.
        let mut tx = self.reader.begin().await?;
        let blocks = sqlx::query(
            "select first_seq, last_seq, first_at, last_at, kinds, edits from segment
             where space_id = ?1 and first_at <= ?2 and last_seq > (select base_seq from head where space_id = ?1)
             order by first_seq",
        )
        .bind(key.0)
        .bind(to)
        .fetch_all(&mut *tx)
        .await?;
        let rows = sqlx::query(
            "select (at - ?2) / ?4 as bucket, sum(kind = 1), max(seq) from event
             where space_id = ?1 and at between ?2 and ?3 group by bucket order by bucket",
        )
        .bind(key.0)
        .bind(from)
        .bind(to)
        .bind(width)
        .fetch_all(&mut *tx)
        .await?;
        let newest: Option<i64> = sqlx::query_scalar("select seq from head where space_id = ?")
            .bind(key.0)
            .fetch_optional(&mut *tx)
            .await?;
        tx.commit().await?;
        let block = |row: &sqlx::sqlite::SqliteRow| Block {
            first: Seq(row.get(0)),
            last: Seq(row.get(1)),
            first_at: row.get(2),
            last_at: row.get(3),
            kinds: row.get(4),
            edits: row.get::<Option<i64>, _>(5).map(i64::cast_unsigned),
        };
        let tally = |row: &sqlx::sqlite::SqliteRow| Tally {
            bucket: row.get(0),
            edits: row.get::<i64, _>(1).cast_unsigned(),
            seq: Seq(row.get(2)),
        };
        Ok(Counted {
            blocks: blocks.iter().map(block).collect(),
            rows: rows.iter().map(tally).collect(),
            newest: Seq(newest.unwrap_or(0)),
        })
    }
}
