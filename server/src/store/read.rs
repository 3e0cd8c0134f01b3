//! Reading: a space's row, everything needed to open it, pages of the list.

use super::{Event, Loaded, Result, Snapshot, SpaceKey, SpaceRow, Store, StoreError, event_crc};
use bytes::Bytes;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use thexr_schema::ids::{Seq, SpaceId};

pub(super) const SPACE_COLUMNS: &str = "s.id, s.slug, s.name, s.epoch, s.created_at, h.seq, h.snap_seq, \
     h.log_rows, h.log_bytes, h.base_seq, h.at from space s join head h on h.space_id = s.id";

pub(super) fn space_row(row: &SqliteRow) -> Result<SpaceRow> {
    let slug: String = row.get(1);
    Ok(SpaceRow {
        key: SpaceKey(row.get(0)),
        slug: slug
            .parse()
            .map_err(|_| StoreError::Damaged(format!("space name {slug:?}")))?,
        name: row.get(2),
        epoch: row.get(3),
        created_at: row.get(4),
        seq: Seq(row.get(5)),
        snap_seq: Seq(row.get(6)),
        log_rows: row.get(7),
        log_bytes: row.get(8),
        base_seq: Seq(row.get(9)),
        at: row.get(10),
    })
}

pub(super) fn event(row: &SqliteRow) -> Result<Event> {
    let (seq, kind): (i64, i64) = (row.get(0), row.get(2));
    let (payload, changes): (Vec<u8>, Option<String>) = (row.get(5), row.get(7));
    if event_crc(kind, &payload, changes.as_deref()) != row.get::<i64, _>(6) {
        return Err(StoreError::Damaged(format!(
            "event {seq} does not match its checksum"
        )));
    }
    Ok(Event {
        seq: Seq(seq),
        at: row.get(1),
        kind,
        member: row.get(3),
        user: row.get(4),
        payload: Bytes::from(payload),
        changes,
    })
}

pub(super) fn snapshot(row: &SqliteRow) -> Result<Snapshot> {
    let seq: i64 = row.get(0);
    let body: Vec<u8> = row.get(4);
    if i64::from(crc32fast::hash(&body)) != row.get::<i64, _>(5) {
        return Err(StoreError::Damaged(format!(
            "snapshot {seq} does not match its checksum"
        )));
    }
    let raw_len: i64 = row.get(2);
    Ok(Snapshot {
        seq: Seq(seq),
        format: row.get(1),
        raw_len: usize::try_from(raw_len)
            .map_err(|_| StoreError::Damaged(format!("snapshot {seq} length")))?,
        hash: row.get(3),
        body: Bytes::from(body),
    })
}

pub(super) const EVENT_COLUMNS: &str = "seq, at, kind, member, user, payload, crc, changes from event";
pub(super) const SNAPSHOT_COLUMNS: &str = "seq, format, raw_len, hash, body, crc from snapshot";

/// A space by its row id, on a connection that may have just made it.
pub(super) async fn space_of(connection: &mut SqliteConnection, key: SpaceKey) -> Result<SpaceRow> {
    let sql = format!("select {SPACE_COLUMNS} where s.id = ?");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(key.0)
        .fetch_optional(connection)
        .await?
        .ok_or(StoreError::Gone)?;
    space_row(&row)
}

impl Store {
    /// The living space of this name.
    pub async fn space(&self, slug: &SpaceId) -> Result<Option<SpaceRow>> {
        let sql = format!("select {SPACE_COLUMNS} where s.slug = ? and s.deleted_at is null");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(slug.as_ref())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(space_row).transpose()
    }

    /// The space of a row id.
    pub async fn space_of(&self, key: SpaceKey) -> Result<SpaceRow> {
        let mut reader = self.reader.acquire().await?;
        space_of(&mut reader, key).await
    }

    /// True when the last space of this name was deleted: a stale client must not bring it back by connecting.
    pub async fn was_deleted(&self, slug: &SpaceId) -> Result<bool> {
        let row = sqlx::query("select 1 from space where slug = ? and deleted_at is not null limit 1")
            .bind(slug.as_ref())
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.is_some())
    }

    /// Up to `limit` living spaces by name, after `after`, whose id or name contains `filter`.
    pub async fn list(&self, after: Option<&str>, limit: i64, filter: Option<&str>) -> Result<Vec<SpaceRow>> {
        let sql = format!(
            "select {SPACE_COLUMNS} where s.deleted_at is null and s.slug > ?
             and (? is null or instr(lower(s.slug || ' ' || s.name), lower(?)) > 0) order by s.slug limit ?"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(after.unwrap_or(""))
            .bind(filter)
            .bind(filter)
            .bind(limit)
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(space_row).collect()
    }

    /// Snapshot and later edits of a space, read in one transaction so that they fit together.
    pub async fn load(&self, key: SpaceKey) -> Result<Loaded> {
        let mut tx = self.reader.begin().await?;
        let loaded = load_on(&mut tx, key).await;
        tx.commit().await?;
        loaded
    }

    /// The stored snapshots of a space, newest first.
    pub async fn snapshots(&self, key: SpaceKey) -> Result<Vec<Snapshot>> {
        let sql = format!("select {SNAPSHOT_COLUMNS} where space_id = ? order by seq desc");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(key.0)
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(snapshot).collect()
    }
}

async fn load_on(connection: &mut SqliteConnection, key: SpaceKey) -> Result<Loaded> {
    let sql = format!("select {SPACE_COLUMNS} where s.id = ? and s.deleted_at is null");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(key.0)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or(StoreError::Gone)?;
    let row = space_row(&row)?;
    let sql = format!("select {SNAPSHOT_COLUMNS} where space_id = ? and seq = ?");
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(key.0)
        .bind(row.snap_seq.0)
        .fetch_optional(&mut *connection)
        .await?;
    let snapshot = found.as_ref().map(snapshot).transpose()?;
    if snapshot.is_none() && row.snap_seq.0 > 0 {
        return Err(StoreError::Damaged(format!(
            "snapshot {} is missing",
            row.snap_seq
        )));
    }
    let poses = super::EventKind::Poses as i64;
    // Where people were is most of the bytes and no part of the document: of it only the numbers are read.
    let tracked =
        sqlx::query("select seq from event where space_id = ? and seq > ? and kind = ? order by seq")
            .bind(key.0)
            .bind(row.snap_seq.0)
            .bind(poses)
            .fetch_all(&mut *connection)
            .await?;
    let tracked: Vec<i64> = tracked.iter().map(|row| row.get(0)).collect();
    let mut tracked = tracked.into_iter().peekable();
    let sql = format!("select {EVENT_COLUMNS} where space_id = ? and seq > ? and kind <> ? order by seq");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(key.0)
        .bind(row.snap_seq.0)
        .bind(poses)
        .fetch_all(connection)
        .await?;
    let mut edits = Vec::with_capacity(rows.len());
    let mut expected = row.snap_seq.0;
    for found in &rows {
        let event = event(found)?;
        expected += 1;
        while tracked.next_if_eq(&expected).is_some() {
            expected += 1;
        }
        if event.seq.0 != expected {
            return Err(StoreError::Damaged(format!("event {expected} is missing")));
        }
        if event.kind == super::EventKind::Edit as i64 {
            edits.push(event);
        }
    }
    while tracked.next_if_eq(&(expected + 1)).is_some() {
        expected += 1;
    }
    if expected != row.seq.0 {
        return Err(StoreError::Damaged(format!(
            "events end at {expected}, the head says {}",
            row.seq
        )));
    }
    Ok(Loaded { row, snapshot, edits })
}
