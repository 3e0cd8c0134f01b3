//! Owns what a client says on `/presence` (SPEC M3): reading for the server, writing for tests and load generators;
//! must not know whether the client may.

use super::{ID_BYTES, Id, VERSION, f64, pose::Record, saying, text, u16, u32};
use crate::fault::{Fault, FaultCode};
use crate::lib0::{Reader, write_bytes, write_str, write_var};
use crate::limits::{PRESENCE_STATE_BYTES_MAX, PRESENCE_TOPIC_BYTES_MAX};

/// The kinds of a client's messages: the payload's first byte.
pub mod kind {
    /// Comes in.
    pub const HELLO: u8 = 0x01;
    /// Where it is.
    pub const POSE: u8 = 0x02;
    /// What it wants to see.
    pub const VIEW: u8 = 0x03;
    /// Asks for the time.
    pub const PING: u8 = 0x04;
    /// What of the poses arrives, once a second.
    pub const RACK: u8 = 0x05;
    /// Leaves for good.
    pub const BYE: u8 = 0x06;
    /// Its state has changed.
    pub const STATE: u8 = 0x07;
    /// Says something to everybody.
    pub const SAY: u8 = 0x08;
}

/// How a client comes in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello<'a> {
    /// Optional features it knows; none yet.
    pub caps: u64,
    /// Poses it means to send per second; the server reads at most a quarter more.
    pub want_hz: u8,
    /// Pose bytes it wants per second, in thousands; 0 = the server's default.
    pub budget_kb: u32,
    /// The client id of its Yjs document; 0 = it has none.
    pub yjs_client: u64,
    /// The token of an earlier WELCOME: be the same member again.
    pub token: Option<Id>,
    /// Its state, a JSON object of at most 1 KiB.
    pub state: &'a str,
}

/// One message of a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Up<'a> {
    /// Comes in.
    Hello(Hello<'a>),
    /// Where it is.
    Pose {
        /// Counts up; the server keeps the newest.
        seq: u16,
        /// The client's clock, ms.
        t_client: u32,
        /// Without a handle: that comes from the connection.
        record: Record,
    },
    /// What it wants to see.
    View {
        /// Poses cross the borders of a zone in neither direction; empty = the open space.
        zone: &'a str,
        /// Look from this cell instead of one's own: x, z.
        focus: Option<(i16, i16)>,
        /// As in HELLO.
        budget_kb: u32,
    },
    /// Asks for the time.
    Ping {
        /// Comes back.
        id: u16,
        /// The client's clock, ms; comes back.
        t0: f64,
    },
    /// What of the poses arrives.
    Rack {
        /// The newest tick it has.
        last_tick: u32,
        /// How late it came, ms: beyond when it was due and half a round trip.
        age_ms: u16,
    },
    /// Leaves for good.
    Bye,
    /// Its state has changed: the whole of it.
    State(&'a str),
    /// Says something to everybody, now; of one topic and key only the newest counts.
    Say {
        /// What it is about.
        topic: &'a str,
        /// Which of its things.
        key: &'a str,
        /// Opaque to the server.
        data: &'a [u8],
    },
    /// A kind of a newer protocol: skipped.
    Unknown(u8),
}

impl<'a> Up<'a> {
    /// Reads a payload. Total, allocates nothing. That a state is JSON is for the caller to check.
    ///
    /// Errors: `bad_message` (another version, a token of another size), `too_long`, `not_finite`,
    /// `trailing_bytes` and those of [`Reader`].
    pub fn read(payload: &'a [u8]) -> Result<Up<'a>, Fault> {
        let mut reader = Reader::new(payload);
        let r = &mut reader;
        let up = match r.u8()? {
            kind::HELLO => Up::Hello(hello(r)?),
            kind::POSE => Up::Pose {
                seq: u16(r)?,
                t_client: u32(r)?,
                record: Record::read(r)?,
            },
            kind::VIEW => Up::View {
                zone: text(r, PRESENCE_TOPIC_BYTES_MAX)?,
                focus: focus(r)?,
                budget_kb: r.var_u32()?,
            },
            kind::PING => Up::Ping {
                id: u16(r)?,
                t0: f64(r)?,
            },
            kind::RACK => Up::Rack {
                last_tick: u32(r)?,
                age_ms: u16(r)?,
            },
            kind::BYE => Up::Bye,
            kind::STATE => Up::State(text(r, PRESENCE_STATE_BYTES_MAX)?),
            kind::SAY => {
                let (topic, key, data) = saying(r)?;
                Up::Say { topic, key, data }
            }
            other => return Ok(Up::Unknown(other)),
        };
        reader.end()?;
        Ok(up)
    }

    /// Writes the payload.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        match self {
            Up::Hello(hello) => {
                out.extend([kind::HELLO, VERSION]);
                write_var(&mut out, hello.caps);
                out.push(hello.want_hz);
                write_var(&mut out, u64::from(hello.budget_kb));
                write_var(&mut out, hello.yjs_client);
                write_bytes(&mut out, hello.token.as_ref().map_or(&[][..], |token| token));
                write_str(&mut out, hello.state);
            }
            Up::Pose {
                seq,
                t_client,
                record,
            } => {
                out.push(kind::POSE);
                out.extend(seq.to_le_bytes());
                out.extend(t_client.to_le_bytes());
                out.extend(record.as_bytes());
            }
            Up::View {
                zone,
                focus,
                budget_kb,
            } => {
                out.push(kind::VIEW);
                write_str(&mut out, zone);
                out.push(u8::from(focus.is_some()));
                if let Some((x, z)) = focus {
                    out.extend(x.to_le_bytes());
                    out.extend(z.to_le_bytes());
                }
                write_var(&mut out, u64::from(*budget_kb));
            }
            Up::Ping { id, t0 } => {
                out.push(kind::PING);
                out.extend(id.to_le_bytes());
                out.extend(t0.to_le_bytes());
            }
            Up::Rack { last_tick, age_ms } => {
                out.push(kind::RACK);
                out.extend(last_tick.to_le_bytes());
                out.extend(age_ms.to_le_bytes());
            }
            Up::Bye => out.push(kind::BYE),
            Up::State(state) => {
                out.push(kind::STATE);
                write_str(&mut out, state);
            }
            Up::Say { topic, key, data } => {
                out.push(kind::SAY);
                write_str(&mut out, topic);
                write_str(&mut out, key);
                write_bytes(&mut out, data);
            }
            Up::Unknown(kind) => out.push(*kind),
        }
        out
    }
}

