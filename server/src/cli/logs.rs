//! Where log lines go: stderr, always; stdout is for what a command is asked for.

use super::Failure;
use crate::config::BadConfig;
use crate::config::settings::LogFormat;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging. A filter that says nothing is a mistake, not silence.
pub(super) fn start(filter: &str, format: LogFormat) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| BadConfig(format!("log is {filter:?}: {error}; try info or thexr=debug")))?;
    let colors = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colors);
    let started = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
    };
    // A second start in one process (tests) keeps the first.
    let _ = started;
    Ok(())
}

/// Logging of the offline commands: errors, unless a variable asks for more. What they find they print themselves,
/// a panic of the engine on damaged data included.
pub(super) fn tools() -> Result<(), Failure> {
    let asked = ["THEXR_LOG", "RUST_LOG"].map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let filter = asked.into_iter().flatten().next();
    start(filter.as_deref().unwrap_or("off"), LogFormat::Text)?;
    panics();
    Ok(())
}

/// A panic is one log line. Its message may quote data, so it is cut.
pub(super) fn panics() {
    std::panic::set_hook(Box::new(|panic| {
        let said = panic.payload_as_str().unwrap_or("");
        let said: String = said.chars().take(200).collect();
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(at, said, "panic");
    }));
}
