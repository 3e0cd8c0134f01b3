//! Owns the canonical hash of values in an update: the same value has the same hash whoever encoded it. Must not
//! know where values stand.

use super::StructRecord;
use super::any::tag;
use super::walk::{Kind, Struct};
use crate::fault::{Fault, FaultCode};
use crate::lib0::Reader;

/// FNV-1a, 64 bits: offset basis and prime (www.isthe.com/chongo/tech/comp/fnv).
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

fn fnv(seed: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// Reports the units of one struct: each value alone, because engines split and join runs of values.
pub(super) fn units(item: &Struct<'_>, visit: &mut impl FnMut(StructRecord)) -> Result<(), Fault> {
    let mut record = StructRecord {
        client: item.id.client,
        clock: item.id.clock,
        len: item.len,
        kind: item.kind as u8,
        hash: 0,
    };
    match item.kind {
        Kind::Collected | Kind::Deleted => visit(record),
        Kind::Map => {
            record.hash = fnv(BASIS, &[Kind::Map as u8]);
            visit(record);
        }
        Kind::Any => {
            let mut reader = Reader::new(item.values);
            record.len = 1;
            while !reader.is_empty() {
                record.hash = value(&mut reader)?;
                visit(record);
                record.clock = record.clock.saturating_add(1);
            }
        }
    }
    Ok(())
}

/// The hash of one value that the walk has accepted; its depth is bounded by that.
fn value(reader: &mut Reader<'_>) -> Result<u64, Fault> {
    let tag = reader.u8()?;
    let seed = fnv(BASIS, &[tag]);
    Ok(match tag {
        // Numbers hash as the double they are in JavaScript, so an encoder's choice of width does not show.
        tag::INTEGER => number(reader.var_i64()? as f64),
        tag::FLOAT32 => number(f64::from(f32::from_be_bytes(reader.array()?))),
        tag::FLOAT64 => number(f64::from_be_bytes(reader.array()?)),
        tag::BIGINT => number(i64::from_be_bytes(reader.array()?) as f64),
        tag::STRING | tag::BYTES => fnv(seed, reader.bytes()?),
        tag::OBJECT => {
            // yrs writes keys in the order of a hash map: add entries up instead of chaining them.
            let count = reader.var_u64()?;
            let mut sum: u64 = 0;
            for _ in 0..count {
                let key = fnv(BASIS, reader.bytes()?);
                sum = sum.wrapping_add(fnv(key, &value(reader)?.to_le_bytes()));
            }
            fnv(seed, &sum.to_le_bytes())
        }
        tag::ARRAY => {
            let count = reader.var_u64()?;
            let mut hash = seed;
            for _ in 0..count {
                hash = fnv(hash, &value(reader)?.to_le_bytes());
            }
            hash
        }
        tag::UNDEFINED | tag::NULL | tag::FALSE | tag::TRUE => seed,
        _ => return Err(reader.fault(FaultCode::BadTag)),
    })
}

fn number(number: f64) -> u64 {
    // -0 comes back from yrs as 0.
    let bits = if number == 0.0 { 0 } else { number.to_bits() };
    fnv(fnv(BASIS, &[tag::FLOAT64]), &bits.to_le_bytes())
}
