//! The WebSocket handshake (RFC 6455 §4.2): what a request must carry, and the answer.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use base64::Engine;
use sha1::{Digest, Sha1};

/// Our subprotocol on `/sync` (that of `/presence` is [`thexr_schema::presence::SUBPROTOCOL`]). A client that offers it learns of faults by close code; others by HTTP status.
pub const SUBPROTOCOL: &str = "thexr.v1";

/// Why a request cannot be upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoUpgrade {
    /// Not a WebSocket request, or not a whole one: 400.
    Malformed(&'static str),
    /// Another version of the protocol: 426.
    Version,
}

/// A request that may be upgraded.
#[derive(Debug)]
pub struct Offer {
    accept: HeaderValue,
    /// It offered our subprotocol.
    pub ours: bool,
    protocol: &'static str,
}

impl Offer {
    /// Checks method, version and headers; `protocol` is the subprotocol of this path.
    pub fn read(
        method: &Method,
        version: Version,
        headers: &HeaderMap,
        protocol: &'static str,
    ) -> Result<Self, NoUpgrade> {
        if method != Method::GET || version != Version::HTTP_11 {
            return Err(NoUpgrade::Malformed("a WebSocket request is a GET in HTTP/1.1"));
        }
        if !has_token(headers, &header::CONNECTION, "upgrade")
            || !has_token(headers, &header::UPGRADE, "websocket")
        {
            return Err(NoUpgrade::Malformed(
                "this path is a WebSocket: send Connection: Upgrade",
            ));
        }
        if headers
            .get(header::SEC_WEBSOCKET_VERSION)
            .is_none_or(|v| v != "13")
        {
            return Err(NoUpgrade::Version);
        }
        let key = headers
            .get(header::SEC_WEBSOCKET_KEY)
            .filter(|key| key.len() == 24);
        let key = key.ok_or(NoUpgrade::Malformed(
            "Sec-WebSocket-Key is missing or not 16 bytes of base64",
        ))?;
        let mut hash = Sha1::new();
        hash.update(key.as_bytes());
        // The fixed string of RFC 6455 §1.3.
        hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let accept = base64::engine::general_purpose::STANDARD.encode(hash.finalize());
        let accept = HeaderValue::from_str(&accept).map_err(|_| NoUpgrade::Malformed("Sec-WebSocket-Key"))?;
        Ok(Self {
            accept,
            ours: has_token(headers, &header::SEC_WEBSOCKET_PROTOCOL, protocol),
            protocol,
        })
    }

    /// The 101 answer. No extension is ever agreed to; of the subprotocols only ours is echoed.
    pub fn response(&self) -> axum::response::Response {
        let mut response = axum::response::Response::new(axum::body::Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        if self.ours {
            headers.insert(
                header::SEC_WEBSOCKET_PROTOCOL,
                HeaderValue::from_static(self.protocol),
            );
        }
        response
    }
}

/// True when a comma-separated header has this token, in any case.
fn has_token(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
    values
        .flat_map(|v| v.split(','))
        .any(|t| t.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    header::HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    #[test]
    fn the_accept_value_is_that_of_the_rfc() {
        let offer = Offer::read(&Method::GET, Version::HTTP_11, &headers(&GOOD), SUBPROTOCOL).expect("good");
        let response = offer.response();
        assert_eq!(
            response.headers()["sec-websocket-accept"],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert!(!response.headers().contains_key("sec-websocket-protocol"));
    }

    #[test]
    fn only_our_subprotocol_is_echoed() {
        let mut all = headers(&GOOD);
        all.insert(
            "sec-websocket-protocol",
            HeaderValue::from_static("thexr.auth.secret, thexr.v1"),
        );
        let response = Offer::read(&Method::GET, Version::HTTP_11, &all, SUBPROTOCOL)
            .expect("good")
            .response();
        assert_eq!(response.headers()["sec-websocket-protocol"], "thexr.v1");
    }

    #[test]
    fn what_is_missing_is_said() {
        for (i, (name, _)) in GOOD.iter().enumerate() {
            let mut some = GOOD.to_vec();
            some.remove(i);
            assert!(
                Offer::read(&Method::GET, Version::HTTP_11, &headers(&some), SUBPROTOCOL).is_err(),
                "without {name}"
            );
        }
        assert!(Offer::read(&Method::GET, Version::HTTP_10, &headers(&GOOD), SUBPROTOCOL).is_err());
        assert!(Offer::read(&Method::POST, Version::HTTP_11, &headers(&GOOD), SUBPROTOCOL).is_err());
    }
}
