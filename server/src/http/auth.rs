//! Who may ask: what a request must carry, as extractors in the signatures of handlers.

use super::problem::{Code, Problem};
use crate::App;
use crate::config::Config;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

/// The request carries the admin token. Without a token in the settings the admin endpoints do not exist.
pub struct Admin;

impl Admin {
    /// Judges the headers of a request.
    pub fn check(config: &Config, headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(token) = &config.admin_token else {
            return Err(Problem::not_found());
        };
        match bearer(headers) {
            Some(given) if token.matches(given) => Ok(Self),
            _ => Err(Problem::new(
                Code::BadToken,
                "This needs the admin token: Authorization: Bearer …",
            )),
        }
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Self::check(&app.config, &parts.headers)
    }
}

/// The token of the one Authorization header, when its scheme is Bearer.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (scheme, token) = given.next()?.to_str().ok()?.split_once(' ')?;
    let one = given.next().is_none();
    (one && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}
