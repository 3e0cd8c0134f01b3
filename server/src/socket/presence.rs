//! `/presence/{space}`: HELLO first, then poses into the connection's slot and everything else to the space
//! (SPEC M1–M4, M11, M12). PING is answered here.

use super::bucket::Bucket;
use super::waiting::Waiting;
use super::{Channel, Connection, End, Over, Writer, next_conn, refuse};
use crate::clock::{now_ms, unix_ms};
use crate::config::Rate;
use crate::metrics::Metrics;
use crate::space::lanes::Lanes;
use crate::space::people::{Enter, FromMember};
use crate::space::poses::View;
use crate::space::poses::slot::{PoseSlot, Put};
use crate::space::roster::Identity;
use crate::space::{ConnId, SpaceHandle};
use crate::{App, limits, wire};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use thexr_schema::close;
use thexr_schema::fault::{Fault, FaultCode};
use thexr_schema::ids::SpaceId;
use thexr_schema::limits::{MESSAGES_PER_FRAME_MAX, PRESENCE_FRAME_BYTES_MAX};
use thexr_schema::presence::{Hello, Payloads, Up, down};
use thexr_schema::scan::parse_state;
use tokio::net::TcpStream;
use tokio::time::Instant;

struct Presence {
    conn: ConnId,
    space: SpaceHandle,
    lanes: Lanes,
    identity: Identity,
    slot: PoseSlot,
    /// Until HELLO has come: by when it must.
    hello_by: Option<Instant>,
    waiting: Waiting<FromMember>,
    poses: Bucket,
    says: Bucket,
    said_bytes: Bucket,
    metrics: Arc<Metrics>,
}

/// Serves one upgraded connection to its end.
pub async fn run(app: App, id: SpaceId, identity: Identity, stream: TcpStream, early: Bytes) {
    let space = match app.spaces.get_or_create(&id).await {
        Ok(space) => space,
        Err(trouble) => return refuse(stream, crate::http::problem::close_of(&trouble), &app.metrics).await,
    };
    tune(&stream);
    let (conn, lanes, now) = (next_conn(), Lanes::default(), Instant::now());
    let channel = Presence {
        conn,
        space: space.clone(),
        lanes: lanes.clone(),
        identity,
        slot: PoseSlot::default(),
        hello_by: Some(now + limits::HELLO_WAIT),
        waiting: Waiting::default(),
        poses: Bucket::new(pose_rate(0), now),
        says: Bucket::new(twice(limits::SAY_PER_S), now),
        said_bytes: Bucket::new(twice(limits::SAY_BYTES_PER_S), now),
        metrics: app.metrics.clone(),
    };
    let mut connection = Connection::new(channel, stream, lanes, &app.config, app.metrics.clone());
    let end = connection.live(early, &app.stop).await;
    let silent = Instant::now().duration_since(connection.heard).as_millis();
    let heard_at = now_ms() - i64::try_from(silent).unwrap_or(0);
    for message in connection.channel.waiting.take() {
        space.tell(conn, message).await;
    }
    space.tell(conn, FromMember::Gone(heard_at)).await;
    let code = connection.finish(end).await;
    tracing::debug!(conn = conn.0, space.id = %id, code, "presence closed");
}

/// Stale poses must wait here, where the next tick replaces them, and not in the kernel.
fn tune(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    {
        let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(limits::PRESENCE_LOWAT_BYTES);
    }
}

/// A quarter more than was promised, and a burst for what the network bunches.
fn pose_rate(hz: u8) -> Rate {
    let promised = if hz == 0 {
        limits::POSE_HZ_MAX
    } else {
        hz.min(limits::POSE_HZ_MAX)
    };
    let per_second = f64::from(promised) * 1.25;
    Rate {
        per_second,
        burst: per_second,
    }
}

fn twice(per_second: f64) -> Rate {
    Rate {
        per_second,
        burst: 2.0 * per_second,
    }
}

impl Channel for Presence {
    const PING_EVERY: Duration = limits::PRESENCE_PING_EVERY;
    const SILENCE_MAX: Duration = limits::PRESENCE_SILENCE_MAX;

    fn receive(&mut self, payload: &Bytes, out: &mut Writer) -> Result<usize, End> {
        if payload.len() > PRESENCE_FRAME_BYTES_MAX {
            return Err(close::MESSAGE_TOO_BIG.into());
        }
        let mut inside = 0;
        for message in Payloads::new(payload) {
            inside += 1;
            if inside > MESSAGES_PER_FRAME_MAX {
                return Err(self.bad(Fault::new(FaultCode::TooMany, 0)));
            }
            let message = message.map_err(|fault| self.bad(fault))?;
            let up = Up::read(message).map_err(|fault| self.bad(fault))?;
            self.take(up, out)?;
        }
        Ok(inside)
    }

