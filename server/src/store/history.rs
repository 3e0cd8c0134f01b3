//! Reading back what happened: sealed segments, then rows, as one list in order. A page costs what it holds.

use super::segment::Packed;
use super::{Event, EventKind, Result, Snapshot, SpaceKey, Store, StoreError, read};
use crate::limits;
use sqlx::{Row, SqliteConnection};
use thexr_schema::ids::Seq;

/// Which kinds of events a reader wants: bit n = kind n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds(i64);

impl Kinds {
    /// All of them, those of a newer program too.
    pub const ALL: Self = Self(-1);
    /// Who came, was lost, came back and went.
    pub const MEMBERS: Self = Self::of(&[
        EventKind::Joined,
        EventKind::Suspended,
        EventKind::Resumed,
        EventKind::Left,
    ]);
    /// Where members were.
    pub const POSES: Self = Self::of(&[EventKind::Poses]);
    /// What happened, without where members were meanwhile.
    pub const LISTED: Self = Self(!Self::POSES.0);
    /// Updates of the document.
    pub const EDITS: Self = Self::of(&[EventKind::Edit]);

    /// These.
    pub const fn of(kinds: &[EventKind]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < kinds.len() {
            bits |= 1 << kinds[i] as i64;
            i += 1;
        }
        Self(bits)
    }

    /// As they are stored.
    pub(super) const fn bits(self) -> i64 {
        self.0
    }

    /// The reverse of [`Kinds::bits`].
    pub(super) const fn of_bits(bits: i64) -> Self {
        Self(bits)
    }

    /// What is in both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// True when a block with these kinds (bit n = kind n) has some that are wanted.
    pub(super) fn meets(self, bits: i64) -> bool {
        self.0 & bits != 0
    }

    /// True when a reader of these wants this one.
    pub fn has(self, kind: i64) -> bool {
        self.0 == -1 || (0..63).contains(&kind) && self.0 & 1 << kind != 0
    }
}

/// A piece of the history.
#[derive(Debug, Default)]
pub struct Stretch {
    /// What was asked for, in order.
    pub events: Vec<Event>,
    /// Everything up to here was looked at; where it began when that was the end.
    pub seen: Seq,
    /// What is pruned: nothing up to here is there any more.
    pub base: Seq,
}

impl Store {
    /// The next events after `after` (or after what is pruned), in order: at most `limit`, and no more than one sealed
    /// block at a time. A stretch without events is not the end unless `seen` is `after`.
    pub async fn history(&self, key: SpaceKey, after: Seq, limit: usize, kinds: Kinds) -> Result<Stretch> {
        // One transaction: a seal in between moves rows from one table to the other.
        let mut tx = self.reader.begin().await?;
        let found = stretch(&mut tx, key, after, limit, kinds).await;
        tx.commit().await?;
        let Found {
            after,
            mut stretch,
            block,
        } = found?;
        if let Some(block) = block {
            stretch.events = unpack(block, after, kinds).await?;
            if stretch.events.len() > limit {
                stretch.events.truncate(limit);
                stretch.seen = stretch.events.last().map_or(after, |event| event.seq);
            }
        }
        if kinds == Kinds::ALL {
            whole(&stretch.events, after)?;
        }
        Ok(stretch)
    }

