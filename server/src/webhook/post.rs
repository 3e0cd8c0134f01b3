//! One signed POST to an endpoint and what came back. The only code that opens connections to other machines.

use super::sign::signature;
use crate::config::Secret;
use crate::{clock, limits};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::{Duration, Instant, SystemTime};

/// What is sent where.
pub struct Parcel<'a> {
    /// The endpoint.
    pub url: &'a str,
    /// What it is signed with.
    pub secret: &'a Secret,
    /// The same on every attempt.
    pub delivery: &'a str,
    /// 1, 2, 3 …
    pub attempt: u32,
    /// JSON.
    pub body: Bytes,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// When to come back, as the endpoint wishes.
    pub retry_after: Option<Duration>,
    /// How long it took.
    pub took: Duration,
}

impl Answer {
    /// 2xx.
    pub fn is_taken(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Not an address that can be posted to.
    #[error("{0}")]
    Url(BadUrl),
    /// Too slow.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// No connection, or it broke.
    #[error("{0}")]
    Broken(String),
}

/// Why an endpoint cannot be posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the URL of a webhook begins with http:// or https:// and has no user, no password and no fragment, at most 2,048 bytes in all"
)]
pub struct BadUrl;

/// The endpoint of a URL. Addresses of the own network are allowed: who may make webhooks runs the server.
pub fn endpoint(url: &str) -> Result<Uri, BadUrl> {
    let uri: Uri = url.parse().map_err(|_| BadUrl)?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri.authority().is_some_and(|authority| {
        // It would be in every log; what is secret is the secret.
        !authority.as_str().contains('@') && !authority.host().is_empty()
    });
    let plain = url.len() <= limits::WEBHOOK_URL_BYTES_MAX && !url.contains('#');
    if known && host && plain {
        Ok(uri)
    } else {
        Err(BadUrl)
    }
}

/// The HTTP client; its connections are kept for a while. Follows no redirect.
pub struct Poster {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    answer: Duration,
}

impl Poster {
    /// Trusts whom the system trusts.
    pub fn new(answer: Duration) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            tracing::warn!("this system names no certificate authorities: webhooks to https:// will fail");
        }
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(limits::WEBHOOK_CONNECT.min(answer)));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits::WEBHOOK_IDLE)
            .pool_max_idle_per_host(limits::WEBHOOK_DELIVERIES_PER_HOOK)
            .build(connector);
        Self { client, answer }
    }

    /// Sends it once.
    pub async fn send(&self, parcel: Parcel<'_>) -> Result<Answer, NoAnswer> {
        let uri = endpoint(parcel.url).map_err(NoAnswer::Url)?;
        let signature = signature(parcel.secret, clock::now_ms() / 1_000, &parcel.body);
        let mut request = Request::new(Full::new(parcel.body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let ours = HeaderValue::from_static;
        let text = |text: &str| HeaderValue::from_str(text).expect("digits, letters and signs");
        request.headers_mut().extend([
            (header::CONTENT_TYPE, ours("application/json")),
            (
                header::USER_AGENT,
                ours(concat!("thexr/", env!("CARGO_PKG_VERSION"))),
            ),
            (HeaderName::from_static("thexr-signature"), text(&signature)),
            (HeaderName::from_static("thexr-delivery"), text(parcel.delivery)),
            (
                HeaderName::from_static("thexr-attempt"),
                HeaderValue::from(parcel.attempt),
            ),
        ]);
        let started = Instant::now();
        let answered = tokio::time::timeout(self.answer, self.client.request(request)).await;
        let (head, mut body) = match answered {
            Err(_) => return Err(NoAnswer::Timeout(self.answer)),
            Ok(Err(error)) => return Err(NoAnswer::Broken(causes(&error))),
            Ok(Ok(answer)) => answer.into_parts(),
        };
        let took = started.elapsed();
        // Read so that the connection can be used again; what is long or slow costs its connection instead.
        let read = async {
            let mut left = limits::WEBHOOK_ANSWER_BYTES_MAX;
            while let (1.., Some(Ok(frame))) = (left, body.frame().await) {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            }
        };
        let _ = tokio::time::timeout(self.answer.saturating_sub(took), read).await;
        Ok(Answer {
            status: head.status.as_u16(),
            retry_after: retry_after(&head.headers, SystemTime::now()),
            took,
        })
    }
}

/// An error's causes, the last of which says most.
fn causes(error: &dyn std::error::Error) -> String {
    let mut said = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        said.push(cause.to_string());
        next = cause.source();
    }
    if said.is_empty() {
        said.push(error.to_string());
    }
    said.dedup();
    let text = said.join(": ");
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wished = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).ok()?,
    };
    Some(wished.min(limits::WEBHOOK_RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SPEC N1.
    #[test]
    fn endpoints_are_http_and_carry_no_password() {
        for good in [
            "http://localhost:9000",
            "https://example.com/hook?key=1",
            "http://[::1]:9/x",
            "http://10.0.0.7/x",
        ] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        let long = format!("http://a/{}", "x".repeat(limits::WEBHOOK_URL_BYTES_MAX));
        for bad in [
            "",
            "example.com",
            "/hook",
            "ftp://example.com",
            "file:///etc/passwd",
            "http://",
            "http://ada:secret@example.com",
            "http://example.com/#part",
            "http://exa mple.com",
            "http://example.com/\r\nX: y",
            &long,
        ] {
            assert_eq!(endpoint(bad), Err(BadUrl), "{bad}");
        }
    }

    /// SPEC N5.
    #[test]
    fn retry_after_is_seconds_or_a_date_and_at_most_an_hour() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for (text, seconds) in [
            ("7", Some(7)),
            ("86400", Some(3_600)),
            ("Tue, 14 Nov 2023 22:13:50 GMT", Some(30)),
            ("Tue, 14 Nov 2023 22:13:00 GMT", None),
            ("soon", None),
            ("-1", None),
        ] {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, text.parse().expect("a value"))]);
            assert_eq!(
                retry_after(&headers, now),
                seconds.map(Duration::from_secs),
                "{text}"
            );
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
