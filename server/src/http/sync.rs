//! `GET /sync/{space}`: from a request to a WebSocket.

use super::problem::{Problem, close_of};
use crate::App;
use crate::socket::{self, handshake::NoUpgrade, handshake::Offer};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use thexr_schema::ids::SpaceId;
use tokio::net::TcpStream;

/// Checks the request, makes sure the space can be had, and hands the connection to [`socket::run`].
pub async fn upgrade(State(app): State<App>, Path(space): Path<String>, mut request: Request) -> Response {
    let offer = match Offer::read(request.method(), request.version(), request.headers()) {
        Ok(offer) => offer,
        Err(NoUpgrade::Version) => {
            let problem = Problem::new(
                StatusCode::UPGRADE_REQUIRED,
                "websocket_version",
                "WebSocket version 13 only.",
            );
            let mut response = problem.into_response();
            response
                .headers_mut()
                .insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            return response;
        }
        Err(NoUpgrade::Malformed(why)) => return Problem::bad_request("no_upgrade", why).into_response(),
    };
    let id: SpaceId = match space.parse() {
        Ok(id) => id,
        Err(error) => return Problem::bad_request("bad_space_id", format!("{error}.")).into_response(),
    };
    // Nothing is agreed to before the space is there: who cannot read a close code gets a status.
    let trouble = app.spaces.get_or_create(&id).await.err();
    if let Some(trouble) = &trouble
        && !offer.ours
    {
        return Problem::from(trouble.clone()).into_response();
    }
    let Some(on_upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return Problem::bad_request("no_upgrade", "this connection cannot be upgraded").into_response();
    };
    let tracker = app.tracker.clone();
    tracker.spawn(async move {
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
