//! Who is in a space: the rows behind the roster, written in the transaction of the events that change them.

use super::writer::values;
use super::{NewEvent, Result, SpaceKey, Store};
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Row, Sqlite, SqliteConnection};
use std::collections::HashSet;

/// A member as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// 32 hexadecimal digits.
    pub member: String,
    /// The number poses carry.
    pub handle: u16,
    /// Who it is.
    pub user: String,
    /// Its name.
    pub name: String,
    /// 0 viewer, 1 editor, 2 admin.
    pub role: u8,
    /// Client id of its document; 0 = none.
    pub yjs: u64,
    /// sha256 of its resume token.
    pub token: Vec<u8>,
    /// Milliseconds since 1970; when written, the commit's time is taken.
    pub joined_at: i64,
    /// Suspended.
    pub away: bool,
    /// When it was last heard.
    pub heard_at: i64,
    /// JSON.
    pub state: String,
}

/// What an event does to the rows.
#[derive(Debug, Clone)]
pub enum RosterChange {
    /// The member is there, like this.
    Put(Box<MemberRow>),
    /// The member of the event has gone.
    Drop,
}

/// The last word on each member that a batch of events changes.
pub(super) struct Changes<'a> {
    puts: Vec<(SpaceKey, &'a MemberRow)>,
    drops: Vec<(SpaceKey, &'a str)>,
}

impl<'a> Changes<'a> {
    pub fn of(batch: impl Iterator<Item = (SpaceKey, &'a [NewEvent])>) -> Self {
        let (mut puts, mut drops) = (Vec::new(), Vec::new());
        for (space, events) in batch {
            for event in events {
                match (&event.roster, &event.member) {
                    (Some(RosterChange::Put(row)), _) => puts.push((space, &**row)),
                    (Some(RosterChange::Drop), Some(member)) => drops.push((space, &**member)),
                    _ => {}
                }
            }
        }
        // Member ids are never used again, so one that is dropped needs no row before that.
        let gone: HashSet<(SpaceKey, &str)> = drops.iter().copied().collect();
        puts.retain(|(space, row)| !gone.contains(&(*space, row.member.as_str())));
        Self { puts, drops }
    }

    /// Rows the statement has room for, as powers of two, so that few texts stay prepared.
    pub fn padded(&self) -> (usize, usize) {
        let up = |n: usize| if n == 0 { 0 } else { n.next_power_of_two() };
        (up(self.puts.len()), up(self.drops.len()))
    }

    pub fn bind<'q>(
        &self,
        mut query: Query<'q, Sqlite, SqliteArguments>,
    ) -> Query<'q, Sqlite, SqliteArguments> {
        let (puts, drops) = self.padded();
        for (space, row) in &self.puts {
            query = query
                .bind(space.0)
                .bind(row.member.clone())
                .bind(i64::from(row.handle))
                .bind(row.user.clone())
                .bind(row.name.clone())
                .bind(i64::from(row.role))
                .bind(row.yjs.cast_signed())
                .bind(row.token.clone())
                .bind(row.away)
                .bind(row.heard_at)
                .bind(row.state.clone());
        }
        for _ in self.puts.len()..puts {
            // A space of no id joins with no head.
            query = query.bind(None::<i64>).bind("").bind(0i64).bind("").bind("");
            query = query
                .bind(0i64)
                .bind(0i64)
                .bind(&[][..])
                .bind(false)
                .bind(0i64)
                .bind("");
        }
        for (space, member) in &self.drops {
            query = query.bind(space.0).bind((*member).to_owned());
        }
        for _ in self.drops.len()..drops {
            query = query.bind(None::<i64>).bind("");
        }
        query
    }
}

/// Appends the statements for this many rows, before the commit.
pub(super) fn statement(sql: &mut String, puts: usize, drops: usize) {
    if puts > 0 {
        sql.push_str(
            "with given(space_id, member, handle, user, name, role, yjs, token, away, heard_at, state) as (values ",
        );
        values(sql, "(?,?,?,?,?,?,?,?,?,?,?)", puts);
        sql.push_str(
            ")
             insert into member (space_id, member, handle, user, name, role, yjs, token, away, heard_at, state, joined_at)
             select g.*, h.at from given g join head h on h.space_id = g.space_id where true
             on conflict (space_id, member) do update
             set away = excluded.away, heard_at = excluded.heard_at, state = excluded.state,
                 name = excluded.name, role = excluded.role, yjs = excluded.yjs;",
        );
    }
    if drops > 0 {
        sql.push_str("delete from member where (space_id, member) in (values ");
        values(sql, "(?,?)", drops);
        sql.push_str(");");
    }
}

impl Store {
    /// The members of a space, by handle.
    pub async fn members(&self, key: SpaceKey) -> Result<Vec<MemberRow>> {
        let mut reader = self.reader.acquire().await?;
        of(&mut reader, key).await
    }

    /// The living spaces that have members: after a start, each owes them a grace and then a leave.
    pub async fn spaces_with_members(&self) -> Result<Vec<super::SpaceRow>> {
        let sql = format!(
            "select {} where s.deleted_at is null and s.id in (select distinct space_id from member)",
            super::read::SPACE_COLUMNS
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(super::read::space_row).collect()
    }
}

/// The members of a space, by handle.
pub(super) async fn of(connection: &mut SqliteConnection, key: SpaceKey) -> Result<Vec<MemberRow>> {
    let rows = sqlx::query(
        "select member, handle, user, name, role, yjs, token, joined_at, away, heard_at, state
         from member where space_id = ? order by handle",
    )
    .bind(key.0)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .iter()
        .map(|row| MemberRow {
            member: row.get(0),
            handle: row.get(1),
            user: row.get(2),
            name: row.get(3),
            role: row.get(4),
            yjs: row.get::<i64, _>(5).cast_unsigned(),
            token: row.get(6),
            joined_at: row.get(7),
            away: row.get(8),
            heard_at: row.get(9),
            state: row.get(10),
        })
        .collect())
}
