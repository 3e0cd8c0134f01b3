//! Owns the layout of a chunk of the pose track (SPEC T2, T3): where members were, sampled; must not know who they are,
//! where a chunk is stored or how it is compressed.
//!
//! A sample is `varint ms after the first one`, `varint n`, then n times a handle (u16) and a pose record as it was sent.
//! The first sample of a chunk holds everybody who has a pose, so that each chunk can be read alone; every later one
//! holds whoever moved.

use crate::fault::{Fault, FaultCode};
use crate::lib0::{Reader, write_var};
use crate::presence::down::{FULL, kind};
use crate::presence::pose::RECORD_BYTES_MAX;
use crate::presence::{Record, u16};

/// How chunks are laid out now.
pub const FORMAT: u8 = 1;
/// Largest header: format and four varints.
pub const HEADER_BYTES_MAX: usize = 1 + 4 * 10;
/// Samples with more records than there are handles are not ours.
const RECORDS_MAX: u64 = 1 << 16;

/// What stands uncompressed in front of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// When its first sample was taken, ms since 1970 by the server's clock.
    pub first_at: u64,
    /// Milliseconds from there to the last.
    pub span_ms: u64,
    /// How many samples there are.
    pub samples: u64,
    /// Bytes of the samples before compression.
    pub raw_len: u64,
}

impl Header {
    /// Appends the header.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        for value in [self.first_at, self.span_ms, self.samples, self.raw_len] {
            write_var(out, value);
        }
    }

    /// Takes the header off the front. Errors: `bad_format` and those of [`Reader`].
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let start = reader.pos();
        if reader.u8()? != FORMAT {
            return Err(Fault::new(FaultCode::BadFormat, start));
        }
        Ok(Self {
            first_at: reader.var_u64()?,
            span_ms: reader.var_u64()?,
            samples: reader.var_u64()?,
            raw_len: reader.var_u64()?,
        })
    }
}

/// Who was where at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Milliseconds after the first sample of the chunk.
    pub after_ms: u64,
    /// In the order of their handles.
    pub records: Vec<(u16, Record)>,
}

/// Appends a sample.
pub fn write_sample(out: &mut Vec<u8>, after_ms: u64, records: &[(u16, Record)]) {
    write_var(out, after_ms);
    write_var(out, records.len() as u64);
    for (handle, record) in records {
        out.extend(handle.to_le_bytes());
        out.extend(record.as_bytes());
    }
}

/// A TICK payload (SPEC M7) of records alone; `full` when they are everybody's.
pub fn tick(tick: u32, full: bool, records: &[(u16, Record)]) -> Vec<u8> {
    let n = u16::try_from(records.len()).unwrap_or(u16::MAX);
    let mut out = vec![kind::TICK];
    out.extend(tick.to_le_bytes());
    out.push(if full { FULL } else { 0 });
    out.extend(n.to_le_bytes());
    out.extend([0, 0]);
    for (handle, record) in &records[..usize::from(n)] {
        out.extend(handle.to_le_bytes());
        out.extend(record.as_bytes());
    }
    out
}

/// Bytes a sample of so many records may have.
pub const fn sample_bytes_max(records: usize) -> usize {
    20 + records * (2 + RECORD_BYTES_MAX)
}

/// Reads the samples of a chunk, unpacked. Errors: those of [`Reader`].
pub fn read_samples(raw: &[u8]) -> Result<Vec<Sample>, Fault> {
    let mut reader = Reader::new(raw);
    let mut samples = Vec::new();
    while !reader.is_empty() {
        let after_ms = reader.var_u64()?;
        let n = reader.count(2 + crate::presence::pose::record_len(0), RECORDS_MAX)?;
        let records = (0..n).map(|_| Ok((u16(&mut reader)?, Record::read(&mut reader)?)));
        samples.push(Sample {
            after_ms,
            records: records.collect::<Result<_, Fault>>()?,
        });
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::{Joint, Pose};

    fn record(x: f32, aux: Option<u8>) -> Record {
        let head = Joint {
            pos: [x, 1.6, 0.0],
            rot: [0.0, 0.0, 0.0, 1.0],
        };
        Record::of(&Pose {
            head,
            left: None,
            right: None,
            aux,
            teleport: false,
        })
        .expect("a pose")
    }

    /// SPEC T2, T3.
    #[test]
    fn a_chunk_gives_back_every_byte_of_its_records() {
        let header = Header {
            first_at: 1_700_000_000_123,
            span_ms: 1_000,
            samples: 2,
            raw_len: 99,
        };
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        assert!(bytes.len() <= HEADER_BYTES_MAX);
        assert_eq!(Header::read(&mut Reader::new(&bytes)), Ok(header));
        let samples = [
            Sample {
                after_ms: 0,
                records: vec![(1, record(0.0, None)), (700, record(3.0, Some(7)))],
            },
            Sample {
                after_ms: 1_000,
                records: vec![(700, record(3.5, Some(9)))],
            },
        ];
        let mut raw = Vec::new();
        for sample in &samples {
            let before = raw.len();
            write_sample(&mut raw, sample.after_ms, &sample.records);
            assert!(raw.len() - before <= sample_bytes_max(sample.records.len()));
        }
        assert_eq!(read_samples(&raw).as_deref(), Ok(&samples[..]));
    }

    /// SPEC M7, R2.
    #[test]
    fn a_sample_can_be_told_as_a_tick() {
        let records = [(1, record(0.0, None)), (700, record(3.0, Some(7)))];
        match crate::presence::Down::read(&tick(42, true, &records)) {
            Ok(crate::presence::Down::Tick(told)) => {
                assert_eq!((told.tick, told.full), (42, true));
                assert_eq!(told.records().collect::<Vec<_>>(), records);
            }
            other => panic!("{other:?}"),
        }
    }

    /// SPEC T2.
    #[test]
    fn what_is_cut_off_or_of_another_format_is_refused() {
        let mut raw = Vec::new();
        write_sample(&mut raw, 5, &[(1, record(0.0, None))]);
        for end in 1..raw.len() {
            assert!(read_samples(&raw[..end]).is_err(), "{end}");
        }
        let mut bytes = Vec::new();
        Header::default().write(&mut bytes);
        bytes[0] = 2;
        let fault = Header::read(&mut Reader::new(&bytes)).expect_err("refused");
        assert_eq!(fault.code, FaultCode::BadFormat);
    }
}
