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
use tokio::sync::{Semaphore, mpsc};
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
    loop {
        let part = match export.next().await {
            Ok(Some(bytes)) => Part::Bytes(bytes),
            Ok(None) => Part::End,
            Err(trouble) => {
                tracing::error!(space.id = %export.row().slug, %trouble, "a bundle broke off");
                return;
            }
        };
        let last = matches!(part, Part::End);
        tokio::select! { biased;
            () = stop.cancelled() => return,
            sent = tokio::time::timeout(limits::BUNDLE_STALL, to.send(part)) => {
                if last || !matches!(sent, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }
}
