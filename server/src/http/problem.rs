//! What went wrong, as HTTP says it (RFC 9457) and as a close code says it.

use crate::space::Trouble;
use crate::space::doc::Refused;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use thexr_schema::close::{self, Close};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:ident $text:literal;)*) => {
        /// Every kind of problem; the text is stable and is what programs see.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// The code in snake case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// The status line it comes with.
            pub const fn status(self) -> StatusCode {
                match self { $(Code::$name => StatusCode::$status,)* }
            }
        }
    };
}

codes! {
    /// Not readable as HTTP or as a path.
    BadRequest = BAD_REQUEST "bad_request";
    /// A space id that breaks SPEC D1.
    BadSpaceId = BAD_REQUEST "bad_space_id";
    /// An entity id that breaks SPEC D2.
    BadEntityId = BAD_REQUEST "bad_entity_id";
    /// A component name that breaks SPEC D3.
    BadComponentName = BAD_REQUEST "bad_component_name";
    /// A display name that is empty, too long or has control characters.
    BadName = BAD_REQUEST "bad_name";
    /// A query parameter that is unknown or out of range.
    BadQuery = BAD_REQUEST "bad_query";
    /// A body that is not the JSON this request takes.
    BadJson = BAD_REQUEST "bad_json";
    /// An update that breaks the rules U of the SPEC.
    BadUpdate = BAD_REQUEST "bad_update";
    /// Not an address that a webhook can have.
    BadUrl = BAD_REQUEST "bad_url";
    /// Not a WebSocket request where one is needed.
    NoUpgrade = BAD_REQUEST "no_upgrade";
    /// No token, or not the right one.
    BadToken = UNAUTHORIZED "bad_token";
    /// A Host that is not ours: somebody's name points at this machine.
    BadHost = FORBIDDEN "bad_host";
    /// The page of another site.
    BadOrigin = FORBIDDEN "bad_origin";
    /// No such path, entity or component.
    NotFound = NOT_FOUND "not_found";
    /// No such space.
    NoSpace = NOT_FOUND "no_space";
    /// A moment that is not kept any more, or has not come yet.
    NotKept = NOT_FOUND "not_kept";
    /// The path is there, the method is not.
    MethodNotAllowed = METHOD_NOT_ALLOWED "method_not_allowed";
    /// None of the forms asked for.
    NotAcceptable = NOT_ACCEPTABLE "not_acceptable";
    /// The id is taken.
    Exists = CONFLICT "exists";
    /// A compaction of this space is under way.
    AlreadyCompacting = CONFLICT "already_compacting";
    /// The update builds on edits the server does not have.
    UpdateGap = CONFLICT "update_gap";
    /// The update gives other content to known clocks.
    ClientIdReused = CONFLICT "client_id_reused";
    /// The space is at one of its limits.
    SpaceFull = CONFLICT "space_full";
    /// The server has as many webhooks as it may have.
    TooManyWebhooks = CONFLICT "too_many_webhooks";
    /// If-Match names a state that the space is not in.
    Changed = PRECONDITION_FAILED "changed";
    /// The update is of a history that the space has no more.
    EpochChanged = PRECONDITION_FAILED "epoch_changed";
    /// The body is over the limit.
    BodyTooLarge = PAYLOAD_TOO_LARGE "body_too_large";
    /// The body is of another type, or encoded.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type";
    /// A component that breaks SPEC D3–D5.
    InvalidComponent = UNPROCESSABLE_ENTITY "invalid_component";
    /// WebSocket in another version.
    WebsocketVersion = UPGRADE_REQUIRED "websocket_version";
    /// A bug.
    Internal = INTERNAL_SERVER_ERROR "internal";
    /// The stored rows of the space are damaged.
    Damaged = INTERNAL_SERVER_ERROR "damaged";
    /// The space is being loaded again.
    Restarting = SERVICE_UNAVAILABLE "restarting";
    /// Too much at once.
    Busy = SERVICE_UNAVAILABLE "busy";
    /// The server is going down.
    Stopping = SERVICE_UNAVAILABLE "stopping";
    /// The database does not answer.
    Storage = SERVICE_UNAVAILABLE "storage";
    /// The answer took too long.
    Timeout = SERVICE_UNAVAILABLE "timeout";
    /// No room on the disk.
    DiskFull = INSUFFICIENT_STORAGE "disk_full";
}

