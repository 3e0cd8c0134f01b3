//! A bundle as bytes: a line that says what it is, records with a checksum each, and a SHA-256 of everything at the end.
//! Knows nothing of what is in a record.
//!
//! A record is its kind (1 byte), the length of its body and a crc32 of kind, length and body (4 bytes each, little
//! endian), and the body.

use super::BadBundle;
use crate::limits;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::io::{ErrorKind, Read};

/// The first line, up to the version.
const NAME: &[u8] = b"thexr bundle ";
/// The version and the end of the line.
const VERSION: &[u8] = b"1\n";
/// Bytes before a body.
const HEAD: usize = 9;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// JSON: which space, and when; the first.
    Header,
    /// A snapshot.
    Snapshot,
    /// A sealed segment.
    Segment,
    /// Events that are not sealed.
    Events,
    /// JSON: who was there.
    Members,
    /// JSON: how many of each; the last.
    Trailer,
}

impl Kind {
    const ALL: [(Self, u8); 6] = [
        (Self::Header, b'H'),
        (Self::Snapshot, b'S'),
        (Self::Segment, b'B'),
        (Self::Events, b'E'),
        (Self::Members, b'M'),
        (Self::Trailer, b'T'),
    ];

    fn byte(self) -> u8 {
        let found = Self::ALL.iter().find(|(kind, _)| *kind == self);
        found.expect("all are in the table").1
    }

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.iter().find(|(_, b)| *b == byte).map(|(kind, _)| *kind)
    }
}

fn crc(kind: u8, len: u32, body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[kind]);
    crc.update(&len.to_le_bytes());
    crc.update(body);
    crc.finalize()
}

/// Makes the bytes of a bundle, piece by piece.
pub struct Writer {
    sum: Sha256,
}

impl Writer {
    /// A writer, and the bytes a bundle begins with.
    pub fn new() -> (Self, Bytes) {
        let line = [NAME, VERSION].concat();
        let mut sum = Sha256::new();
        sum.update(&line);
        (Self { sum }, Bytes::from(line))
    }

    /// A record. None when its body is larger than a record may be.
    pub fn record(&mut self, kind: Kind, body: &[u8]) -> Option<Bytes> {
        let len = u32::try_from(body.len())
            .ok()
            .filter(|_| body.len() <= limits::BUNDLE_RECORD_BYTES_MAX)?;
        let mut out = Vec::with_capacity(HEAD + body.len());
        out.push(kind.byte());
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&crc(kind.byte(), len, body).to_le_bytes());
        out.extend_from_slice(body);
        self.sum.update(&out);
        Some(Bytes::from(out))
    }

    /// The bytes a bundle ends with.
    pub fn end(self) -> Bytes {
        Bytes::copy_from_slice(&self.sum.finalize())
    }
}

/// Reads a bundle record by record, and believes none that does not match its checksum.
pub struct Reader<R> {
    from: R,
    sum: Sha256,
}

impl<R: Read> Reader<R> {
    /// Reads the first line.
    pub fn open(mut from: R) -> Result<Self, BadBundle> {
        let mut line = [0; NAME.len() + VERSION.len()];
        match from.read_exact(&mut line) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(BadBundle::Foreign),
            Err(error) => return Err(error.into()),
        }
        match line.strip_prefix(NAME) {
            None => return Err(BadBundle::Foreign),
            Some(version) if version != VERSION => return Err(BadBundle::Newer),
            Some(_) => {}
        }
        let mut sum = Sha256::new();
        sum.update(line);
        Ok(Self { from, sum })
    }

    /// The next record.
    pub fn next(&mut self) -> Result<(Kind, Bytes), BadBundle> {
        let mut head = [0; HEAD];
        self.from.read_exact(&mut head)?;
        let [kind, l0, l1, l2, l3, c0, c1, c2, c3] = head;
        let len = u32::from_le_bytes([l0, l1, l2, l3]);
        if len as usize > limits::BUNDLE_RECORD_BYTES_MAX {
            return Err(BadBundle::Damaged(
                "a record says that it is longer than one may be".into(),
            ));
        }
        // Not allocated before it is there: the length may be a lie.
        let mut body = Vec::new();
        (&mut self.from).take(u64::from(len)).read_to_end(&mut body)?;
        if body.len() < len as usize {
            return Err(BadBundle::Cut);
        }
        if crc(kind, len, &body) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(BadBundle::Damaged("a record does not match its checksum".into()));
        }
        self.sum.update(head);
        self.sum.update(&body);
        let kind = Kind::of(kind).ok_or(BadBundle::Newer)?;
        Ok((kind, Bytes::from(body)))
    }

    /// After the last record: the checksum of all of it, and nothing behind that.
    pub fn end(mut self) -> Result<(), BadBundle> {
        let mut sum = [0; 32];
        self.from.read_exact(&mut sum)?;
        if sum[..] != self.sum.finalize()[..] {
            return Err(BadBundle::Damaged("the file does not match its checksum".into()));
        }
        match self.from.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(BadBundle::Damaged(
                "something follows the end of the bundle".into(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle() -> Vec<u8> {
        let (mut writer, mut bytes) = Writer::new();
        let mut out = bytes.to_vec();
        for (kind, body) in [
            (Kind::Header, &b"{}"[..]),
            (Kind::Events, b"abc"),
            (Kind::Trailer, b""),
        ] {
            bytes = writer.record(kind, body).expect("small");
            out.extend_from_slice(&bytes);
        }
        out.extend_from_slice(&writer.end());
        out
    }

    fn read(bytes: &[u8]) -> Result<Vec<(Kind, Bytes)>, BadBundle> {
        let mut reader = Reader::open(bytes)?;
        let mut records = Vec::new();
        loop {
            records.push(reader.next()?);
            if records.last().is_some_and(|(kind, _)| *kind == Kind::Trailer) {
                reader.end()?;
                return Ok(records);
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let records = read(&bundle()).expect("whole");
        assert_eq!(records.len(), 3);
        assert_eq!(records[1], (Kind::Events, Bytes::from_static(b"abc")));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let whole = bundle();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                assert!(read(&flipped).is_err(), "bit {bit} of byte {at}");
            }
            assert!(read(&whole[..at]).is_err(), "cut at {at}");
        }
        assert!(read(&[&whole[..], b"x"].concat()).is_err(), "one byte too many");
        assert!(matches!(read(b"thexr bundle 2\n"), Err(BadBundle::Newer)));
        assert!(matches!(read(b"SQLite format 3\0"), Err(BadBundle::Foreign)));
    }
}
