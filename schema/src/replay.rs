//! Owns the messages that steer a replay (SPEC R): outer id 103 on `/replay`, beside the messages of `/sync` and of
//! `/presence`, which a replay sends as they are; must not know sockets, clocks or rows.

use crate::fault::{Fault, FaultCode};
use crate::frame::REPLAY;
use crate::lib0::{Reader, write_bytes, write_var};
use crate::presence::f64;

/// The WebSocket subprotocol of `/replay`.
pub const SUBPROTOCOL: &str = "thexr.r1";
/// The slowest a replay can be.
pub const SPEED_MIN: f64 = 0.25;
/// And the fastest, seconds of the recording per second.
pub const SPEED_MAX: f64 = 64.0;
/// Events that one STEP goes at most.
pub const STEPS_MAX: u64 = 100;

/// A point of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// After this event; 0 = before the first.
    Seq(u64),
    /// At this time, ms since 1970.
    Time(u64),
}

/// What a client says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Order {
    /// Go on.
    Play,
    /// Stop here.
    Pause,
    /// Be there. `id` comes back once it is done; ids go up.
    Seek {
        /// Of this order.
        id: u64,
        /// Where.
        to: Target,
    },
    /// Pause, and go by so many events.
    Step {
        /// Of this order.
        id: u64,
        /// To the past.
        back: bool,
        /// How many, up to [`STEPS_MAX`].
        events: u64,
    },
    /// Seconds of the recording per second.
    Speed(f64),
    /// Of a newer protocol: skipped.
    Unknown(u8),
}

/// What a replay does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// It goes on by itself.
    Playing = 0,
    /// It waits.
    Paused = 1,
    /// It is at the newest event.
    Ended = 2,
}

/// Where a replay is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// The newest order that is carried out.
    pub id: u64,
    /// The event that was played last.
    pub seq: u64,
    /// The moment of the recording, ms since 1970.
    pub at: u64,
    /// What it does.
    pub state: State,
    /// Seconds of the recording per second.
    pub speed: f64,
    /// Before the first event that is kept.
    pub oldest: u64,
    /// The newest event.
    pub newest: u64,
    /// Times of the first event that is kept and of the newest.
    pub range: [u64; 2],
}

/// What the server says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Told {
    /// What follows is of another moment: a new document, WELCOME, ROSTER, a full TICK, then a [`Position`].
    Reset {
        /// The order that asked for it; 0 = none.
        id: u64,
        /// The moment: after this event …
        seq: u64,
        /// … at this time.
        at: u64,
    },
    /// Where it is.
    Position(Position),
    /// Of a newer protocol: skipped.
    Unknown(u8),
}

fn message(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len().saturating_add(3));
    write_var(&mut out, REPLAY);
    write_bytes(&mut out, payload);
    out
}

impl Order {
    /// Writes the message.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match *self {
            Order::Play => out.push(1),
            Order::Pause => out.push(2),
            Order::Seek { id, to } => {
                out.push(3);
                write_var(&mut out, id);
                let (kind, value) = match to {
                    Target::Seq(seq) => (0, seq),
                    Target::Time(at) => (1, at),
                };
                out.push(kind);
                write_var(&mut out, value);
            }
            Order::Step { id, back, events } => {
                out.push(4);
                write_var(&mut out, id);
                out.push(u8::from(back));
                write_var(&mut out, events);
            }
            Order::Speed(speed) => {
                out.push(5);
                out.extend(speed.to_le_bytes());
            }
            Order::Unknown(kind) => out.push(kind),
        }
        message(&out)
    }

    /// Reads a payload. Errors: `bad_kind` and those of [`Reader`].
    pub fn read(payload: &[u8]) -> Result<Self, Fault> {
        let mut r = Reader::new(payload);
        let order = match r.u8()? {
            1 => Order::Play,
            2 => Order::Pause,
            3 => Order::Seek {
                id: r.var_u64()?,
                to: match r.u8()? {
                    0 => Target::Seq(r.var_u64()?),
                    1 => Target::Time(r.var_u64()?),
                    _ => return Err(r.fault(FaultCode::BadKind)),
                },
            },
            4 => Order::Step {
                id: r.var_u64()?,
                back: r.u8()? != 0,
                events: r.var_u64()?.min(STEPS_MAX),
            },
            5 => Order::Speed(f64(&mut r)?.clamp(SPEED_MIN, SPEED_MAX)),
            // Its length is known.
            other => return Ok(Order::Unknown(other)),
        };
        r.end()?;
        Ok(order)
    }
}

