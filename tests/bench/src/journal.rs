//! `journal`: what it costs to say what each edit changed: the same edits with `--journal-changes` true and false.

use crate::process::{NO_COMPACTION, Process};
use crate::report::Row;
use crate::space::{self, Content};
use crate::{Run, bad_case};
use anyhow::Result;
use std::time::Instant;

/// Runs of each kind, in turn: a neighbour's pause hits one of them only.
const TURNS: usize = 5;

/// Cases: `overwrites` (drags of 100 components), `entities`, `strokes`.
pub async fn run(run: &Run, case: &str) -> Result<Vec<Row>> {
    let n = if run.smoke { 300 } else { 30_000 };
    let content = match case {
        "overwrites" => Content::Overwrites(n, 100),
        "entities" => Content::Entities(n),
        "strokes" => Content::Strokes(n),
        _ => return Err(bad_case(case)),
    };
    let mut measured = [Vec::new(), Vec::new()];
    for _ in 0..if run.smoke { 1 } else { TURNS } {
        for (n, setting) in ["true", "false"].into_iter().enumerate() {
            measured[n].push(once(content, setting).await?);
        }
    }
    let [with, without] = measured.map(median);
    Ok(vec![
        row(case, "true", &with, &without),
        row(case, "false", &without, &without),
    ])
}

/// Updates per second until all are durable, CPU per update, bytes on the disk per update.
async fn once(content: Content, setting: &str) -> Result<[f64; 3]> {
    let mut arguments = NO_COMPACTION.to_vec();
    arguments.extend(["--journal-changes", setting]);
    let server = Process::server(&arguments)?;
    // The space is there and warm before the clock runs.
    drop(space::seed(&server, Content::Entities(50)).await?.socket);
    let (from, cpu) = (Instant::now(), server.cpu_seconds());
    let seeded = space::seed_as(&server, content, space::SEEDER + 1).await?;
    let (seconds, cpu) = (from.elapsed().as_secs_f64(), server.cpu_seconds() - cpu);
    let updates = seeded.updates as f64;
    let disk: u64 = std::fs::read_dir(server.folder.path())?
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
        .sum();
    Ok([updates / seconds, cpu * 1e6 / updates, disk as f64 / updates])
}

fn median(mut rows: Vec<[f64; 3]>) -> [f64; 3] {
    std::array::from_fn(|i| {
        rows.sort_by(|a, b| a[i].total_cmp(&b[i]));
        rows[rows.len() / 2][i]
    })
}

fn row(case: &str, setting: &str, figures: &[f64; 3], base: &[f64; 3]) -> Row {
    Row::new("journal", case)
        .text("changes", setting)
        .number("throughput_ratio_to_off", figures[0] / base[0])
        .number("updates_per_s", figures[0])
        .number("server_cpu_us_per_update", figures[1])
        .number("server_cpu_ratio_to_off", figures[1] / base[1])
        .number("disk_bytes_per_update", figures[2])
}
