//! Owns the messages of `/sync` (y-websocket plus 102) inside one WebSocket payload; must not know sockets or
//! what an update holds.

use crate::fault::{Fault, FaultCode};
use crate::lib0::{Reader, write_bytes, write_var};
use crate::limits::ACK_BYTES_MAX;

/// Outer id of the sync protocol (y-protocols).
pub const SYNC: u64 = 0;
/// Outer id of awareness (y-protocols).
pub const AWARENESS: u64 = 1;
/// Outer id of the auth protocol (y-protocols).
pub const AUTH: u64 = 2;
/// Outer id of a question for everybody's awareness (y-websocket).
pub const QUERY_AWARENESS: u64 = 3;
/// Outer id of presence frames; they belong to `/presence` and are skipped on `/sync`.
pub const PRESENCE: u64 = 84;
/// Outer id of the name of the space's history: text. Only a server says it, to who asks for it in the URL (SPEC W10).
pub const EPOCH: u64 = 105;
/// Outer id of the durable acknowledgement (the id and layout of Y-Sweet's client).
pub const ACK: u64 = 102;
/// Outer id of what steers a replay; it belongs to `/replay`.
pub const REPLAY: u64 = 103;

/// One message of a client or the server. Payloads are not scanned yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// A state vector: send me what I lack.
    SyncStep1(&'a [u8]),
    /// The answer to a SyncStep1: an update.
    SyncStep2(&'a [u8]),
    /// A live update.
    Update(&'a [u8]),
    /// Awareness states.
    Awareness(&'a [u8]),
    /// A permission message; only a server has reason to send one.
    Auth,
    /// Send me everybody's awareness.
    QueryAwareness,
    /// An opaque counter, echoed once everything before it is durable.
    Ack(&'a [u8]),
    /// An outer id nobody here knows, and the end of the payload (its length is unknown); 84 has a known length.
    Unknown(u64),
}

/// The messages of one WebSocket payload, in order. Ends after the first fault.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    /// What is left.
    reader: Reader<'a>,
    /// False once the payload is used up, faulty, or unreadable from here on.
    open: bool,
}

impl<'a> Messages<'a> {
    /// Reads a payload. An empty one yields one fault (SPEC W4).
    pub const fn new(payload: &'a [u8]) -> Messages<'a> {
        Messages {
            reader: Reader::new(payload),
            open: true,
        }
    }

    fn read(&mut self) -> Result<Message<'a>, Fault> {
        let start = self.reader.pos();
        let reader = &mut self.reader;
        Ok(match reader.var_u64()? {
            SYNC => match reader.var_u64()? {
                0 => Message::SyncStep1(reader.bytes()?),
                1 => Message::SyncStep2(reader.bytes()?),
                2 => Message::Update(reader.bytes()?),
                _ => return Err(Fault::new(FaultCode::BadMessage, start)),
            },
            AWARENESS => Message::Awareness(reader.bytes()?),
            AUTH => {
                if reader.var_u64()? != 0 {
                    return Err(Fault::new(FaultCode::BadMessage, start));
                }
                reader.str()?;
                Message::Auth
            }
            QUERY_AWARENESS => Message::QueryAwareness,
            ACK => {
                let payload = reader.bytes()?;
                if payload.len() > ACK_BYTES_MAX {
                    return Err(Fault::new(FaultCode::TooLong, start));
                }
                Message::Ack(payload)
            }
            PRESENCE => {
                reader.bytes()?;
                Message::Unknown(PRESENCE)
            }
            other => {
                self.open = false;
                Message::Unknown(other)
            }
        })
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.open {
            return None;
        }
        if self.reader.is_empty() {
            self.open = false;
            let nothing_read = self.reader.pos() == 0;
            return nothing_read.then_some(Err(Fault::new(FaultCode::EmptyMessage, 0)));
        }
        let message = self.read();
        self.open &= message.is_ok();
        Some(message)
    }
}

fn message(ids: &[u64], payload: &[u8]) -> Vec<u8> {
    // Two ids of one byte and a length of at most five.
    let mut out = Vec::with_capacity(payload.len().saturating_add(8));
    for id in ids {
        write_var(&mut out, *id);
    }
    write_bytes(&mut out, payload);
    out
}

/// A SyncStep1 with this state vector.
pub fn sync_step1(state_vector: &[u8]) -> Vec<u8> {
    message(&[SYNC, 0], state_vector)
}

/// A SyncStep2 with this update.
pub fn sync_step2(update: &[u8]) -> Vec<u8> {
    message(&[SYNC, 1], update)
}

/// A live update.
pub fn update(update: &[u8]) -> Vec<u8> {
    message(&[SYNC, 2], update)
}

/// An awareness message with this awareness update.
pub fn awareness(update: &[u8]) -> Vec<u8> {
    message(&[AWARENESS], update)
}

/// An acknowledgement with the client's own payload.
pub fn ack(payload: &[u8]) -> Vec<u8> {
    message(&[ACK], payload)
}

/// The name of the space's history.
pub fn epoch(epoch: &str) -> Vec<u8> {
    message(&[EPOCH], epoch.as_bytes())
}

/// A question for everybody's awareness.
pub fn query_awareness() -> Vec<u8> {
    vec![QUERY_AWARENESS as u8]
}
