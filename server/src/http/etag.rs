//! Answers that need not be sent again: an ETag out, If-None-Match in; and edits for one state only: If-Match in. What a space holds is named by its epoch and
//! seq, `"<epoch>-<seq>"`, so a program that polls pays nothing while nothing happens.

use crate::space::{Condition, SpaceHandle, Trouble};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use thexr_schema::ids::Seq;

/// The ETag of what `space` holds at `seq`.
pub fn of(space: &SpaceHandle, seq: Seq) -> String {
    format!("\"{}-{seq}\"", space.epoch())
}

/// 304 without reading anything, when the client already has what the space holds now.
pub async fn unchanged(space: &SpaceHandle, headers: &HeaderMap) -> Result<Option<Response>, Trouble> {
    if !headers.contains_key(header::IF_NONE_MATCH) {
        return Ok(None);
    }
    let etag = of(space, space.stats().await?.seq);
    Ok(matches(headers, &etag).then(|| tagged(&etag, StatusCode::NOT_MODIFIED)))
}

/// An answer with its ETag.
pub fn tagged(etag: &str, response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    let value = HeaderValue::from_str(etag).expect("an ETag is hex, digits and quotes");
    response.headers_mut().insert(header::ETAG, value);
    response
}

/// What If-Match asks for. Compared strongly (RFC 9110 §13.1.1): a weak tag, or none of ours, never holds.
pub fn condition(space: &SpaceHandle, headers: &HeaderMap) -> Condition {
    if !headers.contains_key(header::IF_MATCH) {
        return Condition::Always;
    }
    let prefix = format!("\"{}-", space.epoch());
    let mut seqs = Vec::new();
    let lists = headers.get_all(header::IF_MATCH).iter();
    for tag in lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
    {
        let tag = tag.trim();
        if tag == "*" {
            return Condition::Exists;
        }
        let seq = tag.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix('"'));
        seqs.extend(seq.and_then(|seq| seq.parse().ok()).map(Seq));
    }
    Condition::At(seqs)
}

/// True when If-None-Match names this ETag (weakly, as RFC 9110 §13.1.2 wants it).
pub fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter();
    lists.filter_map(|list| list.to_str().ok()).any(|list| {
        list.trim() == "*"
            || list
                .split(',')
                .any(|tag| tag.trim().trim_start_matches("W/") == etag)
    })
}
