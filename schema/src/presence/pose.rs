//! Owns the pose record: a head and two hands in 14 to 31 bytes, quantised, absolute, readable alone (SPEC M6);
//! must not know who it belongs to or when it was taken.
//!
//! Positions are relative to the space's origin in units of 1 mm. The rotation is the "smallest three" form: the
//! largest component of a unit quaternion follows from the other three, which lie within ±1/√2.

use crate::fault::{Fault, FaultCode};
use crate::lib0::Reader;

/// Longest record without its handle: mask, head, both hands, aux.
pub const RECORD_BYTES_MAX: usize = 29;
/// Bytes of a far-away member in a TICK: handle, x, z, y, yaw.
pub const DOT_BYTES: usize = 8;

/// Mask bit: a left hand follows.
pub const LEFT: u8 = 1;
/// Mask bit: a right hand follows.
pub const RIGHT: u8 = 1 << 1;
/// Mask bit: the aux byte follows.
pub const AUX: u8 = 1 << 2;
/// Mask bit: do not interpolate to here.
pub const TELEPORT: u8 = 1 << 3;
/// Lowest bit of the sample's age at the tick, in steps of [`AGE_STEP_MS`].
pub const AGE_SHIFT: u8 = 4;
/// Milliseconds per step of the age; the last step means "this or more".
pub const AGE_STEP_MS: u32 = 4;

const HEAD_X_BITS: u32 = 20;
const HEAD_Y_BITS: u32 = 16;
/// What 0 m is in units, sideways.
const HEAD_XZ_ZERO: i32 = 1 << 19;
/// What 0 m is in units, upwards: a quarter of the range lies below the floor.
const HEAD_Y_ZERO: i32 = 1 << 14;
/// Metres per unit of the head.
const HEAD_UNIT: f32 = 0.001;
/// Metres per unit of a hand.
const HAND_UNIT: f32 = 0.0025;
const HAND_ZERO: i32 = 1 << 9;
const TEN_BITS: u32 = 1023;

/// Where something is and how it is turned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Joint {
    /// Metres: x, y (up), z.
    pub pos: [f32; 3],
    /// Unit quaternion: x, y, z, w.
    pub rot: [f32; 4],
}

/// A hand in world coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hand {
    /// Where it is.
    pub joint: Joint,
    /// The grip is held.
    pub grip: bool,
    /// The trigger is held.
    pub trigger: bool,
}

/// A pose as people use it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// The head.
    pub head: Joint,
    /// The left hand, if there is one.
    pub left: Option<Hand>,
    /// The right hand.
    pub right: Option<Hand>,
    /// Voice (low four bits) and gesture (high four bits).
    pub aux: Option<u8>,
    /// It jumped here: receivers do not interpolate.
    pub teleport: bool,
}

/// A pose as it travels: bytes that are known to be whole. Every bit pattern of the right length is a pose.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Record {
    bytes: [u8; RECORD_BYTES_MAX],
    len: u8,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Record({:02x?})", self.as_bytes())
    }
}

/// Bytes of a record with this mask.
pub const fn record_len(mask: u8) -> usize {
    let hands = (mask & LEFT != 0) as usize + (mask & RIGHT != 0) as usize;
    12 + 8 * hands + (mask & AUX != 0) as usize
}

impl Record {
    /// Takes a record off the front. Errors: `truncated`.
    pub fn read(reader: &mut Reader<'_>) -> Result<Record, Fault> {
        let mask = *reader
            .clone()
            .take(1)?
            .first()
            .ok_or(reader.fault(FaultCode::Truncated))?;
        let taken = reader.take(record_len(mask))?;
        let mut bytes = [0; RECORD_BYTES_MAX];
        bytes[..taken.len()].copy_from_slice(taken);
        Ok(Record {
            bytes,
            len: taken.len() as u8,
        })
    }

