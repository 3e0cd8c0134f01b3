//! `GET /sync/{space}` and `GET /presence/{space}`: from a request to a WebSocket.

use super::Slot;
use super::input::InSpace;
use super::problem::{Code, Problem, close_of};
use crate::socket::handshake::{self, NoUpgrade, Offer};
use crate::socket::sync::Dial;
use crate::socket::{self, presence};
use crate::space::Trouble;
use crate::space::roster::Identity;
use crate::{App, limits};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use thexr_schema::presence::SUBPROTOCOL;
use tokio::net::TcpStream;

/// The y-websocket channel.
pub async fn sync(State(app): State<App>, InSpace(id): InSpace, request: Request) -> Response {
    let dial = Dial {
        identity: identity(&request),
        epoch: who(&request).epoch,
    };
    let (spaces, space) = (app.spaces.clone(), id.clone());
    let ready = async move { spaces.get_or_create(&space).await.map(drop) };
    let serve = |app, stream, early| socket::sync::run(app, id, dial, stream, early);
    upgrade(app, request, handshake::SUBPROTOCOL, ready, serve).await
}

/// The presence channel.
pub async fn presence(State(app): State<App>, InSpace(id): InSpace, request: Request) -> Response {
    let identity = identity(&request).unwrap_or_else(Identity::guest);
    let (spaces, space) = (app.spaces.clone(), id.clone());
    let ready = async move { spaces.get_or_create(&space).await.map(drop) };
    let serve = |app, stream, early| async move { presence::run(app, id, identity, stream, early).await };
    upgrade(app, request, SUBPROTOCOL, ready, serve).await
}

/// Checks the request, waits until what it asks for is `ready`, and hands the connection on.
pub(super) async fn upgrade<F>(
    app: App,
    mut request: Request,
    protocol: &'static str,
    ready: impl Future<Output = Result<(), Trouble>>,
    serve: impl FnOnce(App, TcpStream, Bytes) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    let offer = match Offer::read(request.method(), request.version(), request.headers(), protocol) {
        Ok(offer) => offer,
        Err(NoUpgrade::Version) => {
            return Problem::new(Code::WebsocketVersion, "WebSocket version 13 only.").into_response();
        }
        Err(NoUpgrade::Malformed(why)) => return Problem::new(Code::NoUpgrade, why).into_response(),
    };
    // Nothing is agreed to before the space is there: who cannot read a close code gets a status.
    let trouble = ready.await.err();
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
            None => serve(app, stream, parts.read_buf).await,
        }
    });
    offer.response()
}

#[derive(Deserialize, Default)]
struct Who {
    user: Option<String>,
    name: Option<String>,
    /// The history that a client has a copy of.
    epoch: Option<String>,
}

fn who(request: &Request) -> Who {
    axum::extract::Query::try_from_uri(request.uri()).map_or_else(|_| Who::default(), |query| query.0)
}

/// Who is behind a connection while there are no tokens: whoever it says it is, which binds nobody to anything.
fn identity(request: &Request) -> Option<Identity> {
    let who = who(request);
    let user = who.user.as_deref().map(clean).filter(|user| !user.is_empty());
    let name = who.name.as_deref().map(clean).filter(|name| !name.is_empty());
    if user.is_none() && name.is_none() {
        return None;
    }
    let guest = Identity::guest();
    Some(Identity {
        user: user.map_or(guest.user, Into::into),
        name: name.map_or(guest.name, Into::into),
        role: guest.role,
    })
}

/// A name as it may be shown: no control characters, nothing that turns the text around, not too long.
pub fn clean(text: &str) -> String {
    let shown = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.trim()
        .chars()
        .filter(shown)
        .take(limits::NAME_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(query: &str) -> Identity {
        let uri = format!("/presence/lobby{query}");
        identity(
            &Request::get(uri)
                .body(axum::body::Body::empty())
                .expect("a request"),
        )
        .unwrap_or_else(Identity::guest)
    }

    /// SPEC M1.
    #[test]
    fn a_name_is_what_can_be_shown() {
        let ana = who("?user=ana&name=%20Ana%E2%80%AE%00%20");
        assert_eq!((&*ana.user, &*ana.name), ("ana", "Ana"));
        assert_eq!(
            who(&format!("?name={}", "x".repeat(500))).name.len(),
            limits::NAME_CHARS_MAX
        );
        let (a, b) = (who(""), who("?user=&name=%0a"));
        assert_eq!((&*a.name, &*b.name), ("Guest", "Guest"));
        assert_ne!(a.user, b.user, "two strangers are two users");
    }
}