    fn deliver(&mut self) -> Result<(), Over> {
        self.waiting
            .hand_on(|message| self.space.try_tell(self.conn, message))
    }

    fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    async fn room(&self) {
        self.space.room_to_tell().await;
    }

    fn is_over(&self) -> bool {
        self.space.is_closed()
    }

    fn due(&self) -> Option<Instant> {
        self.hello_by
    }

    fn overdue(&mut self, now: Instant) -> Result<(), End> {
        match self.hello_by {
            Some(by) if by <= now => Err(End::Ours(
                close::BAD_MESSAGE.code,
                "bad_message: no HELLO came".into(),
            )),
            _ => Ok(()),
        }
    }
}

impl Presence {
    fn take(&mut self, up: Up<'_>, out: &mut Writer) -> Result<(), End> {
        let now = Instant::now();
        if let Up::Ping { id, t0 } = up {
            let at = unix_ms();
            out.push(wire::presence(&down::pong(id, t0, at, at)));
            return Ok(());
        }
        if let Up::Hello(hello) = up {
            return self.hello(&hello, now);
        }
        if self.hello_by.is_some() {
            self.metrics.presence_dropped("early");
            return Ok(());
        }
        match up {
            Up::Pose { seq, record, .. } => {
                self.poses.spend(1.0, now);
                if self.poses.debt_paid(now).is_some() {
                    self.poses.spend(-1.0, now);
                    self.metrics.presence_dropped("pose_rate");
                } else if self.slot.put(seq, record, now) == Put::Implausible {
                    self.metrics.presence_dropped("implausible");
                }
            }
            Up::View {
                zone,
                focus,
                budget_kb,
            } => self.waiting.push(FromMember::View(View {
                zone: zone.into(),
                focus,
                budget: budget_kb.saturating_mul(1000),
            })),
            Up::Rack { age_ms, .. } => {
                let late = Duration::from_millis(age_ms.into());
                if late > limits::RACK_AGE_MAX {
                    self.waiting.push(FromMember::Lags(late));
                }
            }
            Up::Bye => {
                self.waiting.push(FromMember::Bye);
                return Err(End::Ours(1000, "bye".into()));
            }
            Up::State(state) => {
                check_object(state).map_err(|fault| self.bad(fault))?;
                if self.may_say(state.len(), now) {
                    self.waiting.push(FromMember::State(state.into()));
                }
            }
            Up::Say { topic, key, data } => {
                if self.may_say(topic.len() + key.len() + data.len(), now) {
                    self.waiting.push(FromMember::Say {
                        topic: topic.into(),
                        key: key.into(),
                        data: Bytes::copy_from_slice(data),
                    });
                }
            }
            // A newer protocol's; its length is known.
            Up::Unknown(_) | Up::Ping { .. } | Up::Hello(_) => {}
        }
        Ok(())
    }

    fn hello(&mut self, hello: &Hello<'_>, now: Instant) -> Result<(), End> {
        if self.hello_by.take().is_none() {
            return Err(End::Ours(
                close::BAD_MESSAGE.code,
                "bad_message: a second HELLO".into(),
            ));
        }
        check_object(hello.state).map_err(|fault| self.bad(fault))?;
        self.poses = Bucket::new(pose_rate(hello.want_hz), now);
        self.waiting.push(FromMember::Enter(Box::new(Enter {
            lanes: self.lanes.clone(),
            slot: self.slot.clone(),
            identity: self.identity.clone(),
            token: hello.token,
            yjs: hello.yjs_client,
            state: hello.state.into(),
            budget: hello.budget_kb.saturating_mul(1000),
        })));
        Ok(())
    }

    /// Spends from what a member may say; false, and nothing spent, when it has said too much.
    fn may_say(&mut self, bytes: usize, now: Instant) -> bool {
        let bytes = bytes as f64;
        self.says.spend(1.0, now);
        self.said_bytes.spend(bytes, now);
        let much = self.says.debt_paid(now).is_some() || self.said_bytes.debt_paid(now).is_some();
        if much {
            self.says.spend(-1.0, now);
            self.said_bytes.spend(-bytes, now);
            self.metrics.presence_dropped("say_rate");
        }
        !much
    }

    fn bad(&self, fault: Fault) -> End {
        self.metrics.presence_dropped("malformed");
        End::Ours(
            close::BAD_MESSAGE.code,
            format!("{}: {fault}", close::BAD_MESSAGE.reason),
        )
    }
}

/// A state must be a JSON object: everybody else will parse it.
fn check_object(state: &str) -> Result<(), Fault> {
    match parse_state(state) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Fault::new(FaultCode::BadJson, 0)),
        Err(code) => Err(Fault::new(code, 0)),
    }
}