    /// Quantises a pose. Positions outside the range are clamped to it. None when a number is not finite or a
    /// quaternion has no length.
    pub fn of(pose: &Pose) -> Option<Record> {
        let mut bytes = [0; RECORD_BYTES_MAX];
        let mut mask = if pose.teleport { TELEPORT } else { 0 };
        if !pose.head.pos.iter().all(|v| v.is_finite()) {
            return None;
        }
        let [x, y, z] = pose.head.pos;
        let x = quantise(x / HEAD_UNIT, HEAD_XZ_ZERO, HEAD_X_BITS);
        let z = quantise(z / HEAD_UNIT, HEAD_XZ_ZERO, HEAD_X_BITS);
        let y = quantise(y / HEAD_UNIT, HEAD_Y_ZERO, HEAD_Y_BITS);
        let head = u64::from(x) | u64::from(z) << 20 | u64::from(y) << 40;
        bytes[1..8].copy_from_slice(&head.to_le_bytes()[..7]);
        bytes[8..12].copy_from_slice(&pack_rotation(pose.head.rot)?.to_le_bytes());
        let base = dequantise_head(x, y, z);
        let mut at = 12;
        for (hand, bit) in [(pose.left, LEFT), (pose.right, RIGHT)] {
            let Some(hand) = hand else { continue };
            if !hand.joint.pos.iter().all(|v| v.is_finite()) {
                return None;
            }
            mask |= bit;
            let mut low = 0u32;
            for (axis, (value, base)) in hand.joint.pos.iter().zip(base).enumerate() {
                low |= quantise((value - base) / HAND_UNIT, HAND_ZERO, 10) << (10 * axis);
            }
            low |= u32::from(hand.grip) << 30 | u32::from(hand.trigger) << 31;
            bytes[at..at + 4].copy_from_slice(&low.to_le_bytes());
            bytes[at + 4..at + 8].copy_from_slice(&pack_rotation(hand.joint.rot)?.to_le_bytes());
            at += 8;
        }
        if let Some(aux) = pose.aux {
            mask |= AUX;
            bytes[at] = aux;
            at += 1;
        }
        bytes[0] = mask;
        Some(Record { bytes, len: at as u8 })
    }

    /// The record as it travels.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The mask byte.
    pub const fn mask(&self) -> u8 {
        self.bytes[0]
    }

    /// States how old the sample was at the tick.
    pub fn set_age_ms(&mut self, ms: u32) {
        let steps = (ms / AGE_STEP_MS).min(15) as u8;
        self.bytes[0] = self.bytes[0] & 0x0F | steps << AGE_SHIFT;
    }

    /// Millisecond age of the sample at the tick; 60 means 60 or more.
    pub const fn age_ms(&self) -> u32 {
        (self.bytes[0] >> AGE_SHIFT) as u32 * AGE_STEP_MS
    }

    /// The head's place in whole millimetres from the origin: x, y, z.
    pub fn head_mm(&self) -> [i32; 3] {
        let mut word = [0u8; 8];
        word[..7].copy_from_slice(&self.bytes[1..8]);
        let word = u64::from_le_bytes(word);
        let part = |shift: u32, bits: u32| (word >> shift & ((1 << bits) - 1)) as i32;
        [
            part(0, 20) - HEAD_XZ_ZERO,
            part(40, 16) - HEAD_Y_ZERO,
            part(20, 20) - HEAD_XZ_ZERO,
        ]
    }

    fn word(&self, at: usize) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&self.bytes[at..at + 4]);
        u32::from_le_bytes(word)
    }

    /// The pose it stands for.
    pub fn pose(&self) -> Pose {
        let mask = self.mask();
        let [x, y, z] = self.head_mm();
        let base = [x as f32 * HEAD_UNIT, y as f32 * HEAD_UNIT, z as f32 * HEAD_UNIT];
        let mut at = 12;
        let mut hand = |bit: u8| {
            (mask & bit != 0).then(|| {
                let (low, rot) = (self.word(at), self.word(at + 4));
                at += 8;
                let pos = std::array::from_fn(|axis| {
                    let units = (low >> (10 * axis) & TEN_BITS) as i32 - HAND_ZERO;
                    base[axis] + units as f32 * HAND_UNIT
                });
                Hand {
                    joint: Joint {
                        pos,
                        rot: unpack_rotation(rot),
                    },
                    grip: low & 1 << 30 != 0,
                    trigger: low & 1 << 31 != 0,
                }
            })
        };
        let (left, right) = (hand(LEFT), hand(RIGHT));
        Pose {
            head: Joint {
                pos: base,
                rot: unpack_rotation(self.word(8)),
            },
            left,
            right,
            aux: (mask & AUX != 0).then(|| self.bytes[at]),
            teleport: mask & TELEPORT != 0,
        }
    }

    /// True when `new` is within the dead band of this record: 3 mm and about half a degree for the head, two
    /// units (5 mm) and about one degree for the hands, the same buttons and aux.
    pub fn is_near(&self, new: &Record) -> bool {
        let shape = |mask: u8| mask & (LEFT | RIGHT | AUX);
        if shape(self.mask()) != shape(new.mask()) || new.mask() & TELEPORT != 0 {
            return false;
        }
        let moved = self
            .head_mm()
            .iter()
            .zip(new.head_mm())
            .any(|(a, b)| (a - b).abs() > 3);
        if moved || !rotation_is_near(self.word(8), new.word(8), 3) {
            return false;
        }
        let hands = (usize::from(self.len) - 12) / 8;
        let still = (0..hands).all(|hand| {
            let at = 12 + 8 * hand;
            let (a, b) = (self.word(at), new.word(at));
            let offset = |word: u32, axis: u32| (word >> (10 * axis) & TEN_BITS) as i32;
            a >> 30 == b >> 30
                && (0..3).all(|axis| (offset(a, axis) - offset(b, axis)).abs() <= 2)
                && rotation_is_near(self.word(at + 4), new.word(at + 4), 6)
        });
        still && (self.mask() & AUX == 0 || self.as_bytes().last() == new.as_bytes().last())
    }

    /// The far-away form: handle, x and z in 16 mm, y in 0.25 m, the head's turn about the vertical in 1.4°.
    pub fn dot(&self, handle: u16) -> [u8; DOT_BYTES] {
        let [x, y, z] = self.head_mm();
        let [qx, qy, qz, qw] = unpack_rotation(self.word(8));
        let yaw = (2.0 * (qw * qy + qx * qz)).atan2(1.0 - 2.0 * (qx * qx + qy * qy));
        let mut dot = [0; DOT_BYTES];
        dot[..2].copy_from_slice(&handle.to_le_bytes());
        dot[2..4].copy_from_slice(&(((x + HEAD_XZ_ZERO) >> 4) as u16).to_le_bytes());
        dot[4..6].copy_from_slice(&(((z + HEAD_XZ_ZERO) >> 4) as u16).to_le_bytes());
        dot[6] = ((y + HEAD_Y_ZERO) / 250).clamp(0, 255) as u8;
        dot[7] = (yaw / std::f32::consts::TAU * 256.0).round() as i32 as u8;
        dot
    }
}

