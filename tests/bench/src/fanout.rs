//! `fanout`: one room, a few write, everybody receives; then twice as much until it no longer keeps up.

use crate::load::{self, Load, Measured};
use crate::process::Process;
use crate::report::Row;
use crate::{Run, parse};
use anyhow::Result;
use std::time::Duration;

const WRITERS: usize = 10;
/// A ramp has found the limit when this is exceeded.
const P99_MAX_MS: f64 = 100.0;
/// Or when less than this share arrives within the window.
const DELIVERED_MIN_PERCENT: f64 = 95.0;
const RAMP_FROM: f64 = 1_000.0;
const RAMP_STEPS_MAX: i32 = 10;

/// Cases: `CLIENTSxWRITES_PER_SECOND`, or `ramp`.
pub async fn run(run: &Run, case: &str) -> Result<Vec<Row>> {
    if case == "ramp" {
        return ramp(run).await;
    }
    let (clients, rate) = parse(
        case,
        case.split_once('x')
            .and_then(|(c, r)| Some((c.parse().ok()?, r.parse().ok()?))),
    )?;
    let load = Load {
        clients,
        writers: WRITERS.min(clients),
        rate,
        warmup: run.warmup(),
        window: run.window(),
        newcomer: false,
    };
    let relay = load::run(&Process::relay()?, "bench", load).await?;
    let server = load::run(
        &Process::server(&[])?,
        "bench",
        Load {
            newcomer: true,
            ..load
        },
    )
    .await?;
    let base = relay.cpu_us_per_delivery();
    Ok(vec![
        row(case, "thexr", load, &server, base).number("newcomer_synced_ms", server.newcomer_ms),
        row(case, "relay", load, &relay, base).number("newcomer_synced_ms", relay.newcomer_ms),
    ])
}

fn row(case: &str, program: &str, load: Load, m: &Measured, base: f64) -> Row {
    Row::new("fanout", case)
        .text("server", program)
        .number("server_cpu_us_per_delivery", m.cpu_us_per_delivery())
        .number("server_cpu_ratio_to_relay", m.cpu_us_per_delivery() / base)
        .number("latency_p50_ms", m.latency.percentile_ms(50.0))
        .number("latency_p99_ms", m.latency.percentile_ms(99.0))
        .number("latency_max_ms", m.latency.max_ms())
        .number("delivered_per_s", m.delivered / m.seconds)
        .number("delivered_percent", m.delivered_percent(load.clients))
        .number("server_cpu_percent", m.server_cpu / m.seconds * 100.0)
        .number("generator_cpu_percent", m.generator_cpu / m.seconds * 100.0)
}

/// Doubles the rate until the p99 or the deliveries say that it is too much; the last good step is the row.
async fn ramp(run: &Run) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let steps = if run.smoke { 1 } else { RAMP_STEPS_MAX };
    for program in ["thexr", "relay"] {
        let mut best = None;
        for rate in (0..steps).map(|step| RAMP_FROM * 2f64.powi(step)) {
            let rate = if run.smoke { 50.0 } else { rate };
            let mut measured = attempt(run, program, rate).await?;
            // Once more: on a shared machine one pause of a neighbour is enough to miss the mark.
            if measured.is_none() {
                measured = attempt(run, program, rate).await?;
            }
            let Some(measured) = measured else { break };
            best = Some((rate, measured));
        }
        let row = Row::new("fanout", "ramp").text("server", program);
        // A row without figures says that not even the first step was kept up with.
        let figures = best.map_or([f64::NAN; 6], |(rate, m)| {
            [
                m.delivered / m.seconds,
                rate,
                m.latency.percentile_ms(99.0),
                m.cpu_us_per_delivery(),
                m.server_cpu / m.seconds * 100.0,
                m.generator_cpu / m.seconds * 100.0,
            ]
        });
        let keys = [
            "delivered_per_s_at_p99_100ms",
            "writes_per_s",
            "latency_p99_ms",
            "server_cpu_us_per_delivery",
            "server_cpu_percent",
            "generator_cpu_percent",
        ];
        rows.push(
            keys.iter()
                .zip(figures)
                .fold(row, |row, (key, figure)| row.number(key, figure)),
        );
    }
    Ok(rows)
}

/// One step of the ramp; none when it was too much. A fresh process each time, so that no step pays for the backlog
/// of the one before.
async fn attempt(run: &Run, program: &str, rate: f64) -> Result<Option<Measured>> {
    let load = Load {
        clients: if run.smoke { 5 } else { 50 },
        writers: if run.smoke { 2 } else { WRITERS },
        rate,
        warmup: run.warmup(),
        window: run.window().min(Duration::from_secs(3)),
        newcomer: false,
    };
    let process = if program == "relay" {
        Process::relay()?
    } else {
        Process::server(&[])?
    };
    // Overloaded, a server may close connections: that is a limit like another.
    let m = match load::run(&process, "bench", load).await {
        Ok(m) => m,
        Err(error) => {
            eprintln!("  {program} {rate:.0} writes/s: {error:#}");
            return Ok(None);
        }
    };
    let (p99, delivered) = (m.latency.percentile_ms(99.0), m.delivered_percent(load.clients));
    eprintln!(
        "  {program} {rate:.0} writes/s: p99 {p99:.1} ms, {delivered:.1} % delivered, server at {:.0} %, generator at {:.0} %",
        m.server_cpu / m.seconds * 100.0,
        m.generator_cpu / m.seconds * 100.0
    );
    // The smoke run asks for rows only, on however slow a machine.
    let kept_up = p99 <= P99_MAX_MS && delivered >= DELIVERED_MIN_PERCENT;
    Ok((run.smoke || kept_up).then_some(m))
}
