//! Group commit: one transaction at a time takes the events of every space that has some ready.
//!
//! Batches form while a commit runs. Under load the spaces hand theirs over no sooner than `COMMIT_GAP` after the
//! last commit started ([`super::Store::next_commit`]), because each commit costs an fsync and each fan-out one
//! write per receiver: one pace for both is what keeps a busy space cheap. An idle server commits at once.

use super::heads::Heads;
use super::{NewEvent, Result, SpaceKey, StoreError, event_crc, member};
use crate::clock::now_ms;
use crate::limits;
use crate::metrics::Metrics;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Row, Sqlite, SqliteConnection, SqlitePool};
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use thexr_schema::ids::Seq;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// What a commit gave an append: its events are `first..=last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Number of the first event of the append.
    pub first: Seq,
    /// Number of the last.
    pub last: Seq,
    /// The time they all carry, ms since 1970.
    pub at: i64,
}

struct Append {
    space: SpaceKey,
    events: Vec<NewEvent>,
    /// Of all payloads.
    bytes: usize,
    reply: oneshot::Sender<Result<Appended>>,
}

impl Append {
    fn new(space: SpaceKey, events: Vec<NewEvent>, reply: oneshot::Sender<Result<Appended>>) -> Self {
        Self {
            space,
            bytes: events.iter().map(|event| event.payload.len()).sum(),
            events,
            reply,
        }
    }
}

/// The way in. One append per space may be under way at a time (the space's saver sees to it), so the queue holds
/// at most one entry per loaded space.
#[derive(Clone)]
pub(super) struct Appends {
    queue: mpsc::Sender<Append>,
    next_start: Arc<Mutex<Instant>>,
}

