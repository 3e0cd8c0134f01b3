//! What surrounds every request: its id, its line in the log, the headers of every answer, the body of every error.

use super::problem::{Code, Problem};
use crate::metrics::Metrics;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::any::Any;
use std::sync::Arc;
use std::time::Instant;
use tracing::Instrument;

/// Comes in (from a proxy) and goes out; made here when it is missing or strange.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The outermost layer.
pub async fn around(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    // The path without its query: a query may hold a token. What the path holds is percent-encoded.
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let span = tracing::debug_span!("http.request", request.id = %id, %method, path);
    let mut response = next.run(request).instrument(span).await;

    let status = response.status();
    let problem = response.extensions_mut().remove::<Problem>();
    let problem = problem.or_else(|| (status.as_u16() >= 400).then(|| of_status(status)));
    let code = problem.as_ref().map_or("", |problem| problem.code.as_str());
    let cause = problem.as_ref().and_then(|problem| problem.cause.clone());
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Some(problem) = problem {
        match problem.code {
            Code::BodyTooLarge => metrics.limit("http_body"),
            Code::Timeout => metrics.limit("http_timeout"),
            _ => {}
        }
        problem.write(&mut response, &id);
    }
    let status = response.status().as_u16();
    if status >= 500 {
        tracing::warn!(request.id = %id, %method, path, status, code, cause, ms, "request failed");
    } else {
        tracing::debug!(request.id = %id, %method, path, status, code, ms, "request");
    }
    decorate(&mut response, &id);
    response
}

/// The id that came with the request, if it is one that may stand in a log; else 128 random bits.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok());
    let good = |id: &&str| {
        !id.is_empty()
            && id.len() <= 64
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    given
        .filter(good)
        .map_or_else(|| format!("{:032x}", rand::random::<u128>()), str::to_owned)
}

/// The problem of an answer that a layer or the router made without one.
fn of_status(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(
            Code::MethodNotAllowed,
            "The path exists; the Allow header says which methods it takes.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => Problem::new(
            Code::Timeout,
            "The answer took too long. What was asked may still have been done.",
        ),
        status if status.is_client_error() => {
            Problem::new(Code::BadRequest, "The request cannot be understood.")
        }
        status => Problem {
            cause: Some(format!("an answer {status} without a problem")),
            ..Problem::new(Code::Internal, INTERNAL)
        },
    }
}

const INTERNAL: &str = "A fault in the server. It is in the log under the request's id.";

/// A handler panicked: that is a bug, and it is this request's alone.
pub fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    let problem = Problem {
        cause: Some(format!("panicked: {}", said.unwrap_or_default())),
        ..Problem::new(Code::Internal, INTERNAL)
    };
    problem.into_response()
}

fn decorate(response: &mut Response, id: &str) {
    let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(
        REQUEST_ID,
        HeaderValue::from_str(id).expect("letters, digits, - _ ."),
    );
    if switching {
        return;
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strange_request_id_is_replaced() {
        let with = |id: &'static [u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(id).expect("a header"));
            request_id(&headers)
        };
        assert_eq!(with(b"abc-1_2.Z"), "abc-1_2.Z");
        let long: &'static [u8] = &[b'a'; 65];
        for strange in [&b""[..], b"a b", b"\xff", b"a\"b", long] {
            assert_eq!(with(strange).len(), 32);
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn a_panic_is_one_problem_and_tells_nothing() {
        let router = axum::Router::<()>::new()
            .route("/", axum::routing::get(|| async { panic!("a secret") as () }))
            .layer(tower_http::catch_panic::CatchPanicLayer::custom(panicked))
            .layer(axum::middleware::from_fn_with_state(Arc::default(), around));
        let request = Request::builder().uri("/").header(REQUEST_ID, "r-1");
        let request = request.body(axum::body::Body::empty()).expect("a request");
        let answer = tower::ServiceExt::oneshot(router, request)
            .await
            .expect("infallible");
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers()[REQUEST_ID], "r-1");
        let body = axum::body::to_bytes(answer.into_body(), 10_000)
            .await
            .expect("a body");
        let body = String::from_utf8_lossy(&body);
        assert!(
            body.contains("\"internal\"") && !body.contains("secret"),
            "{body}"
        );
    }
}
