//! The command line: what can be asked, how mistakes are answered, with which code the program ends.

mod compact;
mod fsck;
mod logs;
mod renew;
mod serve;
mod tool;
mod transfer;
mod webhook;

use crate::config::BadConfig;
use crate::config::settings::one_line;
use clap::error::{ContextKind, ErrorKind};
use clap::{Parser, Subcommand};
use std::ffi::OsString;

/// Ours and the engine's (a test compares that with Cargo.toml).
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (yrs ", yrs_version!(), ")");

/// Exit codes of sysexits.h.
pub mod exit {
    /// Done.
    pub const OK: u8 = 0;
    /// The command line is wrong.
    pub const USAGE: u8 = 64;
    /// Stored or given data is damaged.
    pub const DATA: u8 = 65;
    /// A file, folder or space that was named does not exist.
    pub const NO_INPUT: u8 = 66;
    /// The address cannot be listened on, or an endpoint does not take what it is sent.
    pub const UNAVAILABLE: u8 = 69;
    /// A bug.
    pub const SOFTWARE: u8 = 70;
    /// The system refuses what every program may have.
    pub const OS: u8 = 71;
    /// A file or folder cannot be made.
    pub const CANNOT_CREATE: u8 = 73;
    /// Reading or writing failed.
    pub const IO: u8 = 74;
    /// Another process holds the data folder; try again later.
    pub const TRY_LATER: u8 = 75;
    /// A setting is wrong.
    pub const CONFIG: u8 = 78;
}

const EXIT_CODES: &str = "\
Exit codes (sysexits.h):
  0 done              64 wrong command line    65 damaged data
  66 no such input    69 address in use*       70 a bug
  71 system refuses   73 cannot create         74 read or write failed
  75 folder in use    78 wrong setting
* and for `thexr webhook test`: not taken by the endpoint
";

const EXAMPLES: &str = "\
Examples:
  thexr                                  serve http://localhost:4000, keep data in ./thexr-data
  thexr serve --listen 127.0.0.1:8080    another port
  thexr export lobby -o lobby.yjs        a space as one Yjs update
  thexr fsck                             check everything that is stored
  thexr renew-epochs                     after a folder was put back from a backup
  thexr webhook test https://example.com/hook    does the endpoint take what it will be sent?

`thexr` alone is `thexr serve`. Every flag of serve can also be set by a variable (THEXR_LISTEN, THEXR_DATA, …)
and in a TOML file (--config); a flag wins over a variable, a variable over the file.
";

#[derive(Debug, Parser)]
#[command(name = "thexr", version = VERSION, about = "Shared 3D spaces that several people edit at once")]
#[command(after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (the default)
    Serve(Box<serve::Serve>),
    /// Fold the log of edits into a snapshot
    Compact(compact::Compact),
    /// Write a space's document to a file
    Export(transfer::Export),
    /// Merge a Yjs update into a space
    Import(transfer::Import),
    /// Check everything that is stored
    Fsck(fsck::Fsck),
    /// After a data folder was put back from a backup: no client merges what is newer
    RenewEpochs(renew::Renew),
    /// Try the endpoint of a webhook
    Webhook(webhook::Webhook),
}

/// Why a command did not do its work: one line for people, a code for programs.
#[derive(Debug, thiserror::Error)]
#[error("{line}")]
pub struct Failure {
    code: u8,
    line: String,
}

impl Failure {
    fn new(code: u8, line: impl Into<String>) -> Self {
        Self {
            code,
            line: line.into(),
        }
    }
}

impl From<BadConfig> for Failure {
    fn from(BadConfig(line): BadConfig) -> Self {
        Self::new(exit::CONFIG, line)
    }
}

impl From<crate::store::OpenError> for Failure {
    fn from(error: crate::store::OpenError) -> Self {
        Self::new(error.exit_code(), one_line(&error.to_string()))
    }
}

/// Runs the program and gives its exit code.
pub fn main(args: impl Iterator<Item = OsString>) -> u8 {
    let outcome = parse(args).and_then(|command| command.map_or(Ok(()), start));
    match outcome {
        Ok(()) => exit::OK,
        Err(Failure { code, line }) => {
            // An empty line means that everything was said already.
            if !line.is_empty() {
                eprintln!("thexr: {line}");
            }
            code
        }
    }
}

/// `thexr` and `thexr --flag` mean `thexr serve`. `None` when help or the version was asked for, and given.
fn parse(args: impl Iterator<Item = OsString>) -> Result<Option<Command>, Failure> {
    let mut args: Vec<OsString> = args.collect();
    let serve = match args.get(1).map(|arg| arg.to_string_lossy()) {
        None => true,
        Some(first) => first.starts_with('-') && !["-h", "--help", "-V", "--version"].contains(&&*first),
    };
    if serve {
        args.insert(1.min(args.len()), "serve".into());
    }
    match Cli::try_parse_from(args) {
        Ok(cli) => Ok(Some(cli.command)),
        Err(error) if !error.use_stderr() => {
            // Nobody may be reading any more (`thexr --help | head`).
            let _ = error.print();
            Ok(None)
        }
        Err(error) => Err(usage(&error)),
    }
}

/// A mistake on the command line as one line. Values of settings may have come from a variable as well, so what is
/// wrong with them counts as a setting.
fn usage(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let mut parts = text
        .split("\n\n")
        .map(one_line)
        .filter(|part| !part.starts_with("Usage:") && !part.starts_with("For more information"));
    let said = parts.next().unwrap_or_default();
    let tips: String = parts.map(|tip| format!("; {tip}")).collect();
    let said = said.strip_prefix("error: ").unwrap_or(&said);
    if error.kind() == ErrorKind::ValueValidation {
        return Failure::new(exit::CONFIG, format!("{said}{tips}"));
    }
    let help = match error.get(ContextKind::InvalidSubcommand) {
        Some(_) => "thexr --help lists the commands",
        None => "--help shows what there is",
    };
    Failure::new(exit::USAGE, format!("{said}{tips} ({help})"))
}

/// Runs a command on a runtime whose threads all have the stack that the engine needs.
fn start(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(crate::limits::THREAD_STACK_BYTES)
        .build()
        .map_err(|error| Failure::new(exit::OS, format!("cannot start threads: {error}")))?;
    // Spawned, because the main thread's stack is not ours to choose, and so that a bug has an exit code.
    let outcome = runtime.block_on(runtime.spawn(run(command)));
    runtime.shutdown_timeout(crate::limits::RUNTIME_END);
    outcome.unwrap_or_else(|bug| {
        let panic = bug.into_panic();
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
        let line = format!(
            "this is a bug, please report it: {}",
            one_line(said.unwrap_or("panic"))
        );
        Err(Failure::new(exit::SOFTWARE, line))
    })
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => serve::run(*args).await,
        Command::Compact(args) => compact::run(args).await,
        Command::Export(args) => transfer::export(args).await,
        Command::Import(args) => transfer::import(args).await,
        Command::Fsck(args) => fsck::run(args).await,
        Command::RenewEpochs(args) => renew::run(args).await,
        Command::Webhook(args) => webhook::run(args).await,
    }
}

#[cfg(test)]
mod tests;
