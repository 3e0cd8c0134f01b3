//! Owns the walk over lib0 `Any` values; must not know where they stand in a document.

use crate::fault::{Fault, FaultCode};
use crate::ids::is_reserved_key;
use crate::lib0::Reader;
use crate::limits::{ANY_DEPTH_MAX, CLIENT_ID_MAX};

/// Tags of lib0's `writeAny`.
pub(crate) mod tag {
    pub(crate) const UNDEFINED: u8 = 127;
    pub(crate) const NULL: u8 = 126;
    pub(crate) const INTEGER: u8 = 125;
    pub(crate) const FLOAT32: u8 = 124;
    pub(crate) const FLOAT64: u8 = 123;
    pub(crate) const BIGINT: u8 = 122;
    pub(crate) const FALSE: u8 = 121;
    pub(crate) const TRUE: u8 = 120;
    pub(crate) const STRING: u8 = 119;
    pub(crate) const OBJECT: u8 = 118;
    pub(crate) const ARRAY: u8 = 117;
    pub(crate) const BYTES: u8 = 116;
}

/// Reads one value; `depth` is how many objects and arrays it stands in. Recursion ends at [`ANY_DEPTH_MAX`].
pub(crate) fn value(reader: &mut Reader<'_>, depth: u32) -> Result<(), Fault> {
    let start = reader.pos();
    match reader.u8()? {
        tag::UNDEFINED | tag::NULL | tag::FALSE | tag::TRUE => {}
        tag::INTEGER => {
            reader.var_i64()?;
        }
        tag::FLOAT32 => finite(f64::from(f32::from_be_bytes(reader.array()?)), start)?,
        tag::FLOAT64 => finite(f64::from_be_bytes(reader.array()?), start)?,
        tag::BIGINT => {
            // JSON in every language holds integers up to 2^53 exactly, and no further.
            let number = i64::from_be_bytes(reader.array()?);
            if number.unsigned_abs() > CLIENT_ID_MAX + 1 {
                return Err(Fault::new(FaultCode::NumberTooBig, start));
            }
        }
        tag::STRING => {
            reader.str()?;
        }
        tag::BYTES => {
            reader.bytes()?;
        }
        tag::OBJECT => {
            let inner = deeper(depth, start)?;
            // A key's length and a value's tag.
            for _ in 0..reader.count(2, u64::MAX)? {
                let at = reader.pos();
                if is_reserved_key(reader.str()?) {
                    return Err(Fault::new(FaultCode::ReservedKey, at));
                }
                value(reader, inner)?;
            }
        }
        tag::ARRAY => {
            let inner = deeper(depth, start)?;
            for _ in 0..reader.count(1, u64::MAX)? {
                value(reader, inner)?;
            }
        }
        _ => return Err(Fault::new(FaultCode::BadTag, start)),
    }
    Ok(())
}

fn finite(number: f64, at: usize) -> Result<(), Fault> {
    if number.is_finite() {
        Ok(())
    } else {
        Err(Fault::new(FaultCode::NotFinite, at))
    }
}

fn deeper(depth: u32, at: usize) -> Result<u32, Fault> {
    if depth >= ANY_DEPTH_MAX {
        Err(Fault::new(FaultCode::TooDeep, at))
    } else {
        Ok(depth + 1)
    }
}