    /// Where the first piece after `after` ends that has something of these kinds, readable or not: a sealed block, or one
    /// event. `None` when there is nothing.
    pub async fn piece_end(&self, key: SpaceKey, after: Seq, kinds: Kinds) -> Result<Option<Seq>> {
        let end: Option<i64> = sqlx::query_scalar(
            "select coalesce(
                 (select last_seq from segment
                  where space_id = ?1 and last_seq > ?2 and kinds & ?3 <> 0 order by first_seq limit 1),
                 (select min(seq) from event where space_id = ?1 and seq > ?2 and (1 << kind) & ?3 <> 0))",
        )
        .bind(key.0)
        .bind(after.0)
        .bind(kinds.0)
        .fetch_one(&self.reader)
        .await?;
        Ok(end.map(Seq))
    }

    /// The newest event at or before a time (ms since 1970); what is pruned when there is none.
    pub async fn seq_at(&self, key: SpaceKey, at: i64) -> Result<Seq> {
        let mut tx = self.reader.begin().await?;
        let found = seq_at(&mut tx, key, at).await;
        tx.commit().await?;
        match found? {
            Moment::At(seq) => Ok(seq),
            Moment::Within(block, base) => {
                let events = unpack(block, Seq::ZERO, Kinds::ALL).await?;
                let last = events
                    .iter()
                    .rev()
                    .find(|event| event.at <= at && event.seq > base);
                Ok(last.map_or(base, |event| event.seq))
            }
        }
    }

    /// The newest event of these kinds up to `seq`.
    pub async fn last_before(&self, key: SpaceKey, seq: Seq, kinds: Kinds) -> Result<Option<Event>> {
        self.nth_before(key, seq, 0, kinds).await
    }

    /// The event of these kinds up to `seq` that `n` others follow; nothing when there are fewer.
    pub async fn nth_before(&self, key: SpaceKey, seq: Seq, n: usize, kinds: Kinds) -> Result<Option<Event>> {
        let rows = "where space_id = ? and seq <= ? and (1 << kind) & ? <> 0";
        let sql = format!(
            "select {} {rows} order by seq desc limit 1 offset ?",
            read::EVENT_COLUMNS
        );
        let mut tx = self.reader.begin().await?;
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(key.0)
            .bind(seq.0)
            .bind(kinds.0)
            .bind(i64::try_from(n).unwrap_or(i64::MAX))
            .fetch_optional(&mut *tx)
            .await?;
        let mut found = row.as_ref().map(read::event).transpose()?;
        let (mut until, mut left) = (seq, n);
        if found.is_none() && n > 0 {
            let sql = format!("select count(*) from event {rows}");
            let counted = sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(key.0)
                .bind(seq.0)
                .bind(kinds.0)
                .fetch_one(&mut *tx)
                .await?;
            left -= usize::try_from(counted.get::<i64, _>(0)).unwrap_or(0).min(n);
        }
        while found.is_none() {
            let row = sqlx::query(
                "select first_seq, last_seq, raw_len, body, crc, format from segment
                 where space_id = ? and first_seq <= ? and kinds & ? <> 0 order by first_seq desc limit 1",
            )
            .bind(key.0)
            .bind(until.0)
            .bind(kinds.0)
            .fetch_optional(&mut *tx)
            .await?;
            let Some(row) = row else { break };
            let first: i64 = row.get(0);
            let mut events = unpack(Packed::of_row(&row)?, Seq::ZERO, kinds).await?;
            events.retain(|event| event.seq <= seq);
            let count = events.len();
            found = events.into_iter().rev().nth(left);
            // It is in the block before this one.
            left = left.saturating_sub(count);
            until = Seq(first - 1);
        }
        tx.commit().await?;
        Ok(found)
    }

    /// The newest stored snapshot that covers no more than `seq`.
    pub async fn snapshot_before(&self, key: SpaceKey, seq: Seq) -> Result<Option<Snapshot>> {
        let sql = format!(
            "select {} where space_id = ? and seq <= ? order by seq desc limit 1",
            read::SNAPSHOT_COLUMNS
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(key.0)
            .bind(seq.0)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read::snapshot).transpose()
    }
}

/// Events that follow each other without a gap, or the first that is missing.
fn whole(events: &[Event], after: Seq) -> Result<()> {
    for (event, expected) in events.iter().zip(after.0 + 1..) {
        if event.seq.0 != expected {
            return Err(StoreError::Damaged(format!("event {expected} is missing")));
        }
    }
    Ok(())
}

/// What a read found: rows, or a block that is yet to be unpacked.
struct Found {
    after: Seq,
    stretch: Stretch,
    block: Option<Packed>,
}

