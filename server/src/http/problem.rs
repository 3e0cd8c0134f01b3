//! What went wrong, as HTTP says it (RFC 9457) and as a close code says it.

use crate::space::Trouble;
use crate::space::doc::Refused;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use thexr_schema::close::{self, Close};

/// An error answer. `detail` is for people and never holds internals; `code` is for programs and stable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The status line.
    pub status: StatusCode,
    /// Stable, snake_case.
    pub code: &'static str,
    /// One or two sentences.
    pub detail: String,
    /// When to try again, for what passes.
    pub retry_after_ms: Option<u64>,
}

impl Problem {
    /// A problem that trying again does not mend.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retry_after_ms: None,
        }
    }

    /// 503, worth trying again in a second.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            retry_after_ms: Some(1_000),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
        }
    }

    /// 404 for a space.
    pub fn no_space() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no_space",
            "There is no space of this name.",
        )
    }

    /// 400 for something in the request.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        let detail = trouble.to_string();
        match trouble {
            Trouble::Gone => Self::no_space(),
            Trouble::Missing => Self::new(
                StatusCode::NOT_FOUND,
                "not_found",
                "There is no such entity or component.",
            ),
            Trouble::Full => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "disk_full",
                "The server's disk is full: reading works, writing does not.",
            ),
            Trouble::AlreadyCompacting => Self::new(StatusCode::CONFLICT, "already_compacting", detail),
            Trouble::Exists => Self::new(StatusCode::CONFLICT, "exists", detail),
            Trouble::Invalid(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_component", detail),
            Trouble::TooLarge(_) => Self::new(StatusCode::CONFLICT, "space_full", detail),
            Trouble::Refused(Refused::Gap) => Self::new(StatusCode::CONFLICT, "update_gap", detail),
            Trouble::Refused(Refused::Reused) => Self::new(StatusCode::CONFLICT, "client_id_reused", detail),
            Trouble::Refused(Refused::Broken(_)) => {
                Self::bad_request("bad_update", "The update cannot be applied.")
            }
            Trouble::Restarting => Self::unavailable("restarting", "The space is restarting."),
            Trouble::Busy => Self::unavailable("busy", "The space is too busy right now."),
            // The cause is in the log, under the request's id.
            Trouble::Damaged(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "damaged",
                "The stored data of this space is damaged. It is kept as it is; run thexr fsck.",
            ),
            Trouble::Database(_) => Self::unavailable("storage", "The database does not answer."),
        }
    }
}

/// The close code for a trouble, for clients that learn of it by one.
pub fn close_of(trouble: &Trouble) -> Close {
    match trouble {
        Trouble::Gone | Trouble::Missing => close::NO_SPACE,
        Trouble::Full | Trouble::Damaged(_) | Trouble::Database(_) => close::STORAGE,
        Trouble::Restarting => close::RESTART,
        Trouble::Busy | Trouble::AlreadyCompacting => close::TRY_LATER,
        Trouble::Refused(_) | Trouble::Exists | Trouble::Invalid(_) => close::BAD_MESSAGE,
        Trouble::TooLarge(_) => close::TOO_LARGE,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = thexr_schema::api::Problem {
            kind: "about:blank".into(),
            title: self.status.canonical_reason().unwrap_or("Error").into(),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code.into(),
            request_id: String::new(),
            retry_after_ms: self.retry_after_ms,
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(ms) = self.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
        }
        response
    }
}
