//! Measures the server from outside. Every figure comes with that of a raw relay or of a quiet moment from the same
//! run, because absolute figures belong to a machine. Nothing is asserted about speed: what is broken ends with an
//! error, what is slow is reported.

mod apply;
mod coldload;
mod compaction;
mod fanout;
mod histogram;
mod journal;
mod load;
mod machine;
mod memory;
mod past;
mod presence;
mod process;
mod relay;
mod report;
mod space;
mod storm;
mod ws;
mod yjs;

use anyhow::{Context, Result, anyhow, bail, ensure};
use report::Row;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Names, cases of a full run, cases of the smoke run, and what is measured.
const BENCHES: [(&str, &[&str], &[&str], &str); 9] = [
    (
        "fanout",
        &["50x200", "50x1000", "ramp"],
        &["6x60", "ramp"],
        "CLIENTSxWRITES/s in one space from 10 writers: latency, CPU per delivered update; ramp doubles the rate",
    ),
    (
        "apply",
        &["1k", "10k", "100k"],
        &["200"],
        "scan, apply and commit of one update, in a document of N entities",
    ),
    (
        "coldload",
        &["1k", "10k", "100k"],
        &["200"],
        "after a restart: until one client, and the last of 50, has N entities",
    ),
    (
        "compaction",
        &["1k", "10k", "100k", "overwrites"],
        &["200", "overwrites"],
        "size and duration for N entities or 100k overwrites of 100 keys, and what a live editor feels",
    ),
    (
        "past",
        &["1k", "10k"],
        &["200"],
        "the document of any of the last 100,000 updates of N entities, against a cold load, by distance from a snapshot",
    ),
    (
        "journal",
        &["overwrites", "entities", "strokes"],
        &["overwrites", "strokes"],
        "throughput and CPU with and without saying what each edit changed",
    ),
    (
        "memory",
        &["connections", "documents"],
        &["connections", "documents"],
        "per idle connection (1,000 in 1 and in 100 spaces), per entity, per stroke",
    ),
    (
        "storm",
        &["same", "distinct", "restart"],
        &["same", "distinct", "restart"],
        "200 clients back at once with state vectors",
    ),
    (
        "presence",
        &["p1", "p2", "p3", "p4", "p5", "p6", "p8", "p9", "p10", "p12"],
        &["p4", "p8", "p9", "p10", "p11", "p12", "p13"],
        "avatars at 20 Hz: staleness, CPU, bytes; p7 (5,000), p11 (hostile), p13 (journal) on demand; 300x50 = 300 in 50 m",
    ),
];

/// Cases that only `all` and their own name run: they take long, or need the machine for themselves.
const ON_DEMAND: [(&str, &[&str]); 1] = [("presence", &["p7", "p11", "p13"])];

/// How this run goes.
pub struct Run {
    /// Tiny: shows only that rows come out.
    pub smoke: bool,
    /// Length of a measured window.
    seconds: f64,
}

impl Run {
    /// How long a load runs before it counts.
    pub fn warmup(&self) -> Duration {
        Duration::from_millis(if self.smoke { 100 } else { 1_000 })
    }

