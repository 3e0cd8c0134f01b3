//! What the offline commands share: the data folder, a space in it, progress and output. They work on the rows
//! themselves, so they refuse a folder that a server has open.

use super::{Failure, exit};
use crate::config::Config;
use crate::config::settings::{Settings, one_line};
use crate::metrics::Metrics;
use crate::space::Trouble;
use crate::store::{OpenError, SpaceRow, Store, StoreError};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use thexr_schema::ids::SpaceId;
use tokio_util::task::TaskTracker;

/// Where the data is.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The data folder [default: ./thexr-data]
    #[arg(long, value_name = "FOLDER", env = "THEXR_DATA")]
    data: Option<PathBuf>,
    /// The server's TOML file, for its data folder
    #[arg(long, value_name = "FILE", env = "THEXR_CONFIG")]
    config: Option<PathBuf>,
}

impl Place {
    /// Opens what is there; `instead` says what to do while a server runs.
    pub(super) async fn open(&self, instead: &str) -> Result<Store, Failure> {
        let folder = self.folder()?;
        let db = folder.join("thexr.db");
        if !db.exists() {
            let line = format!("there is no {}; say where the data is with --data", db.display());
            return Err(Failure::new(exit::NO_INPUT, line));
        }
        open(&folder, instead).await
    }

    /// Opens what is there, or begins a new folder: for what is enough to begin with.
    pub(super) async fn open_or_make(&self, instead: &str) -> Result<Store, Failure> {
        open(&self.folder()?, instead).await
    }

    fn folder(&self) -> Result<PathBuf, Failure> {
        let folder = match (&self.data, &self.config) {
            (Some(data), _) => Some(data.clone()),
            (None, Some(file)) => Settings::read(file)?.data,
            (None, None) => None,
        };
        Ok(folder.unwrap_or_else(|| Config::default().data))
    }
}

async fn open(folder: &Path, instead: &str) -> Result<Store, Failure> {
    super::logs::tools()?;
    // The process ends with the command: nobody waits for the writer task, `Store::close` is enough.
    let opened = Store::open(folder, Arc::new(Metrics::default()), &TaskTracker::new()).await;
    opened.map_err(|error| match error {
        OpenError::Locked(folder) => Failure::new(
            exit::TRY_LATER,
            format!("{} is in use by a running thexr: {instead}", folder.display()),
        ),
        // To these commands the file is data.
        damaged if damaged.is_damage() => Failure::new(exit::DATA, one_line(&damaged.to_string())),
        other => other.into(),
    })
}

/// A space's name from the command line.
pub(super) fn space_id(text: &str) -> Result<SpaceId, Failure> {
    text.parse()
        .map_err(|error| Failure::new(exit::USAGE, format!("{text:?} is no space: {error}")))
}

/// A space that must be there.
pub(super) async fn find(store: &Store, id: &SpaceId) -> Result<SpaceRow, Failure> {
    let row = store
        .space(id)
        .await
        .map_err(|error| trouble(id.as_ref(), error))?;
    row.ok_or_else(|| Failure::new(exit::NO_INPUT, format!("there is no space {id}")))
}

/// Every living space.
pub(super) async fn all(store: &Store) -> Result<Vec<SpaceRow>, Failure> {
    let mut spaces: Vec<SpaceRow> = Vec::new();
    loop {
        let after = spaces.last().map(|space| space.slug.clone());
        let after = after.as_ref().map(AsRef::as_ref);
        let page = store
            .list(after, 500, None)
            .await
            .map_err(|error| trouble("the list of spaces", error))?;
        if page.is_empty() {
            return Ok(spaces);
        }
        spaces.extend(page);
    }
}

/// A space's trouble as an exit.
pub(super) fn trouble(what: &str, error: impl Into<Trouble>) -> Failure {
    let error = error.into();
    let code = match &error {
        Trouble::Gone | Trouble::NoEntity | Trouble::NoComponent | Trouble::NoMember => exit::NO_INPUT,
        Trouble::Damaged(_) | Trouble::Refused(_) => exit::DATA,
        _ => exit::IO,
    };
    Failure::new(code, format!("{what}: {error}"))
}

/// The same for an error of the store alone.
pub(super) fn store_failed(error: StoreError) -> Failure {
    trouble("the database", error)
}

/// Writes to stdout.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::new(exit::IO, format!("cannot write to stdout: {error}")))
}

/// Writes a value to stdout as one line of JSON.
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value)
        .map_err(|error| Failure::new(exit::SOFTWARE, format!("cannot say that in JSON: {error}")))?;
    print(&format!("{text}\n"))
}

/// One line on stderr that tells how far we are, when somebody can see it.
pub(super) struct Progress {
    shown: bool,
    drawn: Option<Instant>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            shown: std::io::stderr().is_terminal(),
            drawn: None,
        }
    }

    /// Says where we are, at most ten times a second.
    pub(super) fn at(&mut self, text: impl FnOnce() -> String) {
        let fresh = self
            .drawn
            .is_some_and(|at| at.elapsed() < Duration::from_millis(100));
        if self.shown && !fresh {
            self.drawn = Some(Instant::now());
            let _ = write!(std::io::stderr(), "\r\x1b[K{}", text());
        }
    }

    /// Takes the line away before something is printed.
    pub(super) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// Sizes as a person reads them.
pub(super) fn human(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
