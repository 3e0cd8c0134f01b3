//! Reads for `thexr fsck`: row by row, so that one bad row hides no other. A fault comes back as text beside what
//! could still be read; nothing here changes anything.

use super::super::{Event, Head, OpenError, Result, Snapshot, SpaceKey, Store, StoreError, event_crc, read};
use crate::store::segment::Packed;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use thexr_schema::ids::Seq;

/// A living space's row as it is, its name unchecked.
#[derive(Debug, Clone)]
pub struct SpaceCheck {
    /// Row id.
    pub key: SpaceKey,
    /// The stored name.
    pub slug: String,
    /// The head row; `None` when it is missing.
    pub head: Option<Head>,
}

/// A segment's row and what is in it.
#[derive(Debug)]
pub struct SegmentCheck {
    /// First event, as the row says.
    pub first: i64,
    /// Last event, as the row says.
    pub last: i64,
    /// Which kinds are in it, as the row says; -1 = not known.
    pub kinds: i64,
    /// How many of them are edits, as the row says; none = not counted.
    pub edits: Option<i64>,
    /// The events, or what is wrong with the block.
    pub events: std::result::Result<Vec<Event>, String>,
}

/// An event's row.
#[derive(Debug)]
pub struct EventCheck {
    /// Its number.
    pub seq: i64,
    /// The event, or what is wrong with it.
    pub event: std::result::Result<Event, String>,
}

/// A snapshot's row.
#[derive(Debug)]
pub struct SnapshotCheck {
    /// What it covers.
    pub seq: i64,
    /// The snapshot, or what is wrong with it.
    pub snapshot: std::result::Result<Snapshot, String>,
}

/// What is wrong with a row of a webhook.
#[derive(Debug)]
pub struct WebhookCheck {
    /// The space it is about; none for the webhook itself.
    pub space: Option<String>,
    /// The event it names.
    pub seq: Option<i64>,
    /// One line.
    pub what: String,
}

/// The fault of a row, without the words that all of them begin with.
fn fault(error: StoreError) -> String {
    match error {
        StoreError::Damaged(what) => what,
        other => other.to_string(),
    }
}

impl OpenError {
    /// True when the file itself is damaged, or is no database at all (SQLITE_CORRUPT, SQLITE_NOTADB).
    pub fn is_damage(&self) -> bool {
        let Self::Db {
            source: sqlx::Error::Database(error),
            ..
        } = self
        else {
            return false;
        };
        error.code().is_some_and(|code| code == "11" || code == "26")
    }
}

impl Store {
    /// The living spaces by name.
    pub async fn check_spaces(&self) -> Result<Vec<SpaceCheck>> {
        let rows = sqlx::query(
            "select s.id, s.slug, h.seq, h.at, h.snap_seq, h.sealed_seq, h.log_rows, h.log_bytes, h.base_seq
             from space s left join head h on h.space_id = s.id where s.deleted_at is null order by s.slug",
        )
        .fetch_all(&self.reader)
        .await?;
        let space = |row: &SqliteRow| {
            let head = match row.try_get::<Option<i64>, _>(2)? {
                None => None,
                Some(seq) => Some(Head {
                    seq,
                    at: row.try_get(3)?,
                    snap_seq: row.try_get(4)?,
                    sealed_seq: row.try_get(5)?,
                    log_rows: row.try_get(6)?,
                    log_bytes: row.try_get(7)?,
                    base_seq: row.try_get(8)?,
                }),
            };
            Ok(SpaceCheck {
                key: SpaceKey(row.try_get(0)?),
                slug: row.try_get(1)?,
                head,
            })
        };
        rows.iter().map(space).collect()
    }

    /// Rows whose space does not exist or is deleted: table, space id, how many.
    pub async fn check_strays(&self) -> Result<Vec<(&'static str, i64, i64)>> {
        let mut strays = Vec::new();
        for table in super::TABLES {
            let sql = format!(
                "select space_id, count(*) from {table} where space_id not in
                 (select id from space where deleted_at is null) group by space_id"
            );
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                .fetch_all(&self.reader)
                .await?;
            for row in rows {
                strays.push((*table, row.try_get(0)?, row.try_get(1)?));
            }
        }
        Ok(strays)
    }

