//! A space's rows as a whole, out and in: read in one transaction, so that they are of one moment, and written in one, so
//! that a space is there as a whole or not at all. What is in them is judged by the caller.

use super::admin::{bury, clear, insert};
use super::segment::{self, Listed, Packed};
use super::{Event, Head, MemberRow, Result, SpaceKey, SpaceRow, Store, StoreError, event_crc, member, read};
use crate::limits;
use bytes::Bytes;
use futures_util::TryStreamExt;
use sqlx::{Row, Sqlite, Transaction};
use std::collections::VecDeque;
use thexr_schema::ids::SpaceId;

/// How much of its past a space keeps; `None` = as the server is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Days.
    pub days: Option<i64>,
    /// Bytes.
    pub bytes: Option<i64>,
}

/// A snapshot's row.
#[derive(Debug, Clone)]
pub struct SnapshotRow {
    /// The event it covers up to.
    pub seq: i64,
    /// When it was made.
    pub created_at: i64,
    /// 1 = Yjs v1 + zstd, 2 = Yjs v2 + zstd.
    pub format: i64,
    /// Bytes before compression.
    pub raw_len: usize,
    /// SHA-256 of the canonical content.
    pub hash: Vec<u8>,
    /// The compressed bytes.
    pub body: Bytes,
}

/// A piece of a space, in the order in which it is read: a snapshot comes before the block with the event after it.
#[derive(Debug)]
pub enum Piece {
    /// A snapshot.
    Snapshot(SnapshotRow),
    /// A sealed segment, as it is.
    Segment(Packed),
    /// Events that are not sealed.
    Events(Packed),
    /// The last piece: who is there.
    Members(Vec<MemberRow>),
}

/// A space being read.
pub struct Outgoing {
    tx: Transaction<'static, Sqlite>,
    /// Its row.
    pub row: SpaceRow,
    /// What it is told to keep.
    pub retention: Retention,
    /// Snapshots that were not given out yet.
    snapshots: VecDeque<i64>,
    /// The last event that was given out.
    after: i64,
    sealed: bool,
    /// A block that waits for the snapshots before it, and its last event.
    held: Option<(i64, Piece)>,
    done: bool,
}

impl Store {
    /// Begins to read a space, all of it as it is now. Holds one of the readers until it is dropped.
    pub async fn outgoing(&self, id: &SpaceId) -> Result<Outgoing> {
        let mut tx = self.reader.begin().await?;
        let found =
            sqlx::query("select id, keep_days, keep_bytes from space where slug = ? and deleted_at is null")
                .bind(id.as_ref())
                .fetch_optional(&mut *tx)
                .await?
                .ok_or(StoreError::Gone)?;
        let key = SpaceKey(found.get(0));
        let row = read::space_of(&mut tx, key).await?;
        let snapshots: Vec<i64> =
            sqlx::query_scalar("select seq from snapshot where space_id = ? and seq >= ? order by seq")
                .bind(key.0)
                .bind(row.base_seq.0)
                .fetch_all(&mut *tx)
                .await?;
        Ok(Outgoing {
            after: row.base_seq.0,
            retention: Retention {
                days: found.get(1),
                bytes: found.get(2),
            },
            tx,
            row,
            snapshots: snapshots.into(),
            sealed: true,
            held: None,
            done: false,
        })
    }
}

impl Outgoing {
    /// The next piece; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Piece>> {
        if self.held.is_none() && !self.done {
            self.held = self.block().await?;
        }
        let before = self.held.as_ref().map_or(i64::MAX, |(last, _)| *last);
        if let Some(seq) = self.snapshots.pop_front_if(|seq| *seq < before) {
            return self.snapshot(seq).await.map(Some);
        }
        if let Some((_, piece)) = self.held.take() {
            return Ok(Some(piece));
        }
        if self.done {
            return Ok(None);
        }
        self.done = true;
        let members = member::of(&mut self.tx, self.row.key).await?;
        Ok(Some(Piece::Members(members)))
    }

    async fn snapshot(&mut self, seq: i64) -> Result<Piece> {
        let sql = format!(
            "select {}, created_at from snapshot where space_id = ? and seq = ?",
            read::SNAPSHOT_COLUMNS.trim_end_matches(" from snapshot")
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.row.key.0)
            .bind(seq)
            .fetch_one(&mut *self.tx)
            .await?;
        let found = read::snapshot(&row)?;
        Ok(Piece::Snapshot(SnapshotRow {
            seq,
            created_at: row.get(6),
            format: found.format,
            raw_len: found.raw_len,
            hash: found.hash,
            body: found.body,
        }))
    }

    /// The next block and its last event.
    async fn block(&mut self) -> Result<Option<(i64, Piece)>> {
        if self.sealed {
            if let Some(found) = self.segment().await? {
                return Ok(Some(found));
            }
            self.sealed = false;
        }
        let sql = format!(
            "select {} where space_id = ? and seq > ? order by seq limit ?",
            read::EVENT_COLUMNS
        );
        let mut rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.row.key.0)
            .bind(self.after)
            .bind(limits::SEGMENT_ROWS_MAX)
            .fetch(&mut *self.tx);
        let (mut events, mut bytes) = (Vec::new(), 0);
        // Row by row: each may be as large as a whole block.
        while let Some(row) = rows.try_next().await? {
            let event = read::event(&row)?;
            bytes += event.payload.len();
            events.push(event);
            if bytes >= limits::SEGMENT_BYTES_MAX {
                break;
            }
        }
        drop(rows);
        let Some(last) = events.last().map(|event| event.seq.0) else {
            return Ok(None);
        };
        self.after = last;
        let block = segment::pack(events).await?;
        Ok(Some((last, Piece::Events(block))))
    }

    async fn segment(&mut self) -> Result<Option<(i64, Piece)>> {
        let found = sqlx::query(
            "select first_seq, last_seq, raw_len, body, crc, format from segment
             where space_id = ? and last_seq > ? order by first_seq limit 1",
        )
        .bind(self.row.key.0)
        .bind(self.after)
        .fetch_optional(&mut *self.tx)
        .await?;
        let Some(row) = found else { return Ok(None) };
        self.after = row.get(1);
        Ok(Some((self.after, Piece::Segment(Packed::of_row(&row)?))))
    }
}

