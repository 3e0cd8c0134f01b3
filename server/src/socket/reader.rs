//! WebSocket frames from the peer (RFC 6455 §5): unmasked, joined, limited. Total: no input panics, and nothing is
//! allocated for a length before that many bytes have come.

use crate::limits;
use crate::wire::opcode;
use bytes::Bytes;
use thexr_schema::close::{self, Close};
use thexr_schema::limits::WS_MESSAGE_BYTES_MAX;

/// What the peer said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A whole binary message.
    Message(Bytes),
    /// Wants a pong with the same bytes.
    Ping(Bytes),
    /// Answers our ping.
    Pong,
    /// Closes; the code to answer with.
    Close(u16),
}

/// Bytes that are not a whole frame yet, and frames that are not a whole message.
#[derive(Default)]
pub(super) struct Reader {
    partial: Vec<u8>,
    message: Vec<u8>,
    fragments: u32,
}

struct Header {
    fin: bool,
    op: u8,
    len: usize,
    mask: [u8; 4],
    /// Where the payload begins.
    start: usize,
}

impl Reader {
    /// Takes in bytes and appends what they complete. After an error the connection is over.
    pub fn take(&mut self, bytes: &[u8], out: &mut Vec<Item>) -> Result<(), Close> {
        if self.partial.is_empty() {
            let used = self.frames(bytes, out)?;
            self.partial.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(bytes);
        let used = self.frames(&partial, out)?;
        // An idle connection keeps no buffer: what is left moves to one of its own size.
        self.partial = if used == 0 {
            partial
        } else {
            partial[used..].to_vec()
        };
        Ok(())
    }

    /// Takes whole frames off the front; gives how many bytes they were.
    fn frames(&mut self, bytes: &[u8], out: &mut Vec<Item>) -> Result<usize, Close> {
        let mut used = 0;
        while let Some(header) = header(&bytes[used..])? {
            self.admit(&header)?;
            let start = used + header.start;
            let Some(payload) = bytes.get(start..start + header.len) else {
                break;
            };
            used = start + header.len;
            self.frame(&header, payload, out)?;
        }
        Ok(used)
    }

    /// Refuses by the header alone, before the payload is waited for.
    fn admit(&self, header: &Header) -> Result<(), Close> {
        match header.op {
            opcode::CLOSE | opcode::PING | opcode::PONG => {
                if !header.fin || header.len > 125 {
                    return Err(close::PROTOCOL_ERROR);
                }
            }
            opcode::TEXT => return Err(close::TEXT),
            opcode::BINARY if self.fragments > 0 => return Err(close::PROTOCOL_ERROR),
            opcode::CONTINUATION if self.fragments == 0 => return Err(close::PROTOCOL_ERROR),
            opcode::BINARY | opcode::CONTINUATION => {
                if self.message.len() + header.len > WS_MESSAGE_BYTES_MAX
                    || self.fragments >= limits::FRAGMENTS_MAX
                {
                    return Err(close::MESSAGE_TOO_BIG);
                }
            }
            _ => return Err(close::PROTOCOL_ERROR),
        }
        Ok(())
    }

    fn frame(&mut self, header: &Header, payload: &[u8], out: &mut Vec<Item>) -> Result<(), Close> {
        let mut plain = payload.to_vec();
        unmask(&mut plain, header.mask);
        match header.op {
            opcode::PING => out.push(Item::Ping(plain.into())),
            opcode::PONG => out.push(Item::Pong),
            opcode::CLOSE => out.push(Item::Close(closing(&plain))),
            _ if header.fin && self.fragments == 0 => out.push(Item::Message(plain.into())),
            _ => {
                self.message.append(&mut plain);
                self.fragments += 1;
                if header.fin {
                    self.fragments = 0;
                    out.push(Item::Message(std::mem::take(&mut self.message).into()));
                }
            }
        }
        Ok(())
    }
}

/// Four bytes at a time, which the compiler turns into wider steps.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let mut words = payload.chunks_exact_mut(4);
    for word in &mut words {
        word.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
    words
        .into_remainder()
        .iter_mut()
        .zip(mask)
        .for_each(|(byte, mask)| *byte ^= mask);
}

/// Reads a header; none when more bytes are needed.
fn header(bytes: &[u8]) -> Result<Option<Header>, Close> {
    let &[first, second, ..] = bytes else {
        return Ok(None);
    };
    // Reserved bits are extensions, and we never agree to one; a client must mask.
    if first & 0x70 != 0 || second & 0x80 == 0 {
        return Err(close::PROTOCOL_ERROR);
    }
    let (len, at) = match second & 0x7F {
        126 => {
            let Some(&[a, b]) = bytes.get(2..4).and_then(|b| b.first_chunk()) else {
                return Ok(None);
            };
            (u64::from(u16::from_be_bytes([a, b])), 4)
        }
        127 => {
            let Some(long) = bytes.get(2..10).and_then(|b| b.first_chunk::<8>()) else {
                return Ok(None);
            };
            (u64::from_be_bytes(*long), 10)
        }
        short => (u64::from(short), 2),
    };
    let len = usize::try_from(len)
        .ok()
        .filter(|len| *len <= WS_MESSAGE_BYTES_MAX)
        .ok_or(close::MESSAGE_TOO_BIG)?;
    let Some(mask) = bytes.get(at..at + 4).and_then(|b| b.first_chunk::<4>()) else {
        return Ok(None);
    };
    Ok(Some(Header {
        fin: first & 0x80 != 0,
        op: first & 0x0F,
        len,
        mask: *mask,
        start: at + 4,
    }))
}

/// The code to answer a close frame with: its own, or 1002 when it is not one a peer may send (§7.4).
fn closing(payload: &[u8]) -> u16 {
    match payload {
        [] => 1000,
        [a, b, reason @ ..] => {
            let code = u16::from_be_bytes([*a, *b]);
            let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            if allowed && std::str::from_utf8(reason).is_ok() {
                code
            } else {
                1002
            }
        }
        [_] => 1002,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [1, 2, 3, 4];

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![first];
        match payload.len() {
            n @ 0..126 => out.push(0x80 | n as u8),
            n @ 126..=0xFFFF => out.extend([&[0x80 | 126][..], &(n as u16).to_be_bytes()].concat()),
            n => out.extend([&[0x80 | 127][..], &(n as u64).to_be_bytes()].concat()),
        }
        out.extend(MASK);
        out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
        out
    }

    /// Feeds `bytes` in pieces of `step`.
    fn read(bytes: &[u8], step: usize) -> Result<Vec<Item>, u16> {
        let (mut reader, mut out) = (Reader::default(), Vec::new());
        for piece in bytes.chunks(step) {
            reader.take(piece, &mut out).map_err(|close| close.code)?;
        }
        Ok(out)
    }

    #[test]
    fn messages_come_out_the_same_however_the_bytes_are_cut() {
        let long = vec![7u8; 70_000];
        let bytes = [
            frame(0x82, b"one"),
            frame(0x89, b"hi"),
            frame(0x02, b"t"),
            frame(0x8A, b""),
            frame(0x00, b"w"),
            frame(0x80, b"o"),
            frame(0x82, &long),
            frame(0x82, b""),
            frame(0x88, &1001u16.to_be_bytes()),
        ]
        .concat();
        let expected = [
            Item::Message(Bytes::from_static(b"one")),
            Item::Ping(Bytes::from_static(b"hi")),
            Item::Pong,
            Item::Message(Bytes::from_static(b"two")),
            Item::Message(long.into()),
            Item::Message(Bytes::new()),
            Item::Close(1001),
        ];
        for step in [1, 2, 3, 7, 1_000, bytes.len()] {
            assert_eq!(
                read(&bytes, step).as_deref(),
                Ok(&expected[..]),
                "in steps of {step}"
            );
        }
    }

    /// SPEC W rules; corpus rows 38 to 46.
    #[test]
    fn what_breaks_the_protocol_is_refused_by_its_header() {
        let mut unmasked = frame(0x82, b"x");
        unmasked[1] &= 0x7F;
        let huge = [&[0x82, 0xFF][..], &(1u64 << 63).to_be_bytes()].concat();
        let cases: [(&str, Vec<u8>, u16); 10] = [
            ("text", frame(0x81, b"x"), 1003),
            ("unmasked", unmasked, 1002),
            ("reserved bit", frame(0xC2, b"x"), 1002),
            ("unknown opcode", frame(0x83, b"x"), 1002),
            ("2^63 bytes", huge, 1009),
            ("long ping", frame(0x89, &[0; 126]), 1002),
            ("fragmented ping", frame(0x09, b""), 1002),
            ("continuation of nothing", frame(0x80, b"x"), 1002),
            (
                "message within a message",
                [frame(0x02, b"x"), frame(0x82, b"x")].concat(),
                1002,
            ),
            (
                "one byte at a time",
                frame(0x02, b"x")
                    .into_iter()
                    .chain(frame(0, b"x").repeat(5_000))
                    .collect(),
                1009,
            ),
        ];
        for (name, bytes, code) in cases {
            assert_eq!(read(&bytes, bytes.len()), Err(code), "{name}");
        }
        for (payload, code) in [
            (&[3, 0xE7][..], 1002),
            (&[3, 0xED], 1002),
            (&[9], 1002),
            (&[], 1000),
        ] {
            assert_eq!(
                read(&frame(0x88, payload), 99),
                Ok(vec![Item::Close(code)]),
                "{payload:?}"
            );
        }
    }
}