impl Told {
    /// Writes the message.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Told::Reset { id, seq, at } => {
                out.push(0x81);
                [*id, *seq, *at].into_iter().for_each(|v| write_var(&mut out, v));
            }
            Told::Position(p) => {
                out.push(0x82);
                [p.id, p.seq, p.at]
                    .into_iter()
                    .for_each(|v| write_var(&mut out, v));
                out.push(p.state as u8);
                out.extend(p.speed.to_le_bytes());
                let [from, to] = p.range;
                [p.oldest, p.newest, from, to]
                    .into_iter()
                    .for_each(|v| write_var(&mut out, v));
            }
            Told::Unknown(kind) => out.push(*kind),
        }
        message(&out)
    }

    /// Reads a payload. Errors: `bad_kind` and those of [`Reader`].
    pub fn read(payload: &[u8]) -> Result<Self, Fault> {
        let mut r = Reader::new(payload);
        let told = match r.u8()? {
            0x81 => Told::Reset {
                id: r.var_u64()?,
                seq: r.var_u64()?,
                at: r.var_u64()?,
            },
            0x82 => Told::Position(Position {
                id: r.var_u64()?,
                seq: r.var_u64()?,
                at: r.var_u64()?,
                state: match r.u8()? {
                    0 => State::Playing,
                    1 => State::Paused,
                    2 => State::Ended,
                    _ => return Err(r.fault(FaultCode::BadKind)),
                },
                speed: f64(&mut r)?,
                oldest: r.var_u64()?,
                newest: r.var_u64()?,
                range: [r.var_u64()?, r.var_u64()?],
            }),
            other => return Ok(Told::Unknown(other)),
        };
        r.end()?;
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(message: &[u8]) -> &[u8] {
        let mut r = Reader::new(message);
        assert_eq!(r.var_u64(), Ok(REPLAY));
        r.bytes().expect("a payload")
    }

    /// SPEC R3.
    #[test]
    fn an_order_is_read_as_it_was_written_and_a_cut_one_is_refused() {
        let orders = [
            Order::Play,
            Order::Pause,
            Order::Seek {
                id: 7,
                to: Target::Seq(300),
            },
            Order::Seek {
                id: 8,
                to: Target::Time(1_700_000_000_000),
            },
            Order::Step {
                id: 9,
                back: true,
                events: 2,
            },
            Order::Speed(64.0),
        ];
        for order in orders {
            let message = order.write();
            let payload = payload(&message);
            assert_eq!(Order::read(payload), Ok(order));
            for end in 0..payload.len() {
                assert!(Order::read(&payload[..end]).is_err(), "{order:?} {end}");
            }
            assert!(
                Order::read(&[payload, &[0]].concat()).is_err(),
                "{order:?} and more"
            );
        }
        assert_eq!(Order::read(&[99, 1, 2]), Ok(Order::Unknown(99)));
        let read = |order: Order| Order::read(payload(&order.write()));
        assert_eq!(read(Order::Speed(0.0)), Ok(Order::Speed(SPEED_MIN)));
        assert!(read(Order::Speed(f64::NAN)).is_err());
        let many = |events| Order::Step {
            id: 1,
            back: false,
            events,
        };
        assert_eq!(read(many(5_000)), Ok(many(STEPS_MAX)));
    }

    /// SPEC R4.
    #[test]
    fn what_is_told_is_read_as_it_was_written() {
        let position = Position {
            id: 3,
            seq: 12,
            at: 1_700_000_000_000,
            state: State::Ended,
            speed: 0.25,
            oldest: 0,
            newest: 12,
            range: [1_600_000_000_000, 1_700_000_000_000],
        };
        let reset = Told::Reset { id: 0, seq: 1, at: 2 };
        for told in [reset, Told::Position(position)] {
            assert_eq!(Told::read(payload(&told.write())), Ok(told));
        }
    }
}
