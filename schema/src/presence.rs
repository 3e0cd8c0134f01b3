//! Owns the messages of `/presence` (SPEC M): what a client says ([`up`]), what the server says ([`down`]), and
//! the pose record both carry ([`pose`]); must not know sockets, clocks or who is where.
//!
//! A message is the outer id 84, a length, and a payload whose first byte is its kind. A WebSocket message holds
//! one or more of them. Records in POSE and TICK have fixed sizes and little-endian numbers; everything else is
//! lib0's varints and texts.

pub mod down;
pub mod pose;
pub mod up;

pub use down::{Change, Dot, Down, Entry, Event, Reason, Said, Tick, Welcome};
pub use pose::{Hand, Joint, Pose, Record};
pub use up::{Hello, Up};

use crate::fault::{Fault, FaultCode};
use crate::frame::PRESENCE;
use crate::lib0::{Reader, write_bytes, write_var};
use crate::limits::{PRESENCE_KEY_BYTES_MAX, PRESENCE_SAY_BYTES_MAX, PRESENCE_TOPIC_BYTES_MAX};

/// The version of this protocol that HELLO and WELCOME carry.
pub const VERSION: u8 = 1;
/// The WebSocket subprotocol of `/presence`.
pub const SUBPROTOCOL: &str = "thexr.p1";
/// Bytes of a member id and of a resume token.
pub const ID_BYTES: usize = 16;

/// Sixteen random bytes that name a member or let it resume.
pub type Id = [u8; ID_BYTES];

/// A member id as text: 32 hexadecimal digits.
pub fn id_text(id: &Id) -> String {
    use std::fmt::Write;
    id.iter()
        .fold(String::with_capacity(2 * ID_BYTES), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The member id that [`id_text`] wrote.
pub fn id_of(text: &str) -> Option<Id> {
    if text.len() != 2 * ID_BYTES || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut id = Id::default();
    for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(id)
}

/// The payloads of one WebSocket message, in order. Ends after the first fault.
///
/// Errors: `empty_message`, `bad_message` (an outer id other than 84, or a payload without a kind) and those of
/// [`Reader`].
#[derive(Debug, Clone)]
pub struct Payloads<'a> {
    reader: Reader<'a>,
    open: bool,
}

impl<'a> Payloads<'a> {
    /// Reads a WebSocket message.
    pub const fn new(message: &'a [u8]) -> Payloads<'a> {
        Payloads {
            reader: Reader::new(message),
            open: true,
        }
    }

    fn read(&mut self) -> Result<&'a [u8], Fault> {
        let start = self.reader.pos();
        if self.reader.is_empty() {
            return Err(Fault::new(FaultCode::EmptyMessage, start));
        }
        if self.reader.var_u64()? != PRESENCE {
            return Err(Fault::new(FaultCode::BadMessage, start));
        }
        let payload = self.reader.bytes()?;
        if payload.is_empty() {
            return Err(Fault::new(FaultCode::BadMessage, start));
        }
        Ok(payload)
    }
}

impl<'a> Iterator for Payloads<'a> {
    type Item = Result<&'a [u8], Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.open || (self.reader.is_empty() && self.reader.pos() > 0) {
            return None;
        }
        let payload = self.read();
        self.open = payload.is_ok();
        Some(payload)
    }
}

/// A payload as a message: the outer id and the length in front.
pub fn message(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len().saturating_add(6));
    write_var(&mut out, PRESENCE);
    write_bytes(&mut out, payload);
    out
}

/// A text with a bound. Errors: `too_long` and those of [`Reader::str`].
fn text<'a>(reader: &mut Reader<'a>, bytes_max: usize) -> Result<&'a str, Fault> {
    let start = reader.pos();
    let text = reader.str()?;
    if text.len() > bytes_max {
        return Err(Fault::new(FaultCode::TooLong, start));
    }
    Ok(text)
}

/// What a member says, of SAY and SAID: topic, key, data. Errors: `too_long` and those of [`Reader`].
fn saying<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, &'a str, &'a [u8]), Fault> {
    let topic = text(reader, PRESENCE_TOPIC_BYTES_MAX)?;
    let key = text(reader, PRESENCE_KEY_BYTES_MAX)?;
    let start = reader.pos();
    let data = reader.bytes()?;
    if data.len() > PRESENCE_SAY_BYTES_MAX {
        return Err(Fault::new(FaultCode::TooLong, start));
    }
    Ok((topic, key, data))
}

pub(crate) fn u16(reader: &mut Reader<'_>) -> Result<u16, Fault> {
    reader.array().map(u16::from_le_bytes)
}

fn u32(reader: &mut Reader<'_>) -> Result<u32, Fault> {
    reader.array().map(u32::from_le_bytes)
}

/// A finite `f64`. Errors: `not_finite`, `truncated`.
pub(crate) fn f64(reader: &mut Reader<'_>) -> Result<f64, Fault> {
    let start = reader.pos();
    let value = reader.array().map(f64::from_le_bytes)?;
    if value.is_finite() {
        Ok(value)
    } else {
        Err(Fault::new(FaultCode::NotFinite, start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SPEC M2.
    #[test]
    fn several_messages_share_a_frame_and_a_fault_ends_it() {
        let both = [message(&[6]), message(&[4, 1])].concat();
        let read: Result<Vec<_>, _> = Payloads::new(&both).collect();
        assert_eq!(read, Ok(vec![&[6][..], &[4, 1][..]]));
        for (bytes, code) in [
            (&[][..], FaultCode::EmptyMessage),
            (&[0, 0], FaultCode::BadMessage),
            (&[84, 0], FaultCode::BadMessage),
            (&[84, 5, 1], FaultCode::Truncated),
        ] {
            let read: Vec<_> = Payloads::new(bytes).collect();
            assert!(
                matches!(read.as_slice(), [Err(fault)] if fault.code == code),
                "{bytes:?}: {read:?}"
            );
        }
    }

    #[test]
    fn an_id_survives_its_text() {
        let id: Id = std::array::from_fn(|i| i as u8 * 17);
        assert_eq!(id_of(&id_text(&id)), Some(id));
        for bad in ["", "00", &"g".repeat(32), &"é".repeat(16)] {
            assert_eq!(id_of(bad), None, "{bad}");
        }
    }
}
