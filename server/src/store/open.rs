//! Opening the database: the folder, its lock, the connection settings, the version check, the migrations.

use super::{Store, writer};
use crate::limits;
use crate::metrics::Metrics;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// Why the database could not be opened; the message is one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made or written.
    #[error("cannot use the data folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process serves this folder.
    #[error("the data folder {0} is in use by another thexr process")]
    Locked(PathBuf),
    /// The SQLite library has a known corruption bug.
    #[error("SQLite {0} is too old: 3.51.3 is the first without the WAL-reset corruption bug")]
    OldSqlite(String),
    /// The schema is newer than this program.
    #[error("{path} was written by a newer thexr: {reason}")]
    Newer {
        /// The database file.
        path: PathBuf,
        /// What did not fit.
        reason: String,
    },
    /// The file is not a database, is damaged, or cannot be read.
    #[error("cannot open {path}: {source}")]
    Db {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
}

impl OpenError {
    /// The exit code of sysexits.h that fits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Folder { .. } => 73, // EX_CANTCREAT
            Self::Locked(_) => 75,     // EX_TEMPFAIL
            Self::OldSqlite(_) => 78,  // EX_CONFIG
            Self::Newer { .. } => 78,  // EX_CONFIG
            Self::Db { .. } => 74,     // EX_IOERR
        }
    }
}

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/sqlite");

impl Store {
    /// Opens (and creates, and migrates) `thexr.db` in `folder` and starts the writer on `tracker`.
    pub async fn open(
        folder: &Path,
        metrics: Arc<Metrics>,
        tracker: &TaskTracker,
    ) -> Result<Self, OpenError> {
        let on_folder = |source| OpenError::Folder {
            path: folder.to_owned(),
            source,
        };
        make_folder(folder).map_err(on_folder)?;
        let lock = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("thexr.lock"))
            .map_err(on_folder)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(OpenError::Locked(folder.to_owned())),
            Err(std::fs::TryLockError::Error(source)) => return Err(on_folder(source)),
        }

        let path = folder.join("thexr.db");
        let on_db = |source| OpenError::Db {
            path: path.clone(),
            source,
        };
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL, not NORMAL: in WAL mode NORMAL loses acknowledged commits on a power cut.
            .synchronous(synchronous())
            .busy_timeout(Duration::from_millis(limits::DB_BUSY_TIMEOUT_MS))
            .statement_cache_capacity(limits::DB_STATEMENT_CACHE_LEN)
            .foreign_keys(true)
            .pragma("wal_autocheckpoint", limits::DB_WAL_CHECKPOINT_PAGES.to_string())
            .pragma("journal_size_limit", (64 << 20).to_string());
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await
            .map_err(on_db)?;
        let (version,): (String,) = sqlx::query_as("select sqlite_version()")
            .fetch_one(&writer)
            .await
            .map_err(on_db)?;
        if !new_enough(&version) {
            return Err(OpenError::OldSqlite(version));
        }
        MIGRATIONS.run(&writer).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::VersionMissing(_)
            | sqlx::migrate::MigrateError::VersionMismatch(_) => OpenError::Newer {
                path: path.clone(),
                reason: error.to_string(),
            },
            sqlx::migrate::MigrateError::Execute(source) => on_db(source),
            other => on_db(sqlx::Error::Migrate(Box::new(other))),
        })?;
        let reader = SqlitePoolOptions::new()
            .max_connections(limits::DB_READERS_MAX)
            .idle_timeout(Duration::from_secs(60))
            .connect_with(options.read_only(true).create_if_missing(false))
            .await
            .map_err(on_db)?;
        let heads = super::heads::Heads::default();
        let appends = writer::start(writer.clone(), metrics.clone(), heads.clone(), tracker);
        Ok(Self {
            reader,
            writer,
            appends,
            heads,
            metrics,
            _lock: Arc::new(lock),
        })
    }

    /// Folds the write-ahead log into the database file and closes every connection.
    pub async fn close(&self) {
        self.reader.close().await;
        let _ = sqlx::query("pragma wal_checkpoint(truncate)")
            .execute(&self.writer)
            .await;
        self.writer.close().await;
    }
}

/// Makes the folder where it is missing, and its name durable: SQLite syncs the names in the folder, but a power cut
/// soon after the first start would take the folder itself along, with everything acknowledged in it.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    let missing = folder
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists());
    let missing: Vec<&Path> = missing.collect();
    std::fs::create_dir_all(folder)?;
    for made in missing {
        let parent = made.parent().filter(|path| !path.as_os_str().is_empty());
        std::fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// FULL always, but for one thing: the power-cut test has to prove that it would notice NORMAL, so a debug build can
/// be told. A release build has no such switch, whatever its environment says.
fn synchronous() -> SqliteSynchronous {
    #[cfg(debug_assertions)]
    if std::env::var_os("THEXR_TEST_SYNCHRONOUS").is_some_and(|level| level == "normal") {
        return SqliteSynchronous::Normal;
    }
    SqliteSynchronous::Full
}

/// True from 3.51.3 on.
fn new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
    let found = (
        parts.next().unwrap_or(0),
        parts.next().unwrap_or(0),
        parts.next().unwrap_or(0),
    );
    found >= (3, 51, 3)
}

#[cfg(test)]
mod tests {
    use super::new_enough;

    #[test]
    fn versions_with_the_wal_reset_bug_are_refused() {
        for (version, ok) in [
            ("3.40.1", false),
            ("3.51.2", false),
            ("3.51.3", true),
            ("3.52.0", true),
            ("4.0.0", true),
            ("x", false),
        ] {
            assert_eq!(new_enough(version), ok, "{version}");
        }
    }
}
