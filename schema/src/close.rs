//! Owns the ways a socket ends; must not know sockets. Follows y-websocket 3.1: a client does not come back
//! after 4400–4499 and comes back later after 4500–4599 (SPEC K1–K3).

use std::fmt;

/// Why a socket was closed: what goes into the close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Close {
    /// The WebSocket close code.
    pub code: u16,
    /// A word for programs and logs, at most 123 bytes.
    pub reason: &'static str,
}

impl Close {
    /// True when a client may come back with the same token and the same bytes.
    pub const fn is_retryable(self) -> bool {
        !(self.code >= 4400 && self.code <= 4499)
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.reason)
    }
}

macro_rules! closes {
    ($($(#[$doc:meta])* $name:ident = $code:literal $reason:literal;)*) => {
        $($(#[$doc])* pub const $name: Close = Close { code: $code, reason: $reason };)*
        /// Every close the server may send, in the order of the codes.
        pub const ALL: &[Close] = &[$($name),*];
    };
}

closes! {
    /// The peer broke RFC 6455.
    PROTOCOL_ERROR = 1002 "protocol_error";
    /// A text frame: both channels are binary.
    TEXT = 1003 "text";
    /// A message above [`crate::limits::WS_MESSAGE_BYTES_MAX`]; the client uses HTTP and keeps its data.
    MESSAGE_TOO_BIG = 1009 "message_too_big";
    /// The server goes down in order; come back at once, with jitter.
    RESTART = 1012 "restart";
    /// The server cannot take this now; come back with backoff.
    TRY_LATER = 1013 "try_later";
    /// Bytes the scanner or the frame reader refused; the same bytes will be refused again.
    BAD_MESSAGE = 4400 "bad_message";
    /// No token, or a bad, expired or revoked one; a new token may come back.
    TOKEN = 4401 "token";
    /// A good token that does not open this space, or may not write.
    FORBIDDEN = 4403 "forbidden";
    /// There is no such space and this client may not make it.
    NO_SPACE = 4404 "no_space";
    /// A client id was used for two different edits; make a new document id and start again.
    CLIENT_ID_REUSED = 4409 "client_id_reused";
    /// A newer connection of the same member took this one's place.
    REPLACED = 4410 "replaced";
    /// An administrator removed this member.
    KICKED = 4411 "kicked";
    /// The client's copy is of a history that the space has no more; it must not be merged into this one.
    EPOCH_CHANGED = 4412 "epoch_changed";
    /// The edit does not fit the space's limits.
    TOO_LARGE = 4413 "too_large";
    /// The client's protocol is too old.
    PROTOCOL_TOO_OLD = 4426 "protocol_too_old";
    /// Too many sockets, spaces or bytes on this node.
    OVERLOADED = 4503 "overloaded";
    /// The commit failed; nothing was acknowledged, send again later.
    STORAGE = 4507 "storage";
    /// The reader did not keep up; come back and sync by state vector.
    SLOW_CONSUMER = 4508 "slow_consumer";
    /// The update needs edits the server has not seen; come back and sync.
    UPDATE_GAP = 4509 "update_gap";
    /// Too many messages; come back slower.
    RATE_LIMITED = 4529 "rate_limited";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SPEC K1, K2, K3.
    #[test]
    fn close_codes_are_ordered_short_and_say_whether_to_come_back() {
        assert!(ALL.windows(2).all(|w| matches!(w, [a, b] if a.code < b.code)));
        for close in ALL {
            assert!(close.reason.len() <= crate::limits::CLOSE_REASON_BYTES_MAX);
            assert!(
                close.reason.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{close}"
            );
            assert_eq!(
                close.is_retryable(),
                !(4400..=4499).contains(&close.code),
                "{close}"
            );
        }
    }
}
