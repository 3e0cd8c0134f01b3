//! Owns the JSON of a document, written straight from the encoded values: keys sorted, buffers as base64, numbers as
//! JavaScript prints them as far as whole ones go, null for what JSON lacks.

use super::Content;
use crate::lib0::Reader;
use crate::limits::ANY_DEPTH_MAX;
use crate::scan::any::tag;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::io::Write;

/// Whole numbers up to here are exact in a double.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

impl Content<'_> {
    /// `{"entities": {id: {component: value}}, "strokes": {entity id: [stroke…]}}`. Strokes are objects; whatever else
    /// stands on a board is left out, and so is a board without any. None when a value is malformed.
    pub fn to_json(&self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        out.extend(b"{\"entities\":{");
        for (n, (id, components)) in self.entities.iter().enumerate() {
            name(&mut out, n, id)?;
            out.push(b'{');
            for (n, (component, bytes)) in components.iter().enumerate() {
                name(&mut out, n, component)?;
                value(&mut out, &mut Reader::new(bytes), 0)?;
            }
            out.push(b'}');
        }
        out.extend(b"},\"strokes\":{");
        let mut before = 0;
        for (id, values) in &self.boards {
            let mut strokes = values
                .iter()
                .filter(|value| value.first() == Some(&tag::OBJECT))
                .peekable();
            if strokes.peek().is_none() {
                continue;
            }
            name(&mut out, before, id)?;
            before += 1;
            out.push(b'[');
            for (n, bytes) in strokes.enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                value(&mut out, &mut Reader::new(bytes), 0)?;
            }
            out.push(b']');
        }
        out.extend(b"}}");
        Some(out)
    }
}

/// Writes the `n`th key of an object.
fn name(out: &mut Vec<u8>, n: usize, name: &str) -> Option<()> {
    if n > 0 {
        out.push(b',');
    }
    write(out, name)?;
    out.push(b':');
    Some(())
}

fn write(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Option<()> {
    serde_json::to_writer(out, value).ok()
}

fn value(out: &mut Vec<u8>, reader: &mut Reader<'_>, depth: u32) -> Option<()> {
    if depth > ANY_DEPTH_MAX {
        return None;
    }
    match reader.u8().ok()? {
        tag::UNDEFINED | tag::NULL => out.extend(b"null"),
        tag::TRUE => out.extend(b"true"),
        tag::FALSE => out.extend(b"false"),
        tag::INTEGER => write!(out, "{}", reader.var_i64().ok()?).ok()?,
        tag::BIGINT => write!(out, "{}", i64::from_be_bytes(reader.array().ok()?)).ok()?,
        tag::FLOAT32 => float(out, f64::from(f32::from_be_bytes(reader.array().ok()?)))?,
        tag::FLOAT64 => float(out, f64::from_be_bytes(reader.array().ok()?))?,
        tag::STRING => write(out, reader.str().ok()?)?,
        tag::BYTES => write(out, &STANDARD.encode(reader.bytes().ok()?))?,
        tag::ARRAY => {
            out.push(b'[');
            for n in 0..reader.count(1, u64::MAX).ok()? {
                if n > 0 {
                    out.push(b',');
                }
                value(out, reader, depth + 1)?;
            }
            out.push(b']');
        }
        tag::OBJECT => object(out, reader, depth)?,
        _ => return None,
    }
    Some(())
}

fn object(out: &mut Vec<u8>, reader: &mut Reader<'_>, depth: u32) -> Option<()> {
    let count = reader.count(2, u64::MAX).ok()?;
    let mut members = Vec::with_capacity(count);
    for _ in 0..count {
        let key = reader.str().ok()?;
        let start = reader.pos();
        crate::scan::any::value(reader, depth + 1).ok()?;
        members.push((key, reader.since(start)));
    }
    // The last one of a key counts, as in every object.
    members.sort_by_key(|(key, _)| *key);
    members.reverse();
    members.dedup_by_key(|(key, _)| *key);
    out.push(b'{');
    for (n, (key, bytes)) in members.iter().rev().enumerate() {
        name(out, n, key)?;
        value(out, &mut Reader::new(bytes), depth + 1)?;
    }
    out.push(b'}');
    Some(())
}

fn float(out: &mut Vec<u8>, number: f64) -> Option<()> {
    if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
        write!(out, "{}", number as i64).ok()
    } else {
        // A float that is not finite is null.
        write(out, &number)
    }
}
