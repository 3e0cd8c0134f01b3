//! Which pages may speak to us. Browsers send the Host and Origin honestly; this is against other sites in a
//! user's browser, not against programs.

use super::problem::{Code, Problem};
use crate::config::Config;
use axum::extract::{Request, State};
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// Refuses what comes from a page that has no business here.
pub async fn check(State(config): State<Arc<Config>>, request: Request, next: Next) -> Response {
    match refused(&config, &request) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

/// The sites of `config.origins` may read answers; nobody else, and never with cookies.
pub fn cors(config: &Config) -> CorsLayer {
    let origins = config
        .origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            HeaderName::from_static("last-event-id"),
            super::layers::REQUEST_ID,
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            HeaderName::from_static("thexr-seq"),
            super::layers::REQUEST_ID,
        ])
        .max_age(crate::limits::PREFLIGHT_AGE)
        .vary([header::ORIGIN])
}

fn refused(config: &Config, request: &Request) -> Option<Problem> {
    let host = host(request);
    // A name that somebody points at 127.0.0.1 (DNS rebinding) must not make us same-origin with his page.
    if config.listen.ip().is_loopback()
        && !host.as_ref().is_some_and(|host| {
            is_loopback(host.host()) || config.origins.iter().any(|o| named(o).as_ref() == Some(host))
        })
    {
        return Some(Problem::new(
            Code::BadHost,
            "This server listens on loopback only: ask for localhost, or name its public origin in the settings.",
        ));
    }
    let path = request.uri().path();
    let socket = path.starts_with("/sync/") || path.starts_with("/presence/");
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads && !socket {
        return None;
    }
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let ours = |origin: &HeaderValue| {
        let origin = origin.to_str().unwrap_or_default();
        config.origins.iter().any(|known| known == origin)
            || named(origin)
                .is_some_and(|from| is_loopback(from.host()) || host.as_ref().is_some_and(|h| *h == from))
    };
    let refused = !origins.all(ours);
    refused.then(|| {
        Problem::new(
            Code::BadOrigin,
            "Pages of this origin may not connect; the server's settings list those that may.",
        )
    })
}

/// The host that was asked for: the one Host header, or that of an absolute request target (RFC 9112 §3.2.2).
fn host(request: &Request) -> Option<Authority> {
    let mut given = request.headers().get_all(header::HOST).iter();
    let header = given.next().and_then(|host| authority(host.to_str().ok()?));
    if given.next().is_some() {
        return None;
    }
    match request.uri().authority() {
        Some(asked) => authority(asked.as_str()).filter(|asked| header.as_ref().is_none_or(|h| h == asked)),
        None => header,
    }
}

fn authority(text: &str) -> Option<Authority> {
    text.parse::<Authority>()
        .ok()
        .filter(|a| !a.as_str().contains('@') && !a.host().is_empty())
        // "127.0.0.1:80.evil.com" parses, with a port that is none.
        .filter(|a| a.as_str() == a.host() || a.port_u16().is_some())
}

/// Host and port of an origin, `None` for `null` and whatever else is none.
fn named(origin: &str) -> Option<Authority> {
    let (scheme, rest) = origin.split_once("://")?;
    let whole = origin.parse::<Uri>().is_ok() && !rest.contains(['/', '?', '#']);
    (matches!(scheme, "http" | "https") && whole)
        .then(|| authority(rest))
        .flatten()
}

fn is_loopback(host: &str) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    /// Where we listen, method, target, Host, Origin, what comes of it.
    type Row = (
        &'static str,
        &'static str,
        &'static str,
        &'static str,
        Option<&'static str>,
        Option<Code>,
    );

    fn code(listen: &str, method: &str, path: &str, host: &str, origin: Option<&str>) -> Option<Code> {
        let config = Config {
            listen: listen.parse().expect("an address"),
            origins: vec!["https://app.example.com".into()],
            ..Config::default()
        };
        let mut request = Request::builder().method(method).uri(path);
        if !host.is_empty() {
            request = request.header("host", host);
        }
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        refused(&config, &request.body(Body::empty()).expect("a request")).map(|problem| problem.code)
    }

    /// Corpus rows 16, 32, 33, 36; threat T2.
    #[test]
    fn hosts_and_origins_are_judged_by_this_table() {
        use Code::{BadHost, BadOrigin};
        let (here, everywhere) = ("127.0.0.1:4000", "0.0.0.0:4000");
        let sync = "/sync/lobby";
        let table: &[Row] = &[
            (here, "GET", "/", "localhost:4000", None, None),
            (here, "GET", "/", "LOCALHOST", None, None),
            (here, "GET", "/", "127.0.0.1:1", None, None),
            (here, "GET", "/", "[::1]:4000", None, None),
            (here, "GET", "/", "app.example.com", None, None),
            (here, "GET", "/", "", None, Some(BadHost)),
            (here, "GET", "/", "attacker.test", None, Some(BadHost)),
            (here, "GET", "/", "localhost.attacker.test", None, Some(BadHost)),
            (here, "GET", "/", "localhost@attacker.test", None, Some(BadHost)),
            (
                here,
                "GET",
                "http://attacker.test/",
                "localhost",
                None,
                Some(BadHost),
            ),
            (everywhere, "GET", "/", "any.test", None, None),
            (
                everywhere,
                "GET",
                sync,
                "any.test",
                Some("https://any.test"),
                None,
            ),
            (
                everywhere,
                "GET",
                sync,
                "any.test",
                Some("https://other.test"),
                Some(BadOrigin),
            ),
            (
                here,
                "GET",
                sync,
                "localhost:4000",
                Some("http://localhost:4000"),
                None,
            ),
            (
                here,
                "GET",
                sync,
                "localhost:4000",
                Some("http://127.0.0.1:5173"),
                None,
            ),
            (
                here,
                "GET",
                sync,
                "localhost:4000",
                Some("http://[::1]:5173"),
                None,
            ),
            (
                here,
                "GET",
                sync,
                "localhost:4000",
                Some("https://app.example.com"),
                None,
            ),
            (
                here,
                "GET",
                sync,
                "localhost:4000",
                Some("https://app.example.com.evil.com"),
                Some(BadOrigin),
            ),
            (
                here,
                "GET",
                sync,
                "localhost:4000",
                Some("http://app.example.com"),
                Some(BadOrigin),
            ),
            (
                here,
                "GET",
                sync,
                "localhost:4000",
                Some("http://localhost:4000.evil.com"),
                Some(BadOrigin),
            ),
            (here, "GET", sync, "localhost:4000", Some("null"), Some(BadOrigin)),
            (here, "GET", sync, "localhost:4000", Some(""), Some(BadOrigin)),
            (
                here,
                "GET",
                sync,
                "localhost:4000",
                Some("file://localhost"),
                Some(BadOrigin),
            ),
            (
                here,
                "GET",
                sync,
                "localhost:4000",
                Some("http://localhost/x"),
                Some(BadOrigin),
            ),
            (
                here,
                "POST",
                "/api/v1/spaces",
                "localhost:4000",
                Some("https://evil.test"),
                Some(BadOrigin),
            ),
            (
                here,
                "OPTIONS",
                "/api/v1/spaces",
                "localhost:4000",
                Some("https://evil.test"),
                Some(BadOrigin),
            ),
            (
                here,
                "GET",
                "/api/v1/spaces",
                "localhost:4000",
                Some("https://evil.test"),
                None,
            ),
        ];
        for &(listen, method, path, host, origin, wanted) in table {
            assert_eq!(
                code(listen, method, path, host, origin),
                wanted,
                "{listen} {method} {path} {host} {origin:?}"
            );
        }
    }
}
