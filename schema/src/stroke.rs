//! Owns how a stroke's points are packed into bytes (SPEC P1–P4); must not know documents or pens.

use crate::fault::{Fault, FaultCode};
use crate::lib0::{Reader, write_var};
use crate::limits::{POINTS_PER_STROKE_MAX, STROKE_COORDINATE_MAX};

/// The first byte of a packed stroke.
const FORMAT: u8 = 1;
/// Steps per pixel: an eighth of a pixel is below what a pen reports.
const STEPS_PER_PX: f64 = 8.0;
/// Highest pressure.
const PRESSURE_MAX: f64 = 255.0;

/// Packs points `[x px, y px, pressure 0..=255]`. Coordinates are rounded to an eighth of a pixel and clamped to
/// [`STROKE_COORDINATE_MAX`], pressure to 0..=255; what is not a number counts as 0. Points beyond
/// [`POINTS_PER_STROKE_MAX`] are left out.
pub fn pack(points: &[[f64; 3]]) -> Vec<u8> {
    let most = usize::try_from(POINTS_PER_STROKE_MAX).unwrap_or(usize::MAX);
    let points = points.get(..points.len().min(most)).unwrap_or_default();
    let mut out = Vec::with_capacity(points.len().saturating_mul(4).saturating_add(4));
    out.push(FORMAT);
    write_var(&mut out, points.len() as u64);
    let mut previous = [0i64; 3];
    for [x, y, pressure] in points {
        let next = [steps(*x), steps(*y), round(pressure.clamp(0.0, PRESSURE_MAX))];
        for (to, from) in next.iter().zip(previous) {
            write_var(&mut out, zigzag(to - from));
        }
        previous = next;
    }
    out
}

/// Unpacks points as [`pack`] takes them.
///
/// Errors: `bad_format`, `too_many`, `out_of_range`, `trailing_bytes` and those of [`Reader`].
pub fn unpack(bytes: &[u8]) -> Result<Vec<[f64; 3]>, Fault> {
    let mut reader = Reader::new(bytes);
    if reader.u8()? != FORMAT {
        return Err(Fault::new(FaultCode::BadFormat, 0));
    }
    let count = reader.count(3, POINTS_PER_STROKE_MAX)?;
    let mut points = Vec::with_capacity(count);
    let mut at = [0i64; 3];
    let bounds = [
        STROKE_COORDINATE_MAX * STEPS_PER_PX,
        STROKE_COORDINATE_MAX * STEPS_PER_PX,
        PRESSURE_MAX,
    ];
    for _ in 0..count {
        let start = reader.pos();
        for (value, bound) in at.iter_mut().zip(bounds) {
            *value = value.saturating_add(unzigzag(reader.var_u64()?));
            if value.unsigned_abs() as f64 > bound {
                return Err(Fault::new(FaultCode::OutOfRange, start));
            }
        }
        let [x, y, pressure] = at;
        if pressure < 0 {
            return Err(Fault::new(FaultCode::OutOfRange, start));
        }
        points.push([x as f64 / STEPS_PER_PX, y as f64 / STEPS_PER_PX, pressure as f64]);
    }
    reader.end()?;
    Ok(points)
}

fn steps(px: f64) -> i64 {
    round(px.clamp(-STROKE_COORDINATE_MAX, STROKE_COORDINATE_MAX) * STEPS_PER_PX)
}

/// Rounds as JavaScript's `Math.round` does: halves go up. NaN becomes 0 (`as` saturates).
fn round(number: f64) -> i64 {
    (number + 0.5).floor() as i64
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}
