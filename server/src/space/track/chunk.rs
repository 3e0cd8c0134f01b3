//! A stretch of the pose track: open while it grows, then packed into the payload of one event and unpacked again.

use crate::limits;
use crate::store::segment;
use bytes::Bytes;
use std::time::Duration;
use thexr_schema::Fault;
use thexr_schema::lib0::Reader;
use thexr_schema::presence::Record;
use thexr_schema::track::{HEADER_BYTES_MAX, Header, Sample, read_samples, write_sample};
use tokio::time::Instant;

/// Level 3 as for everything stored: higher levels cost more than they save.
const ZSTD_LEVEL: i32 = 3;
/// What a chunk may be told to unpack to: a full one and the largest sample on top of it.
const RAW_BYTES_MAX: usize = limits::POSE_CHUNK_BYTES + 2 * thexr_schema::track::sample_bytes_max(1 << 16);

/// A chunk that grows.
pub(super) struct Open {
    first_at: u64,
    last_at: u64,
    samples: u64,
    raw: Vec<u8>,
    since: Instant,
}

impl Open {
    /// Begins with the sample of this moment.
    pub fn new(at_ms: i64, since: Instant) -> Self {
        let first_at = at_ms.max(0).cast_unsigned();
        Self {
            first_at,
            last_at: first_at,
            samples: 0,
            raw: Vec::new(),
            since,
        }
    }

    /// Adds a sample; gives its bytes.
    pub fn add(&mut self, at_ms: i64, records: &[(u16, Record)]) -> usize {
        let before = self.raw.len();
        // The wall clock may be set back; a chunk does not run backwards.
        self.last_at = self.last_at.max(at_ms.max(0).cast_unsigned());
        self.samples += 1;
        write_sample(&mut self.raw, self.last_at - self.first_at, records);
        self.raw.len() - before
    }

    pub fn len(&self) -> usize {
        self.raw.len()
    }

    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    pub fn close(self) -> Chunk {
        Chunk {
            header: Header {
                first_at: self.first_at,
                span_ms: self.last_at - self.first_at,
                samples: self.samples,
                raw_len: self.raw.len() as u64,
            },
            raw: self.raw,
        }
    }
}

/// A chunk that is whole, not compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// What stands in front of it.
    pub header: Header,
    raw: Vec<u8>,
}

/// A payload that is no chunk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a chunk of poses: {0}")]
pub struct BadChunk(String);

impl From<Fault> for BadChunk {
    fn from(fault: Fault) -> Self {
        Self(fault.to_string())
    }
}

impl BadChunk {
    /// Whoever packed it panicked.
    pub fn panicked(panic: &tokio::task::JoinError) -> Self {
        Self(panic.to_string())
    }
}

impl Chunk {
    /// What is stored. Takes milliseconds: not on the thread of an actor.
    pub fn pack(&self) -> Result<Bytes, BadChunk> {
        let packed = zstd::bulk::compress(&self.raw, ZSTD_LEVEL).map_err(|e| BadChunk(e.to_string()))?;
        let mut out = Vec::with_capacity(HEADER_BYTES_MAX + packed.len());
        self.header.write(&mut out);
        out.extend(packed);
        Ok(Bytes::from(out))
    }

    /// What [`Chunk::pack`] packed.
    pub fn unpack(payload: &[u8]) -> Result<Self, BadChunk> {
        let mut reader = Reader::new(payload);
        let header = Header::read(&mut reader)?;
        let raw_len = usize::try_from(header.raw_len).unwrap_or(usize::MAX);
        if raw_len > RAW_BYTES_MAX {
            return Err(BadChunk(format!("{raw_len} bytes are more than any has")));
        }
        let packed = reader.take(reader.remaining())?;
        let raw = segment::unzip(packed, raw_len).map_err(BadChunk)?;
        Ok(Self { header, raw })
    }

    /// Its samples, in order; the first has everybody.
    pub fn samples(&self) -> Result<Vec<Sample>, BadChunk> {
        Ok(read_samples(&self.raw)?)
    }
}
