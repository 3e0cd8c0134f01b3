//! Owns the primitives of lib0's encoding (varints, lengths, text); must not know what they mean.

use crate::fault::{Fault, FaultCode};
use crate::limits::CLIENT_ID_MAX;

/// A varint of 64 bits has at most this many bytes.
const VARINT_BYTES_MAX: usize = 10;

/// A cursor over bytes from a stranger: every read is checked, nothing is allocated.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    /// The whole input.
    bytes: &'a [u8],
    /// How much of it is read; never beyond its length.
    pos: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub const fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, pos: 0 }
    }

    /// True when everything is read.
    pub const fn is_empty(&self) -> bool {
        self.pos >= self.bytes.len()
    }

    /// Bytes not read yet.
    pub const fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.pos)
    }

    /// Bytes read so far.
    pub const fn pos(&self) -> usize {
        self.pos
    }

    /// A fault at the current position.
    pub const fn fault(&self, code: FaultCode) -> Fault {
        Fault::new(code, self.pos)
    }

    /// The bytes from an earlier position up to here.
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.pos).unwrap_or_default()
    }

    /// One byte. Errors: `truncated`.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Fault> {
        let byte = *self
            .bytes
            .get(self.pos)
            .ok_or(Fault::new(FaultCode::Truncated, self.pos))?;
        self.pos += 1;
        Ok(byte)
    }

    /// Exactly `len` bytes. Errors: `truncated`.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        let taken = rest
            .get(..len)
            .ok_or(Fault::new(FaultCode::Truncated, self.pos))?;
        self.pos += len;
        Ok(taken)
    }

    /// Exactly `N` bytes. Errors: `truncated`.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let taken = self.take(N)?;
        <[u8; N]>::try_from(taken).map_err(|_| self.fault(FaultCode::Truncated))
    }

    /// An unsigned varint up to 2^53 - 1. Padding with zero bytes is refused, so a number has one spelling.
    /// Errors: `truncated`, `bad_varint`, `number_too_big`.
    #[inline]
    pub fn var_u64(&mut self) -> Result<u64, Fault> {
        let start = self.pos;
        let first = self.u8()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        self.var_tail(u64::from(first & 0x7f), 7, start)
    }

    /// The bytes of a varint after the first one; `shift` is how many bits that one held.
    fn var_tail(&mut self, first: u64, shift: u32, start: usize) -> Result<u64, Fault> {
        let mut value = u128::from(first);
        let mut shift = shift;
        for _ in 1..VARINT_BYTES_MAX {
            let byte = self.u8()?;
            value |= u128::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                if byte == 0 {
                    return Err(Fault::new(FaultCode::BadVarint, start));
                }
                return match u64::try_from(value) {
                    Ok(value) if value <= CLIENT_ID_MAX => Ok(value),
                    _ => Err(Fault::new(FaultCode::NumberTooBig, start)),
                };
            }
        }
        Err(Fault::new(FaultCode::BadVarint, start))
    }

    /// A signed varint: six bits and a sign in the first byte. `-0` reads as 0. Errors as [`Reader::var_u64`].
    #[inline]
    pub fn var_i64(&mut self) -> Result<i64, Fault> {
        let start = self.pos;
        let first = self.u8()?;
        let low = u64::from(first & 0x3f);
        let magnitude = if first & 0x80 == 0 {
            low
        } else {
            self.var_tail(low, 6, start)?
        };
        let value = i64::try_from(magnitude).map_err(|_| Fault::new(FaultCode::NumberTooBig, start))?;
        Ok(if first & 0x40 == 0 { value } else { -value })
    }

    /// A varint that must fit a `u32`. Errors: as [`Reader::var_u64`], `number_too_big`.
    #[inline]
    pub fn var_u32(&mut self) -> Result<u32, Fault> {
        let start = self.pos;
        u32::try_from(self.var_u64()?).map_err(|_| Fault::new(FaultCode::NumberTooBig, start))
    }

    /// A count of things of at least `bytes_each` bytes, checked against what remains, so that nothing is
    /// allocated on a stranger's word. Errors: as [`Reader::var_u64`], `too_many`.
    #[inline]
    pub fn count(&mut self, bytes_each: usize, max: u64) -> Result<usize, Fault> {
        let start = self.pos;
        let count = self.var_u64()?;
        let room = (self.remaining() / bytes_each.max(1)) as u64;
        match usize::try_from(count) {
            Ok(n) if count <= room && count <= max => Ok(n),
            _ => Err(Fault::new(FaultCode::TooMany, start)),
        }
    }

    /// Bytes behind their length. Errors: as [`Reader::var_u64`].
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let start = self.pos;
        let len = self.var_u64()?;
        let len = usize::try_from(len).map_err(|_| Fault::new(FaultCode::Truncated, start))?;
        self.take(len)
    }

    /// UTF-8 behind its length in bytes. Errors: as [`Reader::bytes`], `bad_utf8`.
    #[inline]
    pub fn str(&mut self) -> Result<&'a str, Fault> {
        let start = self.pos;
        std::str::from_utf8(self.bytes()?).map_err(|_| Fault::new(FaultCode::BadUtf8, start))
    }

    /// Nothing may be left. Errors: `trailing_bytes`.
    pub fn end(&self) -> Result<(), Fault> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.fault(FaultCode::TrailingBytes))
        }
    }
}

