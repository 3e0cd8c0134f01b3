//! From payload to checked messages: the scanner runs here, off the space's actor. Nothing unscanned passes.

use super::{Connection, End};
use crate::space::Inbound;
use crate::space::doc::CheckedUpdate;
use bytes::Bytes;
use thexr_schema::close;
use thexr_schema::fault::Fault;
use thexr_schema::frame::{Message, Messages};
use thexr_schema::scan;

impl Connection {
    /// Splits one WebSocket payload (several messages may share one) and checks each.
    pub(super) fn check(&mut self, payload: &Bytes) -> Result<(), End> {
        for message in Messages::new(payload) {
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
                    scan::scan_awareness(update).map_err(|fault| self.bad(fault))?;
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
            self.waiting.push_back(inbound);
        }
        self.deliver()
    }

    fn bad(&self, fault: Fault) -> End {
        self.metrics.update("malformed");
        End::Ours(
            close::BAD_MESSAGE.code,
            format!("{}: {fault}", close::BAD_MESSAGE.reason),
        )
    }
}