    /// Places, dead letters and webhooks that cannot be: what names an event that has not happened is never told of it.
    pub async fn check_webhooks(&self) -> Result<Vec<WebhookCheck>> {
        let rows = sqlx::query(
            "select s.slug, c.seq, 'webhook ' || c.webhook_id || ' is at ' || c.seq || ', has looked at ' || c.looked_seq ||
                    coalesce(' and tries up to ' || c.until_seq, '') || ' of ' || h.seq || ' events' from webhook_cursor c
             join space s on s.id = c.space_id join head h on h.space_id = c.space_id
             where not (0 <= c.seq and c.seq <= c.looked_seq and c.looked_seq <= h.seq
                        and c.seq < coalesce(c.until_seq, c.seq + 1) and coalesce(c.until_seq, h.seq) <= h.seq)
             union all
             select s.slug, d.first_seq, 'dead letter ' || d.id || ' is of events ' || d.first_seq || ' to ' || d.last_seq ||
                    ', and there are those from ' || (h.base_seq + 1) || ' to ' || h.seq from webhook_dead d
             join space s on s.id = d.space_id join head h on h.space_id = d.space_id
             where not (h.base_seq < d.first_seq and d.first_seq <= d.last_seq and d.last_seq <= h.seq)
             union all
             select s.slug, null, 'a place or a dead letter is of webhook ' || r.webhook_id || ', which does not exist'
             from (select webhook_id, space_id from webhook_cursor union select webhook_id, space_id from webhook_dead) r
             join space s on s.id = r.space_id where r.webhook_id not in (select id from webhook)
             union all
             select null, null, 'webhook ' || id || ' is told of nothing' from webhook where kinds = 0",
        )
        .fetch_all(&self.reader)
        .await?;
        let check = |row: &SqliteRow| {
            Ok(WebhookCheck {
                space: row.try_get(0)?,
                seq: row.try_get(1)?,
                what: row.try_get(2)?,
            })
        };
        rows.iter().map(check).collect()
    }

    /// The first segment after the one that begins at `after`, of those with an event after `base`: what is left of a
    /// pruned one is nobody's past.
    pub async fn check_segment(&self, key: SpaceKey, base: i64, after: i64) -> Result<Option<SegmentCheck>> {
        let found = sqlx::query(
            "select first_seq, last_seq, raw_len, body, crc, format, kinds, edits from segment
             where space_id = ? and last_seq > ? and first_seq > ? order by first_seq limit 1",
        )
        .bind(key.0)
        .bind(base)
        .bind(after)
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = found else { return Ok(None) };
        let events = Packed::of_row(&row)
            .and_then(|packed| packed.unpack())
            .map_err(fault);
        Ok(Some(SegmentCheck {
            first: row.try_get(0)?,
            last: row.try_get(1)?,
            kinds: row.try_get(6)?,
            edits: row.try_get(7)?,
            events,
        }))
    }

    /// Up to `limit` events after `after` that are not in segments.
    pub async fn check_events(&self, key: SpaceKey, after: i64, limit: i64) -> Result<Vec<EventCheck>> {
        let sql = format!(
            "select {} where space_id = ? and seq > ? order by seq limit ?",
            read::EVENT_COLUMNS
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(key.0)
            .bind(after)
            .bind(limit)
            .fetch_all(&self.reader)
            .await?;
        let check = |row: &SqliteRow| {
            let (seq, kind): (i64, i64) = (row.try_get(0)?, row.try_get(2)?);
            let (payload, changes): (Vec<u8>, Option<String>) = (row.try_get(5)?, row.try_get(7)?);
            let event = if event_crc(kind, &payload, changes.as_deref()) == row.try_get::<i64, _>(6)? {
                Ok(Event {
                    seq: Seq(seq),
                    at: row.try_get(1)?,
                    kind,
                    member: row.try_get(3)?,
                    user: row.try_get(4)?,
                    payload: payload.into(),
                    changes,
                })
            } else {
                Err("it does not match its checksum".to_owned())
            };
            Ok(EventCheck { seq, event })
        };
        rows.iter().map(check).collect()
    }

    /// The stored snapshots, oldest first.
    pub async fn check_snapshots(&self, key: SpaceKey) -> Result<Vec<SnapshotCheck>> {
        let sql = format!(
            "select {} where space_id = ? order by seq",
            read::SNAPSHOT_COLUMNS
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(key.0)
            .fetch_all(&self.reader)
            .await?;
        let check = |row: &SqliteRow| {
            Ok(SnapshotCheck {
                seq: row.try_get(0)?,
                snapshot: read::snapshot(row).map_err(fault),
            })
        };
        rows.iter().map(check).collect()
    }

    /// SQLite's check of the file: whole, or without comparing indexes with their tables. The lines are what it
    /// found wrong.
    pub async fn check_file(&self, quick: bool) -> Result<Vec<String>> {
        let found = if quick {
            pragma(&self.reader, "pragma quick_check(20)").await
        } else {
            pragma(&self.reader, "pragma integrity_check(20)").await
        };
        match found {
            Ok(lines) => Ok(lines),
            // A file so damaged that even the check fails is a finding, not a failure of the check.
            Err(sqlx::Error::Database(error)) => Ok(vec![error.to_string()]),
            Err(other) => Err(other.into()),
        }
    }
}

async fn pragma(pool: &SqlitePool, sql: &'static str) -> sqlx::Result<Vec<String>> {
    let rows = sqlx::query(sql).fetch_all(pool).await?;
    let lines: sqlx::Result<Vec<String>> = rows.iter().map(|row| row.try_get(0)).collect();
    Ok(lines?.into_iter().filter(|line| line != "ok").collect())
}
