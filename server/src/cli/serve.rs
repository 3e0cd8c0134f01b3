//! `thexr serve`: settings to a running server, a banner, and an orderly end.

use super::{Failure, exit, logs};
use crate::config::settings::Settings;
use crate::config::{Config, Secret};
use crate::limits;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

const HELP: &str = "\
A flag wins over its variable, a variable over the file, the file over the default. In the file the keys are the
flags' names with _ (compact_bytes = \"4MiB\"); an unknown key is an error.

Sizes: 64MiB, 8MB, 1000 (bytes). Times: 500ms, 30s, 10m, 1h, 30 (seconds). A limit of 0 is refused.

On 127.0.0.1 without an admin token, one is made up at every start and shown in the banner. On an address that other
machines can reach, the server refuses to start without one, unless THEXR_INSECURE_OPEN=i-understand.

SIGTERM or Ctrl-C stops in order: commits finish, clients are told to come back. A second one ends at once, which
is safe: what a client was told is saved is on the disk.

Examples:
  thexr serve --listen 127.0.0.1:0 --data /tmp/try
  THEXR_ADMIN_TOKEN=$(openssl rand -hex 32) thexr serve --listen 0.0.0.0:4000
  thexr serve --config /etc/thexr.toml --log-format json
";

/// Flags of `thexr serve`.
#[derive(Debug, clap::Args)]
#[command(next_line_help = true, after_help = format!("{HELP}\n{}", super::EXIT_CODES))]
pub(super) struct Serve {
    /// A TOML file with any of these settings
    #[arg(long, value_name = "FILE", env = "THEXR_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Many systems start programs with 1,024 descriptors although they allow far more, and a connection takes one.
fn raise_descriptors(connections_max: usize) {
    let wanted = connections_max as u64 + limits::DESCRIPTORS_BESIDE_CONNECTIONS;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(got) if got < wanted => tracing::warn!(
            allowed = got,
            wanted,
            "the system allows fewer open files than connections_max needs: raise LimitNOFILE or lower connections_max"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
}

/// Variables that look like settings of ours and are none, such as a misspelt one.
fn unknown_variables(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let command = <Serve as clap::Args>::augment_args(clap::Command::new("serve"));
    let known = |name: &str| {
        name == "THEXR_INSECURE_OPEN"
            || command
                .get_arguments()
                .any(|arg| arg.get_env().is_some_and(|env| env == name))
    };
    let ours = names.filter_map(|name| name.into_string().ok());
    ours.filter(|name| name.starts_with("THEXR_") && !known(name))
        .collect()
}

/// Serves until a signal says stop.
#[expect(
    clippy::disallowed_methods,
    reason = "a second signal means now; what was acknowledged is on the disk"
)]
pub(super) async fn run(args: Serve) -> Result<(), Failure> {
    let env = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut settings = args.settings;
    settings.log = settings.log.or_else(|| env("RUST_LOG"));
    if let Some(file) = &args.config {
        settings = settings.over(Settings::read(file)?);
    }
    let mut config = settings.check(env("THEXR_INSECURE_OPEN").as_deref())?;
    logs::start(
        settings.log.as_deref().unwrap_or("info"),
        settings.log_format.unwrap_or_default(),
    )?;
    logs::panics();
    for name in ["DATABASE_URL", "NATS_URL"] {
        if env(name).is_some() {
            tracing::warn!("{name} is set and ignored: this version keeps everything in the data folder");
        }
    }
    for name in unknown_variables(std::env::vars_os().map(|(name, _)| name)) {
        tracing::warn!("{name} is set and ignored: there is no such setting");
    }
    let made_up = config.listen.ip().is_loopback() && config.admin_token.is_none();
    if made_up {
        config.admin_token = Some(Secret::random());
    }

    raise_descriptors(config.connections_max);
    let mut signals = Signals::new().map_err(|e| Failure::new(exit::OS, format!("no signals: {e}")))?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| cannot_listen(config.listen, &error))?;
    let address = listener
        .local_addr()
        .map_err(|error| cannot_listen(config.listen, &error))?;
    let stop = CancellationToken::new();
    let banner_config = config.clone();
    let (app, writers) = crate::open(config, stop.clone()).await?;
    // Whoever started us may have closed stdout; that is no reason to stop.
    let _ = std::io::stdout().write_all(banner(address, &banner_config, made_up).as_bytes());
    tracing::info!(version = super::VERSION, %address, "serving");

    let server = crate::run(app, writers, listener);
    let stopping = async {
        let first = signals.next().await;
        tracing::info!(signal = first.name, "stopping");
        stop.cancel();
        tokio::select! {
            second = signals.next() => std::process::exit(second.code),
            () = tokio::time::sleep(limits::STOP_MAX) => {}
        }
    };
    tokio::select! { biased;
        () = stopping => Err(Failure::new(
            exit::SOFTWARE,
            format!("not everything had ended {} s after the signal; what was acknowledged is saved", limits::STOP_MAX.as_secs()),
        )),
        () = server => {
            tracing::info!("stopped");
            Ok(())
        }
    }
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Failure {
    let why = match error.kind() {
        std::io::ErrorKind::AddrInUse => "the address is in use; choose another with --listen".into(),
        std::io::ErrorKind::PermissionDenied => "not permitted; ports below 1024 are for root".into(),
        _ => error.to_string(),
    };
    Failure::new(exit::UNAVAILABLE, format!("cannot listen on {address}: {why}"))
}