    /// How long it counts.
    pub fn window(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

/// What the command line says.
struct Arguments {
    name: String,
    case: Option<String>,
    json: Option<PathBuf>,
    reps: usize,
    seconds: f64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty()
        || arguments
            .iter()
            .any(|a| a == "--help" || a == "-h" || a == "help")
    {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &[String]) -> Result<()> {
    if arguments[0] != "relay" {
        process::pin_self();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    if arguments[0] == "relay" {
        return runtime.block_on(local.run_until(relay::run()));
    }
    let arguments = parse_arguments(arguments)?;
    runtime.block_on(local.run_until(measure(arguments)))
}

async fn measure(arguments: Arguments) -> Result<()> {
    let smoke = arguments.name == "smoke";
    let run = Run {
        smoke,
        seconds: arguments.seconds,
    };
    let machine = machine::Machine::look(machine::our_cpu_seconds());
    let mut rows = Vec::new();
    for (name, cases, smoke_cases, _) in BENCHES {
        if !smoke && arguments.name != "all" && arguments.name != name {
            continue;
        }
        let mut cases: Vec<&str> = match &arguments.case {
            Some(case) => vec![case],
            None if smoke => smoke_cases.to_vec(),
            None => cases.to_vec(),
        };
        if arguments.name == "all" {
            let more = ON_DEMAND.iter().filter(|(of, _)| *of == name);
            cases.extend(more.flat_map(|(_, cases)| *cases));
        }
        for case in cases {
            let mut repetitions = Vec::new();
            for n in 1..=arguments.reps {
                eprintln!("{name} {case}: repetition {n} of {}", arguments.reps);
                let these = repetition(&run, name, case).await;
                repetitions.push(these.with_context(|| format!("{name} {case}"))?);
            }
            let folded = report::fold(&repetitions)?;
            ensure!(!folded.is_empty(), "{name} {case} gave no rows");
            rows.extend(folded);
        }
    }
    let verdict = machine.verdict(machine::our_cpu_seconds());
    println!("\n{}", report::table(&rows));
    println!("machine: {}", verdict.line);
    for warning in &verdict.warnings {
        println!("warning: {warning}");
    }
    if let Some(file) = arguments.json {
        report::write_json(&file, &rows, &verdict)?;
    }
    Ok(())
}

async fn repetition(run: &Run, name: &str, case: &str) -> Result<Vec<Row>> {
    match name {
        "fanout" => fanout::run(run, case).await,
        "apply" => apply::run(run, case).await,
        "coldload" => coldload::run(run, case).await,
        "compaction" => compaction::run(run, case).await,
        "past" => past::run(run, case).await,
        "journal" => journal::run(run, case).await,
        "memory" => memory::run(run, case).await,
        "storm" => storm::run(run, case).await,
        "presence" => presence::run(run, case).await,
        _ => bail!("no benchmark {name}"),
    }
}

/// The error for a case that a benchmark does not know.
pub fn bad_case(case: &str) -> anyhow::Error {
    anyhow!("no case {case}; --help lists them")
}

/// What was read from a case, or that error.
pub fn parse<T>(case: &str, read: Option<T>) -> Result<T> {
    read.ok_or_else(|| bad_case(case))
}

fn parse_arguments(given: &[String]) -> Result<Arguments> {
    let smoke = given[0] == "smoke";
    let mut arguments = Arguments {
        name: given[0].clone(),
        case: None,
        json: None,
        reps: if smoke { 1 } else { 3 },
        seconds: if smoke { 0.3 } else { 5.0 },
    };
    ensure!(
        smoke || given[0] == "all" || BENCHES.iter().any(|bench| bench.0 == given[0]),
        "no benchmark {}; --help lists them",
        given[0]
    );
    let mut rest = given[1..].iter();
    while let Some(word) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "--json" => arguments.json = Some(value()?.into()),
            "--reps" => arguments.reps = value()?.parse().context("--reps is a number")?,
            "--seconds" => arguments.seconds = value()?.parse().context("--seconds is a number")?,
            flag if flag.starts_with('-') => bail!("no flag {flag}; --help lists them"),
            case if arguments.case.is_none() && !smoke && given[0] != "all" => {
                arguments.case = Some(case.into())
            }
            more => bail!("{more} is one word too many"),
        }
    }
    ensure!(
        arguments.reps > 0 && arguments.seconds > 0.0,
        "--reps and --seconds are above 0"
    );
    Ok(arguments)
}

fn help() -> String {
    let mut text = String::from(
        "tests/bench/run NAME [CASE] [--json FILE] [--reps 3] [--seconds 5]\n\n\
         The server runs alone on core 0, the load on core 1, over loopback, with fsync. Figures are medians of the\n\
         repetitions; spread_percent is how far the repetitions of the row's first figure lie apart.\n\n",
    );
    for (name, cases, _, what) in BENCHES {
        text += &format!("  {name:<11} {}\n              {what}\n", cases.join(", "));
    }
    text += "  all         every benchmark with every case (about half an hour)\n  \
             smoke       every benchmark, tiny, unoptimised: shows only that rows come out\n\n\
             Other numbers work too: fanout 200x50, coldload 3k. --json writes one object per row and line.\n\
             THEXR_BIN is the server to measure; THEXR_BENCH_NO_BUILD=1 takes what is built.\n";
    text
}