/// Appends an unsigned varint.
pub fn write_var(out: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push((rest as u8 & 0x7f) | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Appends bytes behind their length.
pub fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_var(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends text behind its length in bytes.
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    write_bytes(out, text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn var(bytes: &[u8]) -> Result<u64, FaultCode> {
        Reader::new(bytes).var_u64().map_err(|fault| fault.code)
    }

    /// SPEC W2; corpus rows 49, 51, 54.
    #[test]
    fn a_varint_has_one_spelling_and_an_upper_bound() {
        assert_eq!(var(&[0]), Ok(0));
        assert_eq!(var(&[0x80, 1]), Ok(128));
        assert_eq!(
            var(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            Ok(CLIENT_ID_MAX)
        );
        assert_eq!(
            var(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]),
            Err(FaultCode::NumberTooBig)
        );
        assert_eq!(var(&[0x80, 0x80, 0]), Err(FaultCode::BadVarint));
        assert_eq!(var(&[0x80]), Err(FaultCode::Truncated));
        assert_eq!(var(&[0xff; 11]), Err(FaultCode::BadVarint));
        assert_eq!(var(&[]), Err(FaultCode::Truncated));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for value in [
            0,
            1,
            63,
            64,
            127,
            128,
            16_383,
            16_384,
            u64::from(u32::MAX),
            CLIENT_ID_MAX,
        ] {
            let mut out = Vec::new();
            write_var(&mut out, value);
            let mut reader = Reader::new(&out);
            assert_eq!(reader.var_u64(), Ok(value));
            assert!(reader.is_empty());
        }
        let mut out = Vec::new();
        write_str(&mut out, "héllo");
        assert_eq!(Reader::new(&out).str(), Ok("héllo"));
    }

    #[test]
    fn signed_varints_read_as_lib0_writes_them() {
        for (bytes, value) in [
            (&[0x00u8][..], 0),
            (&[0x40], 0),
            (&[0x6a], -42),
            (&[0xbf, 0xff, 0xff, 0xff, 0x0f], 2_147_483_647),
        ] {
            assert_eq!(Reader::new(bytes).var_i64(), Ok(value));
        }
    }

    /// SPEC W3.
    #[test]
    fn a_length_beyond_the_rest_is_truncated() {
        assert_eq!(
            Reader::new(&[5, 1, 2]).bytes().map_err(|f| f.code),
            Err(FaultCode::Truncated)
        );
        assert_eq!(
            Reader::new(&[2, 0xff, 0xff]).str().map_err(|f| f.code),
            Err(FaultCode::BadUtf8)
        );
        assert_eq!(
            Reader::new(&[3, 0, 0]).count(1, 10).map_err(|f| f.code),
            Err(FaultCode::TooMany)
        );
    }
}