async fn stretch(
    connection: &mut SqliteConnection,
    key: SpaceKey,
    after: Seq,
    limit: usize,
    kinds: Kinds,
) -> Result<Found> {
    let head = sqlx::query("select seq, base_seq from head where space_id = ?")
        .bind(key.0)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or(StoreError::Gone)?;
    let (head, base): (i64, i64) = (head.get(0), head.get(1));
    let base = Seq(base);
    let after = after.max(base);
    let sealed = sqlx::query(
        "select first_seq, last_seq, raw_len, body, crc, format from segment
         where space_id = ?1 and last_seq > ?2 and kinds & ?3 <> 0 order by first_seq limit 1",
    )
    .bind(key.0)
    .bind(after.0)
    .bind(kinds.0)
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(row) = sealed {
        let block = Packed::of_row(&row)?;
        let stretch = Stretch {
            events: Vec::new(),
            seen: Seq(row.get(1)),
            base,
        };
        return Ok(Found {
            after,
            stretch,
            block: Some(block),
        });
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // Lengths first: one page must not be a thousand large updates.
    let page = sqlx::query(
        "select max(seq), count(*) from (
             select seq, sum(length(payload)) over (order by seq) - length(payload) as before from event
             where space_id = ?1 and seq > ?2 and (1 << kind) & ?3 <> 0 order by seq limit ?4
         ) where before <= ?5",
    )
    .bind(key.0)
    .bind(after.0)
    .bind(kinds.0)
    .bind(limit.saturating_add(1))
    .bind(limits::HISTORY_PAGE_BYTES)
    .fetch_one(&mut *connection)
    .await?;
    let (last, fitting): (Option<i64>, i64) = (page.get(0), page.get(1));
    let sql = format!(
        "select {} where space_id = ? and seq > ? and seq <= ? and (1 << kind) & ? <> 0 order by seq limit ?",
        read::EVENT_COLUMNS
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(key.0)
        .bind(after.0)
        .bind(last)
        .bind(kinds.0)
        .bind(limit)
        .fetch_all(&mut *connection)
        .await?;
    let events = rows.iter().map(read::event).collect::<Result<Vec<Event>>>()?;
    let all = fitting <= limit && !cut(connection, key, last, kinds).await?;
    let seen = match events.last() {
        Some(last) if !all => last.seq,
        _ => Seq(head.max(after.0)),
    };
    Ok(Found {
        after,
        stretch: Stretch { events, seen, base },
        block: None,
    })
}

/// True when there is more of these kinds after what fitted.
async fn cut(
    connection: &mut SqliteConnection,
    key: SpaceKey,
    last: Option<i64>,
    kinds: Kinds,
) -> Result<bool> {
    let Some(last) = last else { return Ok(false) };
    let more =
        sqlx::query("select 1 from event where space_id = ? and seq > ? and (1 << kind) & ? <> 0 limit 1")
            .bind(key.0)
            .bind(last)
            .bind(kinds.0)
            .fetch_optional(connection)
            .await?;
    Ok(more.is_some())
}

/// Where a time is.
enum Moment {
    At(Seq),
    /// In this block, or, when all of it is later, before it.
    Within(Packed, Seq),
}

async fn seq_at(connection: &mut SqliteConnection, key: SpaceKey, at: i64) -> Result<Moment> {
    // Times never run backwards in seq, so the first from the end that is old enough is the one.
    let row = sqlx::query("select seq from event where space_id = ? and at <= ? order by seq desc limit 1")
        .bind(key.0)
        .bind(at)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(row) = row {
        return Ok(Moment::At(Seq(row.get(0))));
    }
    let base = sqlx::query("select base_seq from head where space_id = ?")
        .bind(key.0)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or(StoreError::Gone)?;
    let base = Seq(base.get(0));
    let row = sqlx::query(
        "select first_seq, last_seq, raw_len, body, crc, format from segment
         where space_id = ? and first_at <= ? order by first_seq desc limit 1",
    )
    .bind(key.0)
    .bind(at)
    .fetch_optional(connection)
    .await?;
    Ok(match row {
        Some(row) => Moment::Within(Packed::of_row(&row)?, base),
        None => Moment::At(base),
    })
}

/// What is wanted of a block, unpacked off the runtime's own threads: it is a megabyte.
async fn unpack(packed: Packed, after: Seq, kinds: Kinds) -> Result<Vec<Event>> {
    let unpacked = tokio::task::spawn_blocking(move || packed.unpack()).await;
    let mut events = unpacked.map_err(|e| StoreError::Damaged(format!("unpacking: {e}")))??;
    events.retain(|event| event.seq > after && kinds.has(event.kind));
    Ok(events)
}
