//! `/api/v1/admin/spaces/{space}/bundle`: a space with all that is kept of it, as one file that is written while it is
//! read. The way back is `thexr import --bundle`, on the folder of a stopped server.

use super::auth::Admin;
use super::input::InSpace;
use super::problem::{Code, Problem};
use crate::space::bundle::Export;
use crate::{App, limits};
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How many may be on their way in the process.
#[derive(Clone)]
pub struct Bundles(Arc<Semaphore>);

impl Default for Bundles {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(limits::BUNDLES_MAX)))
    }
}

/// What is sent to the body; nothing more comes after `End`.
enum Part {
    Bytes(Bytes),
    End,
}

/// How long a reader is waited for. Only what it lets us wait counts, not what reading takes us.
#[derive(Default)]
struct Patience {
    waited: Duration,
    /// What it may have waited for what it has taken.
    earned: Duration,
}

impl Patience {
    /// However fast it was before, no wait is longer than the first.
    fn left(&self) -> Duration {
        limits::BUNDLE_STALL.saturating_sub(self.waited.saturating_sub(self.earned))
    }

    fn took(&mut self, bytes: usize, waited: Duration) {
        self.waited += waited;
        self.earned += Duration::from_secs_f64(bytes as f64 / f64::from(limits::BUNDLE_BYTES_PER_S_MIN));
    }
}

/// `GET …/bundle`
pub async fn show(
    _: Admin,
    State(app): State<App>,
    axum::Extension(bundles): axum::Extension<Bundles>,
    InSpace(id): InSpace,
) -> Result<Response, Problem> {
    let turn = bundles.0.clone().try_acquire_owned().map_err(|_| {
        app.metrics.limit("bundles");
        Problem::new(Code::Busy, "Too many bundles are being read.")
    })?;
    let export = Export::open(app.spaces.store(), &id).await?;
    let (send, receive) = mpsc::channel(1);
    let stop = app.stop.clone();
    // A task, because hyper does not ask a body for more while the other end takes nothing: then somebody has to give the
    // database's reader back.
    app.tracker.spawn(async move {
        write(export, &send, &stop).await;
        drop(turn);
    });
    let body = stream::unfold(Some(receive), |receive| async {
        let mut receive = receive?;
        match receive.recv().await {
            Some(Part::Bytes(bytes)) => Some((Ok(bytes), Some(receive))),
            Some(Part::End) => None,
            // Cut off, and the other end must be told: an orderly end would say that the file is whole.
            None => Some((Err(std::io::Error::other("the bundle broke off")), None)),
        }
    });
    let name = format!("attachment; filename=\"{id}.thexr\"");
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_DISPOSITION, &name),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// Hands the pieces over until all are taken, nobody takes them any more, or the server stops.
async fn write(mut export: Export, to: &mpsc::Sender<Part>, stop: &CancellationToken) {
    let mut patience = Patience::default();
    let mut give = async |part: Part, size: usize| {
        let since = Instant::now();
        let taken = tokio::select! { biased;
            () = stop.cancelled() => false,
            sent = tokio::time::timeout(patience.left(), to.send(part)) => matches!(sent, Ok(Ok(()))),
        };
        patience.took(size, since.elapsed());
        taken
    };
    loop {
        match export.next().await {
            Ok(Some(mut bytes)) => {
                // A second's worth at a time: a large record on a slow line is not as if nothing were taken.
                while !bytes.is_empty() {
                    let size = bytes.len().min(limits::BUNDLE_BYTES_PER_S_MIN as usize);
                    if !give(Part::Bytes(bytes.split_to(size)), size).await {
                        return;
                    }
                }
            }
            Ok(None) => {
                give(Part::End, 0).await;
                return;
            }
            Err(trouble) => {
                tracing::error!(space.id = %export.row().slug, %trouble, "a bundle broke off");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Waits for a reader that takes `bytes` every `each`; how often it is waited for, up to a thousand times.
    fn taken(bytes: usize, each: Duration) -> usize {
        let mut patience = Patience::default();
        let waits = |_: &usize| {
            let waits = each < patience.left();
            patience.took(bytes, each);
            waits
        };
        (0..1_000).take_while(waits).count()
    }

    #[test]
    fn a_reader_is_waited_for_as_long_as_it_keeps_up() {
        let rate = limits::BUNDLE_BYTES_PER_S_MIN as usize;
        assert_eq!(taken(rate, SECOND), 1_000);
        assert_eq!(taken(20 * rate, 20 * SECOND), 1_000);
        assert_eq!(taken(rate, SECOND * 11 / 10), 289, "a little too slow");
        assert_eq!(taken(1_000, 29 * SECOND), 1, "a little every while");
        assert_eq!(taken(100 * rate, 30 * SECOND), 0, "nothing for too long");
    }

    #[test]
    fn no_wait_is_longer_than_the_first() {
        let mut patience = Patience::default();
        patience.took(1 << 30, SECOND);
        assert_eq!(patience.left(), limits::BUNDLE_STALL);
    }
}
