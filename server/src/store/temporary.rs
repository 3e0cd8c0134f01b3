//! A database in a folder of its own, for the tests of what stands on it.

use super::Store;
use crate::metrics::Metrics;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::task::TaskTracker;

/// A store whose folder goes with it.
pub struct Temporary {
    store: Store,
    folder: PathBuf,
}

impl Temporary {
    /// A new, empty one.
    pub async fn open() -> Self {
        let folder = std::env::temp_dir().join(format!("thexr-store-{:032x}", rand::random::<u128>()));
        let opened = Store::open(&folder, Arc::new(Metrics::default()), &TaskTracker::new()).await;
        Self {
            store: opened.expect("opens"),
            folder,
        }
    }
}

impl std::ops::Deref for Temporary {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