/// An error answer. The body is written by [`super::layers::around`], which knows the request's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind; gives the status too.
    pub code: Code,
    /// One or two sentences for people; never holds internals.
    pub detail: String,
    /// What happened inside, for the log only.
    pub cause: Option<String>,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            cause: None,
        }
    }

    /// What an error says, as a sentence. It may quote what was sent, so it is cut.
    pub fn said(code: Code, error: impl std::fmt::Display) -> Self {
        let text: String = error.to_string().chars().take(300).collect();
        Self::new(code, format!("{}.", capital(&text)))
    }

    /// 404 for a path.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "There is nothing here.")
    }

    /// When to try again, for what passes.
    pub fn retry_after_ms(&self) -> Option<u64> {
        (self.code.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(1_000)
    }

    /// Writes the problem into an answer that has none of its own, keeping the headers it already has.
    pub fn write(self, response: &mut Response, request_id: &str) {
        let status = self.code.status();
        let retry_after_ms = self.retry_after_ms();
        let body = thexr_schema::api::Problem {
            kind: "about:blank".into(),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            detail: self.detail,
            code: self.code.as_str().into(),
            request_id: request_id.into(),
            retry_after_ms,
        };
        let body = serde_json::to_vec(&body).expect("strings and numbers are JSON");
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        if let Some(ms) = retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
        }
        match self.code {
            Code::BadToken => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Code::WebsocketVersion => {
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            _ => {}
        }
        *response.body_mut() = Body::from(body);
    }
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        let said = format!("{}.", capital(&trouble.to_string()));
        let mut cause = None;
        let (code, detail) = match trouble {
            Trouble::Gone => (Code::NoSpace, "There is no space with this id.".into()),
            Trouble::NoEntity | Trouble::NoComponent | Trouble::NoMember => (Code::NotFound, said),
            Trouble::Full => (Code::DiskFull, said),
            Trouble::AlreadyCompacting => (Code::AlreadyCompacting, said),
            Trouble::Exists => (Code::Exists, said),
            Trouble::Changed => (
                Code::Changed,
                "The space is not as If-Match says: read again what you want to change.".into(),
            ),
            Trouble::NotKept { .. } => (Code::NotKept, said),
            Trouble::Invalid(_) => (Code::InvalidComponent, said),
            Trouble::TooLarge(_) => (Code::SpaceFull, said),
            Trouble::Refused(Refused::Gap) => (
                Code::UpdateGap,
                format!("{said} Send the whole document as one update."),
            ),
            Trouble::Refused(Refused::Reused) => (
                Code::ClientIdReused,
                format!("{said} Make a new document, copy the content over and send that."),
            ),
            Trouble::Refused(Refused::Misplaced) => (Code::BadUpdate, said),
            Trouble::Refused(Refused::Broken(why)) => {
                cause = Some(why);
                (Code::BadUpdate, "The update cannot be applied.".into())
            }
            Trouble::Restarting => (Code::Restarting, said),
            Trouble::Busy => (Code::Busy, said),
            Trouble::Damaged(why) => {
                cause = Some(why);
                (
                    Code::Damaged,
                    "The stored data of this space is damaged. It is kept as it is; run thexr fsck.".into(),
                )
            }
            Trouble::Database(why) => {
                cause = Some(why);
                (Code::Storage, "The database does not answer.".into())
            }
        };
        Self { code, detail, cause }
    }
}

impl From<crate::store::StoreError> for Problem {
    fn from(error: crate::store::StoreError) -> Self {
        Trouble::from(error).into()
    }
}

/// A sentence made of what an error says.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

/// The close code for a trouble, for clients that learn of it by one.
pub fn close_of(trouble: &Trouble) -> Close {
    match trouble {
        Trouble::Gone
        | Trouble::NoEntity
        | Trouble::NoComponent
        | Trouble::NoMember
        | Trouble::NotKept { .. } => close::NO_SPACE,
        Trouble::Full | Trouble::Damaged(_) | Trouble::Database(_) => close::STORAGE,
        Trouble::Restarting => close::RESTART,
        Trouble::Busy | Trouble::AlreadyCompacting => close::TRY_LATER,
        Trouble::Refused(_) | Trouble::Exists | Trouble::Changed | Trouble::Invalid(_) => close::BAD_MESSAGE,
        Trouble::TooLarge(_) => close::TOO_LARGE,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
