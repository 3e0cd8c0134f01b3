//! A bad network in this process (the kernel here has no netem): everything takes 40 ms longer in both directions,
//! and now and then nothing moves for 200 ms.

use crate::ws::write_all;
use anyhow::Result;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How much longer everything takes.
pub const DELAY: Duration = Duration::from_millis(40);
/// How long nothing moves.
pub const STALL: Duration = Duration::from_millis(200);
/// A connection stalls about once in this time.
pub const STALL_EVERY: Duration = Duration::from_secs(4);
/// Bytes read at once.
const PIECE_BYTES: usize = 4 << 10;
/// Pieces on their way: a network holds little, and then the sender waits.
const PIECES_MAX: usize = 32;

/// The network; it ends when this is dropped.
pub struct Rough {
    /// Where clients connect to.
    pub addr: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Rough {
    /// Puts it in front of a server.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn_local(async move {
            let mut ways = JoinSet::new();
            let mut seed = 1u64;
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(target).await else {
                    continue;
                };
                for stream in [&client, &server] {
                    let _ = stream.set_nodelay(true);
                }
                let (client, server) = (Rc::new(client), Rc::new(server));
                seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let stalls = Rc::new(Stalls {
                    seed: Cell::new(seed | 1),
                    next: Cell::new(Instant::now()),
                });
                stalls.plan();
                ways.spawn_local(way(client.clone(), server.clone(), stalls.clone()));
                ways.spawn_local(way(server, client, stalls));
            }
        });
        Ok(Self { addr, _tasks: tasks })
    }
}

/// When a connection stalls next: both directions together.
struct Stalls {
    seed: Cell<u64>,
    next: Cell<Instant>,
}

impl Stalls {
    /// Draws the time of the next one.
    fn plan(&self) {
        let mut seed = self.seed.get();
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        self.seed.set(seed);
        let part = (seed >> 40) as f64 / (1u64 << 24) as f64;
        self.next
            .set(Instant::now() + STALL + STALL_EVERY.mul_f64(2.0 * part));
    }

    /// When a piece that came at `at` leaves.
    fn leaves(&self, at: Instant) -> Instant {
        let due = at + DELAY;
        let stall = self.next.get();
        if due < stall {
            return due;
        }
        if due >= stall + STALL {
            self.plan();
            return due;
        }
        stall + STALL
    }
}

/// One direction of a connection.
async fn way(from: Rc<TcpStream>, to: Rc<TcpStream>, stalls: Rc<Stalls>) {
    let (pieces, mut coming) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES_MAX);
    let reading = async move {
        let mut buffer = vec![0u8; PIECE_BYTES];
        loop {
            if from.readable().await.is_err() {
                return;
            }
            match from.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(n) => {
                    if pieces.send((Instant::now(), buffer[..n].to_vec())).await.is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    let writing = async move {
        while let Some((at, piece)) = coming.recv().await {
            tokio::time::sleep_until(stalls.leaves(at)).await;
            if write_all(&to, &piece).await.is_err() {
                return;
            }
        }
    };
    // Either end takes the other with it: the sockets close when both ways are gone.
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}