/// What a space is to be, apart from what happened in it.
#[derive(Debug)]
pub struct NewSpace {
    /// The name in URLs.
    pub slug: SpaceId,
    /// What people call it.
    pub name: String,
    /// When it was made, the first time.
    pub created_at: i64,
    /// What it is told to keep.
    pub retention: Retention,
}

/// A space being written. Dropped before [`Incoming::finish`] it never was.
pub struct Incoming {
    tx: Transaction<'static, Sqlite>,
    key: SpaceKey,
    replaced: Option<SpaceKey>,
    /// Webhooks of the space it replaces, which go on with this one.
    pub webhooks: u64,
    store: Store,
}

impl Store {
    /// Begins to write a space, with a new epoch. A living one of this name is in the way (`Exists`), or, with
    /// `replace`, goes when this one comes; its webhooks stay, because nobody can make them again with the same
    /// secrets. Holds the writer until it is finished or dropped.
    pub async fn incoming(&self, space: &NewSpace, replace: bool) -> Result<Incoming> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let old: Option<i64> =
            sqlx::query_scalar("select id from space where slug = ? and deleted_at is null")
                .bind(space.slug.as_ref())
                .fetch_optional(&mut *tx)
                .await?;
        let replaced = old.map(SpaceKey).filter(|_| replace);
        if let Some(old) = replaced {
            bury(&mut tx, old).await?;
        }
        let key = insert(&mut tx, &space.slug, &space.name).await?;
        let mut webhooks = 0;
        if let Some(old) = replaced {
            let moved = sqlx::query("update webhook set space_id = ? where space_id = ?")
                .bind(key.0)
                .bind(old.0)
                .execute(&mut *tx)
                .await?;
            webhooks = moved.rows_affected();
            clear(&mut tx, old).await?;
        }
        sqlx::query("update space set created_at = ?, keep_days = ?, keep_bytes = ? where id = ?")
            .bind(space.created_at)
            .bind(space.retention.days)
            .bind(space.retention.bytes)
            .bind(key.0)
            .execute(&mut *tx)
            .await?;
        Ok(Incoming {
            tx,
            key,
            replaced,
            webhooks,
            store: self.clone(),
        })
    }
}

impl Incoming {
    /// Adds a snapshot.
    pub async fn snapshot(&mut self, row: &SnapshotRow) -> Result<()> {
        sqlx::query(
            "insert into snapshot (space_id, seq, created_at, format, raw_len, hash, body, crc)
             values (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.key.0)
        .bind(row.seq)
        .bind(row.created_at)
        .bind(row.format)
        .bind(row.raw_len as i64)
        .bind(&row.hash[..])
        .bind(&row.body[..])
        .bind(i64::from(crc32fast::hash(&row.body)))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Adds a segment; `events` is what is in it.
    pub async fn segment(&mut self, block: &Packed, events: &[Event]) -> Result<()> {
        match Listed::of(events) {
            Some(listed) => listed.insert(&mut self.tx, self.key, block).await,
            None => Ok(()),
        }
    }

    /// Adds events as rows.
    pub async fn events(&mut self, events: &[Event]) -> Result<()> {
        for event in events {
            let crc = event_crc(event.kind, &event.payload, event.changes.as_deref());
            sqlx::query(
                "insert into event (space_id, seq, at, kind, member, user, payload, crc, changes)
                 values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(self.key.0)
            .bind(event.seq.0)
            .bind(event.at)
            .bind(event.kind)
            .bind(event.member.as_deref())
            .bind(event.user.as_deref())
            .bind(&event.payload[..])
            .bind(crc)
            .bind(event.changes.as_deref())
            .execute(&mut *self.tx)
            .await?;
        }
        Ok(())
    }

    /// Webhooks begin behind event `seq`: what happened elsewhere is no news here, and under the new epoch nobody could
    /// tell that it was heard before.
    pub async fn told(&mut self, seq: i64) -> Result<()> {
        sqlx::query(
            "insert into webhook_cursor (webhook_id, space_id, seq, looked_seq)
             select id, ?1, ?2, ?2 from webhook where space_id is null or space_id = ?1",
        )
        .bind(self.key.0)
        .bind(seq)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Makes it a space: all of it is there from now on, and what it replaces is gone.
    pub async fn finish(mut self, head: Head) -> Result<SpaceRow> {
        sqlx::query(
            "update head set seq = ?, at = ?, snap_seq = ?, sealed_seq = ?, log_rows = ?, log_bytes = ?, base_seq = ?
             where space_id = ?",
        )
        .bind(head.seq)
        .bind(head.at)
        .bind(head.snap_seq)
        .bind(head.sealed_seq)
        .bind(head.log_rows)
        .bind(head.log_bytes)
        .bind(head.base_seq)
        .bind(self.key.0)
        .execute(&mut *self.tx)
        .await?;
        let row = read::space_of(&mut self.tx, self.key).await?;
        self.tx.commit().await?;
        if let Some(old) = self.replaced {
            self.store.heads.gone(old);
        }
        self.store.heads.moved(row.key, row.seq);
        Ok(row)
    }
}
