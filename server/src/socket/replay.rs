//! `/replay/{space}`: orders in, what happened out. Nobody enters anything here and nothing is written: what a client of
//! `/sync` or `/presence` may say besides is not heard.

use super::{Channel, Connection, End, Over, Writer, next_conn, refuse};
use crate::metrics::Metrics;
use crate::space::lanes::Lanes;
use crate::space::replay::{Orders, Player, Start};
use crate::{App, limits};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use thexr_schema::close;
use thexr_schema::fault::Fault;
use thexr_schema::frame::REPLAY;
use thexr_schema::lib0::Reader;
use thexr_schema::replay::Order;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Each may hold a page of history and a document on its way.
static REPLAYS: Semaphore = Semaphore::const_new(limits::REPLAYS_MAX);

struct Replay {
    orders: Orders,
    metrics: Arc<Metrics>,
}

/// Serves one upgraded connection to its end.
pub async fn run(app: App, start: Start, stream: TcpStream, early: Bytes) {
    let Ok(_turn) = REPLAYS.try_acquire() else {
        app.metrics.limit("replays");
        return refuse(stream, close::TRY_LATER, &app.metrics).await;
    };
    let (conn, id) = (next_conn(), start.row.slug.clone());
    let (lanes, orders) = (Lanes::default(), Orders::default());
    let player = Player::new(start, lanes.clone(), orders.clone());
    let channel = Replay {
        orders,
        metrics: app.metrics.clone(),
    };
    let mut connection = Connection::new(channel, stream, lanes.clone(), &app.config, app.metrics.clone());
    let play = async {
        tokio::select! { biased;
            () = app.stop.cancelled() => lanes.close(close::RESTART),
            trouble = player.run() => {
                tracing::warn!(conn = conn.0, space.id = %id, %trouble, "a replay ends");
                lanes.close(crate::http::problem::close_of(&trouble));
            }
        }
        // The connection says so when it has written the rest.
        std::future::pending::<()>().await;
    };
    let end = tokio::select! {
        end = connection.live(early, &app.stop) => Some(end),
        () = play => None,
    };
    let Some(end) = end else { return };
    let code = connection.finish(end).await;
    tracing::debug!(conn = conn.0, space.id = %id, code, "replay closed");
}

impl Channel for Replay {
    const PING_EVERY: Duration = limits::PING_EVERY;
    const SILENCE_MAX: Duration = limits::SILENCE_MAX;

    fn receive(&mut self, payload: &Bytes, _out: &mut Writer) -> Result<usize, End> {
        let (mut reader, mut inside) = (Reader::new(payload), 0);
        while !reader.is_empty() {
            inside += 1;
            if reader.var_u64().map_err(|fault| self.bad(fault))? != REPLAY {
                // A stock client greets with a SyncStep1; it gets the document anyway.
                break;
            }
            let order = reader
                .bytes()
                .and_then(Order::read)
                .map_err(|fault| self.bad(fault))?;
            self.orders.put(order);
        }
        Ok(inside)
    }

    fn deliver(&mut self) -> Result<(), Over> {
        Ok(())
    }

    fn waits(&self) -> bool {
        false
    }

    async fn room(&self) {}

    fn is_over(&self) -> bool {
        false
    }
}

impl Replay {
    fn bad(&self, fault: Fault) -> End {
        self.metrics.update("malformed");
        End::Ours(
            close::BAD_MESSAGE.code,
            format!("{}: {fault}", close::BAD_MESSAGE.reason),
        )
    }
}
