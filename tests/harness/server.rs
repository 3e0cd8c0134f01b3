//! A server in this process, on a port and in a folder of its own, with threads of its own (and their stacks of the
//! size that the program gives them).

use crate::http::{self, Response};
use crate::value::{self, Content};
use crate::{eventually, within};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use thexr::config::{Config, Secret};
use thexr::space::doc::SpaceDoc;
use thexr::space::{SpaceHandle, Trouble};
use thexr::spaces::Spaces;
use thexr::store::OpenError;
use thexr_schema::api::CompactResult;
use thexr_schema::ids::SpaceId;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// The admin token of every test server.
pub const ADMIN_TOKEN: &str = "an-admin-token-for-tests-only-0123456789";

/// A running or stopped server.
pub struct Server {
    config: Config,
    folder: Arc<TempDir>,
    running: Option<Running>,
}

struct Running {
    addr: SocketAddr,
    spaces: Spaces,
    runtime: tokio::runtime::Handle,
    stop: CancellationToken,
    thread: std::thread::JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

impl Server {
    /// Starts with the default settings.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// Starts with other settings. Compaction does not start by itself unless the settings say so.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let mut config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data: folder.path().to_owned(),
            admin_token: Some(Secret::new(ADMIN_TOKEN)),
            ..Config::default()
        };
        config.compaction.interval = Duration::from_secs(86_400);
        change(&mut config);
        let mut server = Self {
            config,
            folder,
            running: None,
        };
        server.start_again().await;
        server
    }

    /// Starts after [`Server::stop`], with the folder and the port of before.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_again(&mut self) {
        assert!(self.running.is_none(), "it runs");
        let config = self.config.clone();
        let stop = CancellationToken::new();
        let (started, start) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let token = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .thread_stack_size(thexr::limits::THREAD_STACK_BYTES)
                .build()
                .expect("a runtime");
            let handle = runtime.handle().clone();
            runtime.block_on(async move {
                let listener =
                    eventually("binding", async || TcpListener::bind(config.listen).await.ok()).await;
                let addr = listener.local_addr().expect("an address");
                // A process that another test is just starting holds a copy of our old lock until it runs.
                let opened = eventually("the old lock is free", async || {
                    match thexr::open(config.clone(), token.clone()).await {
                        Err(OpenError::Locked(_)) => None,
                        opened => Some(opened.expect("the database opens")),
                    }
                });
                let (app, writers) = opened.await;
                let _ = started.send((addr, app.spaces.clone(), handle));
                thexr::run(app, writers, listener).await;
            });
            let _ = end.send(());
        });
        let (addr, spaces, runtime) = within("the server starts", start)
            .await
            .expect("the server starts");
        self.config.listen = addr;
        self.running = Some(Running {
            addr,
            spaces,
            runtime,
            stop,
            thread,
            ended,
        });
    }

    /// Stops in order; returns when everything has ended.
    pub async fn stop(&mut self) {
        let running = self.running.take().expect("it runs");
        running.stop.cancel();
        drop(running.spaces);
        let ended = within("the server stops", running.ended).await;
        assert!(
            ended.is_ok() && running.thread.join().is_ok(),
            "the server ends without a panic"
        );
    }

    /// Stops and starts on the same port and folder.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start_again().await;
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.config.listen
    }

    /// The data folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// `/metrics` as text.
    pub async fn metrics(&self) -> String {
        http::get(self.running().addr, "/metrics").await.text()
    }

    /// One sample of `/metrics` by its whole name, labels included; 0 when it is not there.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().await;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
    }

    /// Waits until a sample satisfies `enough`.
    pub async fn metric_is(&self, name: &str, enough: impl Fn(f64) -> bool) {
        eventually(name, async || enough(self.metric(name).await).then_some(())).await;
    }

    /// Fails unless `/livez` and `/readyz` say that all is well.
    pub async fn assert_alive(&self) {
        for path in ["/livez", "/readyz"] {
            assert_eq!(http::get(self.running().addr, path).await.status, 200, "{path}");
        }
        assert_eq!(
            self.metric("thexr_engine_panics_total").await,
            0.0,
            "the engine panicked"
        );
    }

    /// A request with the admin token.
    pub async fn admin(&self, method: &str, path: &str, body: &[u8]) -> Response {
        let bearer = format!("Bearer {ADMIN_TOKEN}");
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
        ];
        http::request(self.running().addr, method, path, &headers, body).await
    }

    /// Runs something with the registry on the server's own threads.
    pub async fn on_spaces<T, F>(&self, f: impl FnOnce(Spaces) -> F + Send + 'static) -> T
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let running = self.running();
        let spaces = running.spaces.clone();
        let task = running.runtime.spawn(async move { f(spaces).await });
        within("an answer of the registry", task).await.expect("no panic")
    }

    /// Does something with a space, starting it if it sleeps.
    pub async fn on_space<T, F>(&self, space: &str, f: impl FnOnce(SpaceHandle) -> F + Send + 'static) -> T
    where
        F: Future<Output = Result<T, Trouble>> + Send + 'static,
        T: Send + 'static,
    {
        let id: SpaceId = space.parse().expect("a space id");
        let done = self
            .on_spaces(move |spaces| async move { f(spaces.get(&id).await?).await })
            .await;
        done.unwrap_or_else(|trouble| panic!("space {space}: {trouble}"))
    }

    /// Reads the document that the server holds in memory.
    pub async fn read<T: Send + 'static>(
        &self,
        space: &str,
        f: impl FnOnce(&mut SpaceDoc) -> T + Send + 'static,
    ) -> T {
        self.on_space(space, |handle| async move { Ok(handle.read(f).await?.0) })
            .await
    }

    /// What the server shows of a space.
    pub async fn content(&self, space: &str) -> Content {
        self.read(space, |doc| value::of_space(doc)).await
    }

    /// Compacts a space.
    pub async fn compact(&self, space: &str, dry_run: bool) -> CompactResult {
        self.on_space(space, move |handle| async move { handle.compact(dry_run).await })
            .await
    }

    /// True while the space is in memory.
    pub async fn is_loaded(&self, space: &str) -> bool {
        let id: SpaceId = space.parse().expect("a space id");
        self.on_spaces(move |spaces| async move { spaces.loaded(&id).is_some() })
            .await
    }

    /// Waits until the space has gone to sleep.
    pub async fn sleeps(&self, space: &str) {
        eventually("the space sleeps", async || {
            (!self.is_loaded(space).await).then_some(())
        })
        .await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Not awaited: a failing test must not hang. The thread ends by itself.
        if let Some(running) = &self.running {
            running.stop.cancel();
        }
    }
}
