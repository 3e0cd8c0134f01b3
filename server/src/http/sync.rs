//! `GET /sync/{space}`: from a request to a WebSocket.

use super::Slot;
use super::input::InSpace;
use super::problem::{Code, Problem, close_of};
use crate::App;
use crate::socket::{self, handshake::NoUpgrade, handshake::Offer};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Checks the request, makes sure the space can be had, and hands the connection to [`socket::run`].
pub async fn upgrade(State(app): State<App>, InSpace(id): InSpace, mut request: Request) -> Response {
    let offer = match Offer::read(request.method(), request.version(), request.headers()) {
        Ok(offer) => offer,
        Err(NoUpgrade::Version) => {
            return Problem::new(Code::WebsocketVersion, "WebSocket version 13 only.").into_response();
        }
        Err(NoUpgrade::Malformed(why)) => return Problem::new(Code::NoUpgrade, why).into_response(),
    };
    // Nothing is agreed to before the space is there: who cannot read a close code gets a status.
    let trouble = app.spaces.get_or_create(&id).await.err();
    if let Some(trouble) = &trouble
        && !offer.ours
    {
        return Problem::from(trouble.clone()).into_response();
    }
    let Some(on_upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return Problem::new(Code::NoUpgrade, "This connection cannot be upgraded.").into_response();
    };
    let slot = request.extensions_mut().remove::<Slot>();
    let tracker = app.tracker.clone();
    tracker.spawn(async move {
        // The connection goes on here, and so does its place among all.
        let _slot = slot;
        let Ok(upgraded) = on_upgrade.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
            return;
        };
        let stream = parts.io.into_inner();
        match trouble {
            Some(trouble) => socket::refuse(stream, close_of(&trouble), &app.metrics).await,
            None => socket::run(app, id, stream, parts.read_buf).await,
        }
    });
    offer.response()
}
