//! Owns the reading of what the server says: total, and no allocation beyond a small multiple of the input.

use super::{Change, Down, Entry, Event, FULL, Reason, Said, Tick, Welcome, kind};
use crate::fault::{Fault, FaultCode};
use crate::lib0::Reader;
use crate::limits::{PRESENCE_NAME_BYTES_MAX, PRESENCE_STATE_BYTES_MAX};
use crate::presence::pose::{DOT_BYTES, Record};
use crate::presence::{VERSION, f64, saying, text, u16, u32};

/// Bytes an entry takes at least: a count of them is checked against the bytes that remain.
const ENTRY_BYTES_MIN: usize = 25;
const EVENT_BYTES_MIN: usize = 6;
const SAID_BYTES_MIN: usize = 5;

impl<'a> Down<'a> {
    /// Reads a payload. Total; allocates a small multiple of its length.
    ///
    /// Errors: `bad_message`, `too_many`, `too_long`, `not_finite`, `trailing_bytes` and those of [`Reader`].
    pub fn read(payload: &'a [u8]) -> Result<Down<'a>, Fault> {
        let mut reader = Reader::new(payload);
        let r = &mut reader;
        let down = match r.u8()? {
            kind::WELCOME => Down::Welcome(welcome(r)?),
            kind::ROSTER => {
                let (as_of, more) = (r.var_u64()?, r.u8()? != 0);
                let n = r.count(ENTRY_BYTES_MIN, u64::MAX)?;
                let entries = (0..n).map(|_| entry(r)).collect::<Result<_, _>>()?;
                Down::Roster { as_of, more, entries }
            }
            kind::EVENTS => {
                let n = r.count(EVENT_BYTES_MIN, u64::MAX)?;
                Down::Events((0..n).map(|_| event(r)).collect::<Result<_, _>>()?)
            }
            kind::TICK => Down::Tick(tick(r)?),
            kind::PONG => Down::Pong {
                id: u16(r)?,
                t0: f64(r)?,
                t_rx: f64(r)?,
                t_tx: f64(r)?,
            },
            kind::RATE => Down::Rate {
                shed: r.u8()?,
                hz: r.u8()?,
            },
            kind::SAID => {
                let n = r.count(SAID_BYTES_MIN, u64::MAX)?;
                Down::Said((0..n).map(|_| said(r)).collect::<Result<_, _>>()?)
            }
            other => return Ok(Down::Unknown(other)),
        };
        reader.end()?;
        Ok(down)
    }
}

fn welcome<'a>(r: &mut Reader<'a>) -> Result<Welcome<'a>, Fault> {
    if r.u8()? != VERSION {
        return Err(r.fault(FaultCode::BadMessage));
    }
    Ok(Welcome {
        resumed: r.u8()? != 0,
        handle: u16(r)?,
        member: r.array()?,
        token: r.array()?,
        tick_ms: u16(r)?,
        tick_now: u32(r)?,
        tick0_unix_ms: f64(r)?,
        origin: [f64(r)?, f64(r)?, f64(r)?],
        unit_shift: r.u8()?,
        grace_ms: r.var_u32()?,
        cell_m: r.u8()?,
        every: r.array()?,
        budget: r.var_u32()?,
        epoch: text(r, PRESENCE_NAME_BYTES_MAX)?,
        user: text(r, PRESENCE_NAME_BYTES_MAX)?,
        name: text(r, PRESENCE_NAME_BYTES_MAX)?,
    })
}

fn entry<'a>(r: &mut Reader<'a>) -> Result<Entry<'a>, Fault> {
    Ok(Entry {
        handle: u16(r)?,
        member: r.array()?,
        away: r.u8()? != 0,
        role: r.u8()?,
        joined_at: r.var_u64()?,
        yjs_client: r.var_u64()?,
        user: text(r, PRESENCE_NAME_BYTES_MAX)?,
        name: text(r, PRESENCE_NAME_BYTES_MAX)?,
        state: text(r, PRESENCE_STATE_BYTES_MAX)?,
    })
}

fn event<'a>(r: &mut Reader<'a>) -> Result<Event<'a>, Fault> {
    let start = r.pos();
    let kind = r.u8()?;
    let (seq, at, handle) = (r.var_u64()?, r.var_u64()?, u16(r)?);
    let change = match kind {
        1 => Change::Joined(entry(r)?),
        2 => Change::Left {
            reason: Reason::of(r.u8()?).ok_or(Fault::new(FaultCode::BadMessage, start))?,
            heard_at: r.var_u64()?,
        },
        3 => Change::Suspended {
            heard_at: r.var_u64()?,
        },
        4 => Change::Resumed,
        5 => Change::State(text(r, PRESENCE_STATE_BYTES_MAX)?),
        _ => return Err(Fault::new(FaultCode::BadMessage, start)),
    };
    Ok(Event {
        seq,
        at,
        handle,
        change,
    })
}

fn said<'a>(r: &mut Reader<'a>) -> Result<Said<'a>, Fault> {
    let handle = u16(r)?;
    let (topic, key, data) = saying(r)?;
    Ok(Said {
        handle,
        topic,
        key,
        data,
    })
}

fn tick<'a>(r: &mut Reader<'a>) -> Result<Tick<'a>, Fault> {
    let (tick, flags) = (u32(r)?, r.u8()?);
    let (n_records, n_dots) = (u16(r)?, u16(r)?);
    let start = r.pos();
    for _ in 0..n_records {
        r.take(2)?;
        Record::read(r)?;
    }
    Ok(Tick {
        tick,
        full: flags & FULL != 0,
        shed: flags >> 1 & 3,
        records: r.since(start),
        dots: r.take(usize::from(n_dots) * DOT_BYTES)?,
    })
}
