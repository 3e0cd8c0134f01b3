//! What handlers take in: names from the path, the query, bodies. Everything that does not fit is a problem with a
//! code.

use super::problem::{Code, Problem};
use crate::limits;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use rand::RngExt;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::Value;
use std::collections::HashSet;
use std::fmt;
use thexr_schema::ids::{EntityId, SpaceId, component_name_ok};
use thexr_schema::limits::BULK_UPDATE_BYTES_MAX;

/// `{space}` of the path.
pub struct InSpace(pub SpaceId);

/// `{space}` and `{entity}` of the path.
pub struct InEntity(pub SpaceId, pub EntityId);

/// `{space}` and `{member}` of the path.
pub struct InMember(pub SpaceId, pub String);

/// `{webhook}` of the path.
pub struct InWebhook(pub String);

/// `{space}`, `{entity}` and `{component}` of the path.
pub struct InComponent(pub SpaceId, pub EntityId, pub String);

/// The query; a parameter that is not known is a mistake and said so.
pub struct Query<T>(pub T);

/// A JSON object as body.
pub struct Json<T>(pub T);

/// Any JSON as body.
pub struct AnyJson(pub Value);

/// An update as it goes over the wire.
pub struct UpdateBytes(pub Bytes);

/// The parameters of the path, percent-decoded.
async fn params<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<RawPathParams, Problem> {
    RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|_| Problem::new(Code::BadRequest, "The path is not UTF-8."))
}

fn find<'a>(params: &'a RawPathParams, name: &str) -> &'a str {
    params
        .iter()
        .find(|(key, _)| *key == name)
        .map_or("", |(_, value)| value)
}

fn space(params: &RawPathParams) -> Result<SpaceId, Problem> {
    find(params, "space")
        .parse()
        .map_err(|e| Problem::said(Code::BadSpaceId, e))
}

/// An entity id from a path or a body.
pub fn entity_id(text: &str) -> Result<EntityId, Problem> {
    text.parse().map_err(|e| Problem::said(Code::BadEntityId, e))
}