fn hello<'a>(r: &mut Reader<'a>) -> Result<Hello<'a>, Fault> {
    if r.u8()? != VERSION {
        return Err(r.fault(FaultCode::BadMessage));
    }
    let caps = r.var_u64()?;
    let want_hz = r.u8()?;
    let budget_kb = r.var_u32()?;
    let yjs_client = r.var_u64()?;
    let start = r.pos();
    let token = r.bytes()?;
    if !matches!(token.len(), 0 | ID_BYTES) {
        return Err(Fault::new(FaultCode::BadMessage, start));
    }
    Ok(Hello {
        caps,
        want_hz,
        budget_kb,
        yjs_client,
        token: token.try_into().ok(),
        state: text(r, PRESENCE_STATE_BYTES_MAX)?,
    })
}

fn focus(r: &mut Reader<'_>) -> Result<Option<(i16, i16)>, Fault> {
    match r.u8()? {
        0 => Ok(None),
        1 => Ok(Some((
            r.array().map(i16::from_le_bytes)?,
            r.array().map(i16::from_le_bytes)?,
        ))),
        _ => Err(r.fault(FaultCode::BadMessage)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SPEC M3, M4; corpus row 93.
    #[test]
    fn what_is_cut_short_or_runs_on_is_refused() {
        let record = Record::read(&mut Reader::new(&[3; 28])).expect("a record");
        let samples = [
            Up::Hello(Hello {
                caps: 1,
                want_hz: 20,
                budget_kb: 48,
                yjs_client: 1 << 40,
                token: Some([7; 16]),
                state: "{\"name\":\"Ana\"}",
            }),
            Up::Pose {
                seq: 513,
                t_client: 9,
                record,
            },
            Up::View {
                zone: "stage",
                focus: Some((-3, 4)),
                budget_kb: 16,
            },
            Up::Ping { id: 3, t0: 1.5 },
            Up::Rack {
                last_tick: 77,
                age_ms: 20,
            },
            Up::Bye,
            Up::State("{}"),
            Up::Say {
                topic: "stroke",
                key: "a",
                data: &[1, 2],
            },
        ];
        for up in &samples {
            let bytes = up.write();
            assert_eq!(Up::read(&bytes).as_ref(), Ok(up));
            for cut in 0..bytes.len() {
                assert!(Up::read(&bytes[..cut]).is_err(), "{up:?} cut at {cut}");
            }
            let long = [&bytes[..], &[0]].concat();
            assert_eq!(
                Up::read(&long).map_err(|fault| fault.code),
                Err(FaultCode::TrailingBytes),
                "{up:?}"
            );
        }
        assert_eq!(Up::read(&[99, 1, 2]), Ok(Up::Unknown(99)));
    }

    #[test]
    fn a_pose_at_three_points_is_37_bytes_with_its_frame() {
        let record = Record::read(&mut Reader::new(&[3; 28])).expect("a record");
        let up = Up::Pose {
            seq: 0,
            t_client: 0,
            record,
        };
        assert_eq!(super::super::message(&up.write()).len(), 37);
    }
}
