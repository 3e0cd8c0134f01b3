//! P12: stock y-websocket clients with moving cursors beside avatars; first quiet, then echoing as they really do.
//! The difference is what echoes cost.

use super::motion::Motion;
use super::room::{self, Room, SPACE};
use super::stock::Stock;
use super::window;
use crate::Run;
use crate::report::Row;
use anyhow::Result;
use std::rc::Rc;

/// How many cursors.
const STOCK: usize = 100;

/// One row without the echoes, one with them.
pub async fn run(run: &Run, case: &str, room: Room) -> Result<Vec<Row>> {
    let motion = Rc::new(Motion::load());
    let program = room::server(room.avatars + STOCK)?;
    let crowd = room.gather(program.addr, &motion).await?;
    let count = if run.smoke { 4 } else { STOCK };
    let stock = Stock::start(program.addr, SPACE, count).await?;
    let mut rows = Vec::new();
    let mut quiet_cpu = f64::NAN;
    for echo in [false, true] {
        stock.tally.echo.set(echo);
        tokio::time::sleep(run.warmup()).await;
        stock.open();
        let measured = window::measure(&crowd, &program, run.window()).await;
        let cursors = stock.close();
        if !echo {
            quiet_cpu = measured.server_cpu_percent;
        }
        let per_s = |n: u64| n as f64 / measured.seconds;
        let row = room
            .row(case, &motion)
            .text("echo", if echo { "yes" } else { "no" });
        rows.push(
            measured
                .onto(row)
                .number(
                    "echo_cpu_percent",
                    if echo {
                        measured.server_cpu_percent - quiet_cpu
                    } else {
                        0.0
                    },
                )
                .number("cursor_p50_ms", cursors.latency.percentile_ms(50.0))
                .number("cursor_p99_ms", cursors.latency.percentile_ms(99.0))
                .number("awareness_frames_per_s", per_s(cursors.counts.frames))
                .number("awareness_entries_per_s", per_s(cursors.counts.entries))
                .number("echoed_entries_per_s", per_s(cursors.counts.echoed))
                .number("synthetic_entries_per_s", per_s(cursors.counts.synthetic))
                .number("strange_entries", cursors.counts.strange as f64)
                .number("unreadable_messages", cursors.counts.broken as f64)
                .number("stock_clients_ended", f64::from(cursors.ended)),
        );
    }
    crowd.shared.sound()?;
    Ok(rows)
}