/// A number in units as `bits` bits around `zero`, clamped.
fn quantise(units: f32, zero: i32, bits: u32) -> u32 {
    let max = (1i32 << bits) - 1;
    // Saturating: a huge float becomes the end of the range.
    ((units.round() as i32).saturating_add(zero)).clamp(0, max) as u32
}

fn dequantise_head(x: u32, y: u32, z: u32) -> [f32; 3] {
    let metres = |units: u32, zero: i32| (units as i32 - zero) as f32 * HEAD_UNIT;
    [
        metres(x, HEAD_XZ_ZERO),
        metres(y, HEAD_Y_ZERO),
        metres(z, HEAD_XZ_ZERO),
    ]
}

/// Smallest three, 10 bits each, and two bits for which one is left out. None without a direction.
fn pack_rotation(rot: [f32; 4]) -> Option<u32> {
    let length = rot.iter().map(|v| v * v).sum::<f32>().sqrt();
    if !length.is_finite() || length < 1e-6 {
        return None;
    }
    let mut largest = 0;
    for (i, value) in rot.iter().enumerate() {
        if value.abs() > rot[largest].abs() {
            largest = i;
        }
    }
    // q and -q turn the same way: make the one left out positive.
    let scale = rot[largest].signum() / length;
    let mut word = (largest as u32) << 30;
    let others = rot.iter().enumerate().filter(|(i, _)| *i != largest);
    for (slot, (_, value)) in others.enumerate() {
        let unit = (value * scale * std::f32::consts::SQRT_2 + 1.0) / 2.0;
        let ten = ((unit * TEN_BITS as f32).round() as i32).clamp(0, TEN_BITS as i32);
        word |= (ten as u32) << (10 * slot);
    }
    Some(word)
}

fn unpack_rotation(word: u32) -> [f32; 4] {
    let largest = (word >> 30) as usize;
    let mut rot = [0.0; 4];
    let mut rest = 1.0;
    let mut slot = 0;
    for (i, value) in rot.iter_mut().enumerate() {
        if i == largest {
            continue;
        }
        let ten = word >> (10 * slot) & TEN_BITS;
        *value = (ten as f32 / TEN_BITS as f32 * 2.0 - 1.0) * std::f32::consts::FRAC_1_SQRT_2;
        rest -= *value * *value;
        slot += 1;
    }
    // Three components of a stranger may be longer than a unit together.
    rot[largest] = rest.max(0.0).sqrt();
    let length = rot.iter().map(|v: &f32| v * v).sum::<f32>().sqrt();
    rot.map(|v| v / length)
}

/// Compares rotations by their packed parts; one part is about 0.16 degrees.
fn rotation_is_near(a: u32, b: u32, parts: i32) -> bool {
    let part = |word: u32, slot: u32| (word >> (10 * slot) & TEN_BITS) as i32;
    a >> 30 == b >> 30 && (0..3).all(|slot| (part(a, slot) - part(b, slot)).abs() <= parts)
}

#[cfg(test)]
mod tests;
