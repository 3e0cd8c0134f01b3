//! `/sync/{space}`: y-websocket messages in, checked by the scanner here, off the space's actor. Nothing unscanned
//! passes.

use super::waiting::Waiting;
use super::{Channel, Connection, End, Over, Writer, next_conn, refuse};
use crate::metrics::Metrics;
use crate::space::doc::CheckedUpdate;
use crate::space::lanes::Lanes;
use crate::space::roster::Identity;
use crate::space::{ConnId, Inbound, Join, SpaceHandle};
use crate::{App, limits, wire};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use thexr_schema::close;
use thexr_schema::fault::{Fault, FaultCode};
use thexr_schema::frame::{self, Message, Messages};
use thexr_schema::ids::SpaceId;
use thexr_schema::limits::MESSAGES_PER_FRAME_MAX;
use thexr_schema::scan;
use tokio::net::TcpStream;

struct Sync {
    conn: ConnId,
    space: SpaceHandle,
    waiting: Waiting<Inbound>,
    metrics: Arc<Metrics>,
}

/// Who dials, and for what.
pub struct Dial {
    /// Who is behind the connection, when that is known.
    pub identity: Option<Identity>,
    /// The history that the client has a copy of, when it wants to be told of another one; empty when it has none.
    pub epoch: Option<String>,
}

/// Serves one upgraded connection to its end. `early` is what came in together with the request.
pub async fn run(app: App, id: SpaceId, dial: Dial, stream: TcpStream, early: Bytes) {
    let conn = next_conn();
    let lanes = Lanes::default();
    let join = Join {
        conn,
        lanes: lanes.clone(),
        identity: dial.identity.map(Arc::new),
    };
    let space = match app.spaces.join(&id, &join).await {
        Ok(space) => space,
        Err(trouble) => return refuse(stream, crate::http::problem::close_of(&trouble), &app.metrics).await,
    };
    // Nothing that it says has been read yet: it may belong to another history.
    let known = dial.epoch.as_deref().filter(|known| !known.is_empty());
    if known.is_some_and(|known| known != space.epoch()) {
        space.leave(conn).await;
        return refuse(stream, close::EPOCH_CHANGED, &app.metrics).await;
    }
    if dial.epoch.is_some() {
        // A lane that is full has closed itself.
        let _ = lanes.push(wire::message(&frame::epoch(space.epoch())));
    }
    let channel = Sync {
        conn,
        space: space.clone(),
        waiting: Waiting::default(),
        metrics: app.metrics.clone(),
    };
    let mut connection = Connection::new(channel, stream, lanes, &app.config, app.metrics.clone());
    let end = connection.live(early, &app.stop).await;
    // Leave first: the space must not go on filling lanes that nobody drains.
    space.leave(conn).await;
    let code = connection.finish(end).await;
    tracing::debug!(conn = conn.0, space.id = %id, code, "closed");
}

impl Channel for Sync {
    const PING_EVERY: Duration = limits::PING_EVERY;
    const SILENCE_MAX: Duration = limits::SILENCE_MAX;

    /// Splits one WebSocket payload (several messages may share one) and checks each.
    fn receive(&mut self, payload: &Bytes, _out: &mut Writer) -> Result<usize, End> {
        let mut inside = 0;
        for message in Messages::new(payload) {
            inside += 1;
            if inside > MESSAGES_PER_FRAME_MAX {
                return Err(self.bad(Fault::new(FaultCode::TooMany, 0)));
            }
            let message = message.map_err(|fault| self.bad(fault))?;
            let own = |part: &[u8]| payload.slice_ref(part);
            let inbound = match message {
                Message::SyncStep1(state_vector) => {
                    self.metrics.message("sync_step1");
                    Inbound::SyncStep1(
                        scan::scan_state_vector(state_vector).map_err(|fault| self.bad(fault))?,
                    )
                }
                Message::SyncStep2(update) => {
                    self.metrics.message("sync_step2");
                    Inbound::SyncStep2(CheckedUpdate::parse(own(update)).map_err(|fault| self.bad(fault))?)
                }
                Message::Update(update) => {
                    self.metrics.message("update");
                    let update = CheckedUpdate::parse(own(update)).map_err(|fault| self.bad(fault))?;
                    if update.is_empty() {
                        continue;
                    }
                    Inbound::Update(update)
                }
                Message::Awareness(update) => {
                    self.metrics.message("awareness");
                    // The space looks at it: most of it is echoes that it drops by their clock.
                    Inbound::Awareness(own(update))
                }
                Message::QueryAwareness => {
                    self.metrics.message("query_awareness");
                    Inbound::QueryAwareness
                }
                Message::Ack(payload) => {
                    self.metrics.message("ack");
                    Inbound::Ack(own(payload))
                }
                // Only a server says it; presence has a channel of its own; anything else may be of a newer
                // protocol, and a stock server skips it too (SPEC W7).
                Message::Auth | Message::Unknown(_) => continue,
            };
            self.waiting.push(inbound);
        }
        Ok(inside)
    }

    #[expect(
        clippy::result_large_err,
        reason = "the message itself comes back, no copy in a box"
    )]
    fn deliver(&mut self) -> Result<(), Over> {
        self.waiting
            .hand_on(|message| self.space.try_deliver(self.conn, message))
    }

    fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    async fn room(&self) {
        if let Some(message) = self.waiting.front() {
            self.space.room(message).await;
        }
    }

    fn is_over(&self) -> bool {
        self.space.is_closed()
    }
}

impl Sync {
    fn bad(&self, fault: Fault) -> End {
        self.metrics.update("malformed");
        End::Ours(
            close::BAD_MESSAGE.code,
            format!("{}: {fault}", close::BAD_MESSAGE.reason),
        )
    }
}