impl<S: Send + Sync> FromRequestParts<S> for InSpace {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(space(&params(parts, state).await?)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InEntity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = params(parts, state).await?;
        Ok(Self(space(&params)?, entity_id(find(&params, "entity"))?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InMember {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = params(parts, state).await?;
        // One that is no id is nobody's: 404 like any other that is not there.
        Ok(Self(space(&params)?, find(&params, "member").to_owned()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InWebhook {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(find(&params(parts, state).await?, "webhook").to_owned()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InComponent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = params(parts, state).await?;
        let component = find(&params, "component");
        let (space, entity) = (space(&params)?, entity_id(find(&params, "entity"))?);
        if !component_name_ok(component) {
            let fault = thexr_schema::component::ComponentFault::Name;
            return Err(Problem::said(Code::BadComponentName, fault));
        }
        Ok(Self(space, entity, component.to_owned()))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejected| {
                // axum's own words first, then the parameter and what is wrong with it.
                let text = rejected.body_text();
                let said = text
                    .rsplit_once("query string: ")
                    .map_or(&*text, |(_, said)| said);
                Problem::said(Code::BadQuery, format!("in the query, {said}"))
            })
    }
}

/// An id for what is made without one.
pub fn random_id(letters: &[u8], len: usize) -> String {
    let mut random = rand::rng();
    (0..len)
        .map(|_| char::from(letters[random.random_range(0..letters.len())]))
        .collect()
}

/// How many items a page shall have.
pub fn page_len(limit: Option<usize>) -> Result<usize, Problem> {
    match limit.unwrap_or(limits::PAGE_LEN_DEFAULT) {
        len @ 1..=limits::PAGE_LEN_MAX => Ok(len),
        _ => Err(Problem::new(Code::BadQuery, "limit is 1 to 500.")),
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = json(request).await?;
        // serde reads a struct from an array of its fields too.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(bad_json("not an object"));
        }
        parse(&bytes).map(Self).map_err(bad_json)
    }
}

impl<S: Send + Sync> FromRequest<S> for AnyJson {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        parse(&json(request).await?).map(Self).map_err(bad_json)
    }
}

async fn json(request: Request) -> Result<Bytes, Problem> {
    const TYPES: &[&str] = &["application/json", "application/merge-patch+json"];
    body(request, TYPES, limits::HTTP_BODY_BYTES_MAX).await
}

fn bad_json(why: impl fmt::Display) -> Problem {
    // It may quote what was sent, so it is cut.
    let why: String = why.to_string().chars().take(200).collect();
    Problem::new(
        Code::BadJson,
        format!("The body is not the JSON this request takes: {why}."),
    )
}

impl<S: Send + Sync> FromRequest<S> for UpdateBytes {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        body(request, &["application/octet-stream"], BULK_UPDATE_BYTES_MAX)
            .await
            .map(Self)
    }
}

async fn body(request: Request, types: &[&str], max: usize) -> Result<Bytes, Problem> {
    let (parts, mut body) = request.into_parts();
    if let Some(problem) = wrong_type(&parts.headers, types) {
        discard(body).await;
        return Err(problem);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(Code::BadRequest, "The body ended early."))?;
        let data = frame.data_ref().map_or(&[][..], |data| data.as_ref());
        if bytes.len() + data.len() > max {
            discard(body).await;
            return Err(Problem::new(
                Code::BodyTooLarge,
                format!("A body of this request has at most {} KiB.", max >> 10),
            ));
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes.into())
}

/// Reads on for a moment without keeping anything: a connection that is closed with bytes unread is reset, and the
/// client would lose the answer.
async fn discard(mut body: Body) {
    let all = async {
        let mut left = limits::HTTP_DISCARD_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(limits::HTTP_DISCARD_TIME, all).await;
}

fn wrong_type(headers: &HeaderMap, types: &[&str]) -> Option<Problem> {
    let plain = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if !plain {
        return Some(Problem::new(
            Code::UnsupportedMediaType,
            "Send the body without Content-Encoding.",
        ));
    }
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|given| given.to_str().ok());
    let essence = given
        .and_then(|given| given.split(';').next())
        .unwrap_or_default()
        .trim();
    let fits = types.iter().any(|known| known.eq_ignore_ascii_case(essence));
    (!fits).then(|| {
        Problem::new(
            Code::UnsupportedMediaType,
            format!("Send the body as {}.", types.first().copied().unwrap_or_default()),
        )
    })
}

/// JSON as serde reads it, but a key that comes twice is an error: readers disagree about which one counts.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice::<DistinctKeys>(bytes)?;
    serde_json::from_slice(bytes)
}

/// Takes any JSON without a key that comes twice in one object, and keeps nothing.
struct DistinctKeys;

impl<'de> Deserialize<'de> for DistinctKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for DistinctKeys {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !keys.insert(key) {
                return Err(de::Error::custom("a key comes twice"));
            }
            map.next_value::<Self>()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Corpus rows 95, 96, 97, 100, 101, 106, 107.
    #[test]
    fn what_is_not_strict_json_is_refused() {
        for good in [
            "{}",
            "-0",
            "[1,2.5e3,\"ü\\ud83d\\ude00\"]",
            "{\"a\":{\"a\":null}}",
            "true",
        ] {
            assert!(parse::<Value>(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "NaN",
            "1e999",
            "{\"a\":1,\"a\":1}",
            "[{\"b\":{\"a\":1,\"\\u0061\":2}}]",
            "\"\\ud800\"",
            "\u{feff}{}",
            "[1,]",
            "{} {}",
            "{'a':1}",
        ] {
            assert!(parse::<Value>(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse::<Value>(b"\"\xff\"").is_err(), "not UTF-8");
        assert!(parse::<Value>("[".repeat(200_000).as_bytes()).is_err(), "deep");
    }
}
