//! A TCP proxy that cuts, stalls and delays.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A proxy in front of one address; everything ends when it is dropped.
pub struct Proxy {
    addr: SocketAddr,
    rules: Arc<Rules>,
    _tasks: JoinSet<()>,
}

struct Rules {
    target: SocketAddr,
    /// Cancelled to cut every connection of today.
    cut: watch::Sender<CancellationToken>,
    stalled: watch::Sender<bool>,
    delay: watch::Sender<Duration>,
    /// Bytes towards the server until the connection is cut; `usize::MAX` = never.
    budget: AtomicUsize,
}

impl Proxy {
    /// Listens in front of `target`.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let rules = Arc::new(Rules {
            target,
            cut: watch::Sender::new(CancellationToken::new()),
            stalled: watch::Sender::new(false),
            delay: watch::Sender::new(Duration::ZERO),
            budget: AtomicUsize::new(usize::MAX),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, rules.clone()));
        Self {
            addr,
            rules,
            _tasks: tasks,
        }
    }

    /// Where clients connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Cuts every connection, in the middle of whatever they were saying.
    pub fn cut(&self) {
        self.rules.cut.send_replace(CancellationToken::new()).cancel();
    }

    /// Cuts the connection that is first to send `bytes` more bytes to the server.
    pub fn cut_after(&self, bytes: usize) {
        self.rules.budget.store(bytes, Ordering::SeqCst);
    }

    /// Moves nothing while true; connections stay open.
    pub fn stall(&self, on: bool) {
        self.rules.stalled.send_replace(on);
    }

    /// Holds every piece for this long, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.rules.delay.send_replace(delay);
    }
}

async fn accept(listener: TcpListener, rules: Arc<Rules>) {
    let mut tasks = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let rules = rules.clone();
        tasks.spawn(async move {
            let Ok(server) = TcpStream::connect(rules.target).await else {
                return;
            };
            for stream in [&client, &server] {
                let _ = stream.set_nodelay(true);
                // A cut is a reset, not a goodbye.
                let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
            let cut = rules.cut.borrow().clone();
            let ((client_in, client_out), (server_in, server_out)) =
                (client.into_split(), server.into_split());
            tokio::select! {
                () = cut.cancelled() => {}
                () = pump(client_in, server_out, &rules, true) => {}
                () = pump(server_in, client_out, &rules, false) => {}
            }
        });
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, rules: &Rules, counted: bool) {
    let mut stalled = rules.stalled.subscribe();
    let mut piece = [0; 4096];
    while let Ok(n) = from.read(&mut piece).await {
        if n == 0 || stalled.wait_for(|stalled| !stalled).await.is_err() {
            return;
        }
        let delay = *rules.delay.borrow();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut n = n;
        let mut last = false;
        if counted {
            let budget = rules.budget.load(Ordering::SeqCst);
            if budget != usize::MAX {
                last = n >= budget;
                n = n.min(budget);
                rules
                    .budget
                    .store(if last { usize::MAX } else { budget - n }, Ordering::SeqCst);
            }
        }
        if to.write_all(&piece[..n]).await.is_err() || last {
            return;
        }
    }
}
