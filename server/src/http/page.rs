//! The web page: what is embedded, in the form the browser takes. A path that is not there is a 404, never the page.

use super::etag;
use super::problem::{Code, Problem};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use thexr_embed::{Asset, asset};

/// What the page may do: its own scripts, styles, workers and connections, nothing inline, nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// Everything that is no route.
pub async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let Some(asset) = asset(uri.path()) else {
        return Problem::not_found().into_response();
    };
    if !matches!(method, Method::GET | Method::HEAD) {
        let problem = Problem::new(Code::MethodNotAllowed, "The page's files can only be read.");
        return ([(header::ALLOW, "GET,HEAD")], problem).into_response();
    }
    let (bytes, encoding) = form(asset, &headers);
    // Each form has a tag of its own: a cache must not answer one with the other.
    let tag = match encoding {
        Some(encoding) => format!("{}-{encoding}\"", asset.etag.trim_end_matches('"')),
        None => asset.etag.to_owned(),
    };
    let mut response = if etag::matches(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        bytes.into_response()
    };
    let out = response.headers_mut();
    let fixed = HeaderValue::from_static;
    out.insert(header::CONTENT_TYPE, fixed(asset.content_type));
    out.insert(header::VARY, fixed("accept-encoding"));
    if let Some(encoding) = encoding {
        out.insert(header::CONTENT_ENCODING, fixed(encoding));
    }
    out.insert(
        header::CACHE_CONTROL,
        fixed(if asset.immutable {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        }),
    );
    if asset.content_type.starts_with("text/html") {
        out.insert(header::CONTENT_SECURITY_POLICY, fixed(POLICY));
        out.insert("cross-origin-opener-policy", fixed("same-origin"));
    }
    etag::tagged(&tag, response)
}

/// The smallest form the browser takes, and its Content-Encoding.
fn form(asset: &'static Asset, headers: &HeaderMap) -> (&'static [u8], Option<&'static str>) {
    [("br", asset.brotli), ("gzip", asset.gzip)]
        .into_iter()
        .find_map(|(name, bytes)| Some((bytes.filter(|_| takes(headers, name))?, Some(name))))
        .unwrap_or((asset.bytes, None))
}

/// True when Accept-Encoding names this one with a weight above zero.
fn takes(headers: &HeaderMap, encoding: &str) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter();
    lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .any(|item| {
            let mut parts = item.split(';').map(str::trim);
            parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case(encoding))
                && parts
                    .find_map(|part| part.strip_prefix("q="))
                    .is_none_or(|q| q.parse::<f32>().is_ok_and(|q| q > 0.0))
        })
}