/// What a person sees at the start. Programs wait for the line `listening on http://…`.
fn banner(address: SocketAddr, config: &Config, made_up: bool) -> String {
    let reach = if address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    };
    let data = std::fs::canonicalize(&config.data).unwrap_or_else(|_| config.data.clone());
    let mut text = format!(
        "thexr {}\nlistening on http://{address}\n\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    line("Spaces", &format!("http://{reach}/"));
    line("API", &format!("http://{reach}/openapi.json"));
    line("WebSocket", &format!("ws://{reach}/sync/{{space}}"));
    line("Data", &data.display().to_string());
    if let (true, Some(token)) = (made_up, &config.admin_token) {
        line("Admin token", token.expose());
        line("", "(new at every start; THEXR_ADMIN_TOKEN keeps one)");
    }
    if !address.ip().is_loopback() {
        line(
            "Access",
            "everybody who reaches this address can read and edit every space",
        );
    }
    text.push_str("\nCtrl-C stops the server.\n\n");
    text
}

/// The two signals that stop the server.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

struct Stop {
    name: &'static str,
    /// What a shell shows for a process that a signal ended.
    code: i32,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop { name: "SIGINT", code: 130 },
            _ = self.terminate.recv() => Stop { name: "SIGTERM", code: 143 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_has_the_line_that_programs_wait_for() {
        let config = Config {
            admin_token: Some(Secret::new("made-up")),
            ..Config::default()
        };
        let text = banner(SocketAddr::from(([127, 0, 0, 1], 4123)), &config, true);
        assert!(
            text.lines()
                .any(|line| line == "listening on http://127.0.0.1:4123"),
            "{text}"
        );
        assert!(text.contains("made-up") && text.contains("ws://127.0.0.1:4123/sync/{space}"));
        assert!(!text.contains("Access"));
    }

    /// Regression: a misspelt variable did nothing, silently.
    #[test]
    fn a_variable_that_is_no_setting_is_noticed() {
        let names = [
            "THEXR_IDEL",
            "THEXR_IDLE",
            "THEXR_CONFIG",
            "THEXR_INSECURE_OPEN",
            "PATH",
        ];
        let unknown = unknown_variables(names.into_iter().map(OsString::from));
        assert_eq!(unknown, ["THEXR_IDEL"]);
    }

    #[test]
    fn a_chosen_token_is_never_shown_and_open_access_is() {
        let config = Config {
            admin_token: Some(Secret::new("chosen")),
            ..Config::default()
        };
        let text = banner(SocketAddr::from(([0, 0, 0, 0], 4000)), &config, false);
        assert!(!text.contains("chosen") && text.contains("Access"), "{text}");
        assert!(text.contains("http://localhost:4000/openapi.json"));
    }
}
