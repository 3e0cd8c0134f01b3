//! WebSocket framing of what we send. Bytes only: both the fan-out (which frames an update once for everyone) and
//! the socket use it; neither needs the other.

use bytes::{BufMut, Bytes, BytesMut};

/// Opcodes of RFC 6455 §5.2.
pub mod opcode {
    /// Continues a fragmented message.
    pub const CONTINUATION: u8 = 0x0;
    /// UTF-8 text; never used here.
    pub const TEXT: u8 = 0x1;
    /// Bytes.
    pub const BINARY: u8 = 0x2;
    /// Ends the connection.
    pub const CLOSE: u8 = 0x8;
    /// Asks for a pong.
    pub const PING: u8 = 0x9;
    /// Answers a ping.
    pub const PONG: u8 = 0xA;
}

/// Largest header we write: 2 bytes and a 64-bit length (a server does not mask).
pub const HEADER_BYTES_MAX: usize = 10;

/// Appends the header of a final, unmasked frame with a payload of `len` bytes.
pub fn put_header(out: &mut BytesMut, op: u8, len: usize) {
    out.put_u8(0x80 | op);
    match len {
        0..126 => out.put_u8(len as u8),
        126..=0xFFFF => {
            out.put_u8(126);
            out.put_u16(len as u16);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(len as u64);
        }
    }
}

/// One whole frame.
pub fn frame(op: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER_BYTES_MAX + payload.len());
    put_header(&mut out, op, payload.len());
    out.put_slice(payload);
    out.freeze()
}

/// One y-websocket message as a binary frame.
pub fn message(message: &[u8]) -> Bytes {
    frame(opcode::BINARY, message)
}

/// A payload of `/presence` as a binary frame.
pub fn presence(payload: &[u8]) -> Bytes {
    let len = varint_len(payload.len());
    let mut out = BytesMut::with_capacity(HEADER_BYTES_MAX + 1 + len + payload.len());
    put_header(&mut out, opcode::BINARY, 1 + len + payload.len());
    out.put_u8(thexr_schema::frame::PRESENCE as u8);
    put_varint(&mut out, payload.len());
    out.put_slice(payload);
    out.freeze()
}

/// A close frame; the reason is cut to the 123 bytes that a control frame has room for.
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = Vec::with_capacity(2 + end);
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    frame(opcode::CLOSE, &payload)
}

/// Appends an update (`0, 2, length, bytes`) as one frame and returns nothing: the caller knows where it began.
pub fn put_update(out: &mut BytesMut, update: &[u8]) {
    put_sync(out, 2, update);
}

/// What a SyncStep1 is answered with (`0, 1, length, bytes`), as one frame.
pub fn document(update: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER_BYTES_MAX + 2 + varint_len(update.len()) + update.len());
    put_sync(&mut out, 1, update);
    out.freeze()
}

fn put_sync(out: &mut BytesMut, kind: u8, update: &[u8]) {
    let len = varint_len(update.len());
    put_header(out, opcode::BINARY, 2 + len + update.len());
    out.put_u8(0);
    out.put_u8(kind);
    put_varint(out, update.len());
    out.put_slice(update);
}

fn varint_len(mut value: usize) -> usize {
    let mut n = 1;
    while value >= 0x80 {
        value >>= 7;
        n += 1;
    }
    n
}

fn put_varint(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_take_the_shortest_length() {
        for (len, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            assert_eq!(frame(opcode::BINARY, &vec![7; len]).len(), header + len);
        }
    }

    #[test]
    fn an_update_is_framed_as_the_encoder_of_the_schema_says() {
        for len in [0, 1, 127, 128, 70_000] {
            let update = vec![5u8; len];
            let mut out = BytesMut::new();
            put_update(&mut out, &update);
            assert_eq!(out.freeze(), message(&thexr_schema::frame::update(&update)));
            assert_eq!(
                document(&update),
                message(&thexr_schema::frame::sync_step2(&update))
            );
        }
    }

    #[test]
    fn a_presence_payload_is_framed_as_the_encoder_of_the_schema_says() {
        for len in [1, 127, 128, 70_000] {
            let payload = vec![5u8; len];
            assert_eq!(
                presence(&payload),
                message(&thexr_schema::presence::message(&payload))
            );
        }
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let frame = close(4400, &"ü".repeat(100));
        assert_eq!(frame.len(), 2 + 2 + 122);
    }
}