impl super::Store {
    /// When the next commit may start. A space that hands its batch over then and not before takes along what came
    /// in meanwhile.
    pub fn next_commit(&self) -> Instant {
        *self
            .appends
            .next_start
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `events` in order under the next numbers of `space` and returns once they are on the disk.
    pub async fn append(&self, space: SpaceKey, events: Vec<NewEvent>) -> Result<Appended> {
        let (reply, answer) = oneshot::channel();
        self.appends
            .queue
            .send(Append::new(space, events, reply))
            .await
            .map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

fn closed() -> StoreError {
    StoreError::Db(sqlx::Error::PoolClosed)
}

/// Starts the writer task; it ends when every `Store` is gone.
pub(super) fn start(pool: SqlitePool, metrics: Arc<Metrics>, heads: Heads, tracker: &TaskTracker) -> Appends {
    let (send, receive) = mpsc::channel(limits::APPEND_QUEUE_LEN);
    let next_start = Arc::new(Mutex::new(Instant::now()));
    tracker.spawn(run(pool, metrics, heads, receive, next_start.clone()));
    Appends {
        queue: send,
        next_start,
    }
}

async fn run(
    pool: SqlitePool,
    metrics: Arc<Metrics>,
    heads: Heads,
    mut queue: mpsc::Receiver<Append>,
    next_start: Arc<Mutex<Instant>>,
) {
    let mut batch: Vec<Append> = Vec::new();
    while let Some(first) = queue.recv().await {
        // The other spaces wake at the same moment: let those that can hand over theirs.
        tokio::task::yield_now().await;
        let rows = gather(&mut batch, first, || queue.try_recv().ok());
        let started = Instant::now();
        *next_start.lock().unwrap_or_else(PoisonError::into_inner) = started + limits::COMMIT_GAP;
        commit(&pool, &heads, &mut batch).await;
        metrics.commit(started.elapsed(), rows);
    }
}

/// Puts together what goes into one commit; gives the number of its events.
fn gather(batch: &mut Vec<Append>, first: Append, mut more: impl FnMut() -> Option<Append>) -> usize {
    let (mut rows, mut bytes, mut next) = (0, 0, Some(first));
    while let Some(append) = next {
        rows += append.events.len();
        bytes += append.bytes;
        batch.push(append);
        let room = rows < limits::COMMIT_ROWS_MAX && bytes < limits::COMMIT_BYTES_MAX;
        next = if room { more() } else { None };
    }
    rows
}

/// Commits the whole batch, or, when that fails, each append alone: one space's bad row must not stop the others.
async fn commit(pool: &SqlitePool, heads: &Heads, batch: &mut Vec<Append>) {
    let answer = |append: Append, answer: Result<Appended>| {
        if let Ok(appended) = &answer {
            heads.moved(append.space, appended.last);
        }
        let _ = append.reply.send(answer);
    };
    let whole = write(pool, batch).await;
    match whole {
        Ok(answers) => {
            for (append, given) in batch.drain(..).zip(answers) {
                answer(append, given);
            }
        }
        Err(error) if batch.len() == 1 => {
            for append in batch.drain(..) {
                answer(append, Err(copy(&error)));
            }
        }
        Err(_) => {
            for append in batch.drain(..) {
                let alone = [append];
                let given = write(pool, &alone)
                    .await
                    .and_then(|mut a| a.pop().unwrap_or(Err(closed())));
                let [append] = alone;
                answer(append, given);
            }
        }
    }
}

fn copy(error: &StoreError) -> StoreError {
    match error {
        StoreError::Full => StoreError::Full,
        other => StoreError::Db(sqlx::Error::Protocol(other.to_string())),
    }
}

async fn write(pool: &SqlitePool, batch: &[Append]) -> Result<Vec<Result<Appended>>> {
    let mut connection = pool.acquire().await?;
    let written = write_on(&mut connection, batch).await;
    if written.is_err() {
        // The failing statement may have left the transaction open; without one this is a harmless error.
        let _ = sqlx::query("rollback").execute(&mut *connection).await;
    }
    written
}

/// One query of four statements: sqlx hands each query to the connection's own thread and back, and that hop costs
/// more than the statement. `head` gives the numbers, the join with it drops the events of deleted spaces.
async fn write_on(connection: &mut SqliteConnection, batch: &[Append]) -> Result<Vec<Result<Appended>>> {
    let rows: usize = batch.iter().map(|a| a.events.len()).sum();
    let changes = member::Changes::of(batch.iter().map(|a| (a.space, &a.events[..])));
    let (puts, drops) = changes.padded();
    let sql = statement(
        batch.len().next_power_of_two(),
        rows.next_power_of_two(),
        puts,
        drops,
    );
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(now_ms());
    let mut values = Values::of(batch);
    let pad = |n: usize| n.next_power_of_two() - n;
    for append in batch {
        let edits = append.events.iter().filter(|e| e.kind == super::EventKind::Edit);
        let (count, bytes) = edits.fold((0i64, 0i64), |(n, b), e| (n + 1, b + e.payload.len() as i64));
        query = query
            .bind(append.space.0)
            .bind(append.events.len() as i64)
            .bind(count)
            .bind(bytes);
    }
    for _ in 0..pad(batch.len()) {
        query = query.bind(None::<i64>).bind(0i64).bind(0i64).bind(0i64);
    }
    for append in batch {
        let n = append.events.len() as i64;
        for (i, event) in append.events.iter().enumerate() {
            let kind = event.kind as i64;
            query = query
                .bind(append.space.0)
                .bind(i as i64 + 1 - n)
                .bind(kind)
                .bind(event_crc(kind, &event.payload, event.changes.as_deref()));
            let texts = [
                event.member.as_deref(),
                event.user.as_deref(),
                event.changes.as_deref(),
            ];
            query = values.bind(query, &event.payload, texts);
        }
    }
    for _ in 0..pad(rows) {
        for _ in 0..ROW_LEN {
            query = query.bind(None::<i64>);
        }
    }
    let texts: Arc<[u8]> = values.texts.into();
    query = query
        .bind(texts.clone())
        .bind(texts.clone())
        .bind(values.payloads)
        .bind(texts);
    let heads = changes.bind(query).fetch_all(connection).await?;
    Ok(batch
        .iter()
        .map(|append| {
            let n = append.events.len() as i64;
            heads
                .iter()
                .find(|h| h.get::<i64, _>(0) == append.space.0)
                .ok_or(StoreError::Gone)
                .map(|head| {
                    let last: i64 = head.get(1);
                    Appended {
                        first: Seq(last - n + 1),
                        last: Seq(last),
                        at: head.get(2),
                    }
                })
        })
        .collect())
}

/// Values of one event in [`statement`].
const ROW_LEN: usize = 12;

/// The bytes of all events of a commit, one behind the other: SQLite takes each event's own out of them again. A
/// value that is bound alone costs two allocations here, two frees on the connection's thread and a copy there.
struct Values {
    payloads: Vec<u8>,
    texts: Vec<u8>,
}

impl Values {
    fn of(batch: &[Append]) -> Self {
        let rows: usize = batch.iter().map(|append| append.events.len()).sum();
        Self {
            payloads: Vec::with_capacity(batch.iter().map(|append| append.bytes).sum()),
            texts: Vec::with_capacity(rows * 64),
        }
    }

    /// Adds one event's; binds where they are, counted from one as SQL does, and how long.
    fn bind<'q>(
        &mut self,
        query: Query<'q, Sqlite, SqliteArguments>,
        payload: &[u8],
        texts: [Option<&str>; 3],
    ) -> Query<'q, Sqlite, SqliteArguments> {
        let mut query = query
            .bind(self.payloads.len() as i64 + 1)
            .bind(payload.len() as i64);
        self.payloads.extend_from_slice(payload);
        for text in texts {
            let start = text.map(|_| self.texts.len() as i64 + 1);
            query = query.bind(start).bind(text.map_or(0, str::len) as i64);
            self.texts.extend_from_slice(text.unwrap_or_default().as_bytes());
        }
        query
    }
}

/// The text for `spaces` head rows, `rows` events, `puts` members written and `drops` removed. Sizes are powers of two
/// and the rest is padded with null keys, so that a few dozen texts stay prepared.
fn statement(spaces: usize, rows: usize, puts: usize, drops: usize) -> String {
    let mut sql = String::with_capacity(600 + 10 * spaces + 16 * rows);
    sql.push_str(
        "begin immediate;
         with given(at) as (values (?)), batch(space_id, n, edits, bytes) as (values ",
    );
    values(&mut sql, "(?,?,?,?)", spaces);
    sql.push_str(
        ")
         update head set seq = seq + batch.n, at = max(head.at, given.at),
                log_rows = log_rows + batch.edits, log_bytes = log_bytes + batch.bytes
         from batch, given where head.space_id = batch.space_id
         returning space_id, seq, at;
         with batch(space_id, back, kind, crc, p, pn, m, mn, u, un, c, cn) as (values ",
    );
    values(&mut sql, "(?,?,?,?,?,?,?,?,?,?,?,?)", rows);
    sql.push_str(
        ")
         insert into event (space_id, seq, at, kind, member, user, payload, crc, changes)
         select b.space_id, h.seq + b.back, h.at, b.kind, cast(substr(?, m, mn) as text), cast(substr(?, u, un) as text),
                substr(?, p, pn), b.crc, cast(substr(?, c, cn) as text)
         from batch b join head h on h.space_id = b.space_id;",
    );
    member::statement(&mut sql, puts, drops);
    sql.push_str("commit");
    sql
}

pub(super) fn values(sql: &mut String, row: &str, n: usize) {
    for i in 0..n {
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(sql, "{comma}{row}");
    }
}

#[cfg(test)]
mod tests;
