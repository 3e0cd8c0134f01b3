//! The rows of a data folder, read beside the server.

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Row, SqlitePool};
use std::collections::BTreeMap;
use std::path::Path;
use thexr::space::doc::{Encoding, SpaceDoc};

use crate::value::{self, Content};

/// A reader of the database.
pub struct Rows(SqlitePool);

/// The head row of a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The row id of the space.
    pub key: i64,
    /// The newest event.
    pub seq: i64,
    /// What the newest snapshot covers.
    pub snap_seq: i64,
    /// What is sealed.
    pub sealed_seq: i64,
    /// Edits after the snapshot.
    pub log_rows: i64,
    /// Their bytes.
    pub log_bytes: i64,
}

/// A stored snapshot.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What it covers.
    pub seq: i64,
    /// The hash that was stored with it.
    pub hash: Vec<u8>,
    /// What it holds.
    pub content: Content,
}

/// An event: kind and payload.
pub type Event = (i64, Vec<u8>);

impl Rows {
    /// Opens `thexr.db` of a folder for reading.
    pub async fn open(folder: &Path) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(folder.join("thexr.db"))
            .read_only(true);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await;
        Self(pool.expect("the database opens"))
    }

    /// The head of a living space.
    pub async fn head(&self, space: &str) -> Head {
        let row = sqlx::query(
            "select s.id, h.seq, h.snap_seq, h.sealed_seq, h.log_rows, h.log_bytes
             from space s join head h on h.space_id = s.id where s.slug = ? and s.deleted_at is null",
        )
        .bind(space)
        .fetch_one(&self.0)
        .await
        .expect("the space has a head");
        Head {
            key: row.get(0),
            seq: row.get(1),
            snap_seq: row.get(2),
            sealed_seq: row.get(3),
            log_rows: row.get(4),
            log_bytes: row.get(5),
        }
    }

    /// Events that are still rows, by seq.
    pub async fn events(&self, space: &str) -> BTreeMap<i64, Event> {
        let key = self.head(space).await.key;
        let rows = sqlx::query("select seq, kind, payload from event where space_id = ? order by seq")
            .bind(key)
            .fetch_all(&self.0)
            .await
            .expect("events");
        rows.iter().map(|r| (r.get(0), (r.get(1), r.get(2)))).collect()
    }

    /// The whole history, segments and rows, by seq.
    ///
    /// # Panics
    /// When an event is there twice, or a segment does not unpack.
    pub async fn history(&self, space: &str) -> BTreeMap<i64, Event> {
        let key = self.head(space).await.key;
        let mut all = BTreeMap::new();
        let segments =
            sqlx::query("select raw_len, body, format from segment where space_id = ? order by first_seq")
                .bind(key)
                .fetch_all(&self.0)
                .await
                .expect("segments");
        for row in &segments {
            let packed = thexr::store::segment::Packed {
                format: row.get(2),
                raw_len: row.get::<i64, _>(0) as usize,
                body: row.get::<Vec<u8>, _>(1).into(),
            };
            for event in packed.unpack().expect("a segment unpacks") {
                let twice = all.insert(event.seq.0, (event.kind, event.payload.to_vec()));
                assert!(twice.is_none(), "event {} is there twice", event.seq.0);
            }
        }
        for (seq, event) in self.events(space).await {
            let twice = all.insert(seq, event);
            assert!(twice.is_none(), "event {seq} is there twice");
        }
        all
    }

    /// The history, after a check that it has no gap and ends where the head says.
    pub async fn whole_history(&self, space: &str) -> BTreeMap<i64, Event> {
        let history = self.history(space).await;
        let seqs: Vec<i64> = history.keys().copied().collect();
        let expected: Vec<i64> = (1..=self.head(space).await.seq).collect();
        assert_eq!(seqs, expected, "the history has a gap or an end of its own");
        history
    }

    /// The document that the edits of the whole history make.
    pub async fn replayed(&self, space: &str) -> Content {
        let history = self.whole_history(space).await;
        let edits = history
            .values()
            .filter(|(kind, _)| *kind == 1)
            .map(|(_, payload)| &payload[..]);
        value::of_space(&SpaceDoc::from_stored(1, None, edits).expect("the history joins up"))
    }

    /// The stored snapshots, oldest first.
    pub async fn snapshots(&self, space: &str) -> Vec<Snapshot> {
        let key = self.head(space).await.key;
        let rows = sqlx::query(
            "select seq, format, raw_len, hash, body from snapshot where space_id = ? order by seq",
        )
        .bind(key)
        .fetch_all(&self.0)
        .await
        .expect("snapshots");
        rows.iter()
            .map(|row| {
                let stored = thexr::store::Snapshot {
                    seq: thexr_schema::ids::Seq(row.get(0)),
                    format: row.get(1),
                    raw_len: row.get::<i64, _>(2) as usize,
                    hash: row.get(3),
                    body: row.get::<Vec<u8>, _>(4).into(),
                };
                Snapshot {
                    seq: stored.seq.0,
                    content: unpacked(&stored),
                    hash: stored.hash,
                }
            })
            .collect()
    }

    /// What a start would load: the newest snapshot and the edits after it.
    pub async fn stored(&self, space: &str) -> Content {
        let head = self.head(space).await;
        let snapshots = self.snapshots(space).await;
        let newest = snapshots.last().map(|s| s.seq);
        assert_eq!(
            newest.unwrap_or(0),
            head.snap_seq,
            "the head names the newest snapshot"
        );
        let content = self.replayed(space).await;
        if let Some(newest) = snapshots.last() {
            assert_eq!(
                newest.hash, newest.content.hash,
                "the hash is that of the content"
            );
        }
        content
    }

    /// A number that a statement gives.
    pub async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query(sql).fetch_one(&self.0).await.expect("a row").get(0)
    }
}

fn unpacked(stored: &thexr::store::Snapshot) -> Content {
    let raw = zstd::bulk::decompress(&stored.body, stored.raw_len).expect("a snapshot unpacks");
    let encoding = match stored.format {
        1 => Encoding::V1,
        2 => Encoding::V2,
        other => panic!("format {other}"),
    };
    let doc = SpaceDoc::from_stored(1, Some((encoding, &raw)), std::iter::empty());
    value::of_space(&doc.expect("a snapshot loads"))
}
