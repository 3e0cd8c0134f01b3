//! The accept loop: sockets in, HTTP/1.1 connections served with the limits that `axum::serve` has no setting for.

use crate::{App, http, limits};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt;

/// Accepts until the server stops, then returns; connections go on until they are told.
pub async fn run(listener: TcpListener, app: App) {
    let router = http::router(app.clone());
    let connections = Arc::new(Semaphore::new(app.config.connections_max));
    loop {
        let accepted = tokio::select! { biased;
            () = app.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or a peer gone before we looked: pause so that it cannot spin.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = connections.clone().try_acquire_owned() else {
            app.metrics.limit("connections");
            continue;
        };
        tune(&stream);
        let slot = http::Slot(Arc::new(permit));
        let service = router.clone().map_request(move |mut request: http::Incoming| {
            request.extensions_mut().insert(http::Peer(peer));
            request.extensions_mut().insert(slot.clone());
            request
        });
        let (service, stop) = (TowerToHyperService::new(service), app.stop.clone());
        app.tracker.spawn(async move {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(limits::HTTP_HEAD_TIMEOUT)
                .max_buf_size(limits::HTTP_HEAD_BYTES_MAX)
                .keep_alive(true);
            let connection = builder
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            tokio::pin!(connection);
            tokio::select! {
                // What a peer did wrong here has been answered by hyper or cannot be.
                _ = connection.as_mut() => {}
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = tokio::time::timeout(limits::HTTP_END, connection.as_mut()).await;
                }
            }
        });
    }
}

/// Frames must leave at once (Nagle against delayed acks costs 40 ms), and what a slow reader has not taken should
/// wait in our lanes, where it is counted and replaced, not in the kernel.
fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    {
        let socket = socket2::SockRef::from(stream);
        let _ = socket.set_tcp_notsent_lowat(limits::NOTSENT_LOWAT_BYTES);
    }
}
