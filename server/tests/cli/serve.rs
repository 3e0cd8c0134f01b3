//! `thexr serve`: layers of settings, what is refused, the banner, signals.

use super::support::{Folder, code, complaint, fill, run, stdout, thexr};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// A running server; a test that fails leaves none behind.
struct Server {
    child: Child,
    /// Where it listens.
    address: String,
    /// All of the banner.
    banner: String,
}

impl Server {
    /// Starts it and waits for the end of the banner.
    fn start(command: &mut Command) -> Self {
        let started = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut server = Self {
            child: started.expect("starts"),
            address: String::new(),
            banner: String::new(),
        };
        let mut lines = BufReader::new(server.child.stdout.take().expect("piped"));
        let mut line = String::new();
        while lines.read_line(&mut line).expect("reads") > 0 {
            if let Some(address) = line.trim_end().strip_prefix("listening on http://") {
                address.clone_into(&mut server.address);
            }
            server.banner.push_str(&line);
            if line.starts_with("Ctrl-C") {
                return server;
            }
            line.clear();
        }
        let log = server.log();
        panic!("it ended: {}{log}", server.banner)
    }

    /// Sends a signal and waits for the end: exit code and log.
    fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        let kill = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(kill.expect("runs").success());
        let log = self.log();
        (self.child.wait().expect("ends").code(), log)
    }

    /// All it logs until it ends.
    fn log(&mut self) -> String {
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().expect("piped");
        stderr.read_to_string(&mut log).expect("reads");
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_mistake_is_one_line_and_a_code_and_leaves_nothing_behind() {
    let folder = Folder::new();
    std::fs::write(folder.path("typo.toml"), "lisen = '127.0.0.1:0'").expect("writes");
    std::fs::write(folder.path("file"), "").expect("writes");
    for (args, expected, says) in [
        (&["serve", "--listen", "0.0.0.0:0"][..], 78, "THEXR_ADMIN_TOKEN"),
        (&["--listen", "nowhere"], 78, "IP address"),
        (&["--idle", "0"], 78, "idle is 0"),
        (&["--idle", "soon"], 78, "such as 30s"),
        (&["--admin-token", "short"], 78, "at least 32"),
        (&["--admin-token-file", "nowhere"], 78, "cannot read"),
        (
            &["--config", "typo.toml"],
            78,
            "typo.toml:1: unknown field `lisen`",
        ),
        (&["--config", "nowhere.toml"], 78, "cannot read"),
        (&["--log", "thexr=shout"], 78, "log is"),
        (&["--data", "file"], 78, "not a folder"),
        (&["serve", "--lisen", "127.0.0.1:0"], 64, "--listen"),
        (&["sevre"], 64, "serve"),
        (&["export"], 64, "<SPACE>"),
        (&["export", "No Space"], 64, "is no space"),
        (&["fsck"], 66, "--data"),
        (&["compact", "lobby"], 66, "--data"),
    ] {
        let output = run(&folder, args);
        let line = complaint(&output);
        assert_eq!(
            (code(&output), line.contains(says)),
            (expected, true),
            "{args:?}: {line}"
        );
        assert!(!folder.data().exists(), "{args:?} made the data folder");
    }
}

#[test]
fn help_and_version_are_answers() {
    let folder = Folder::new();
    for (args, says) in [
        (&["--help"][..], "Exit codes"),
        (&["serve", "--help"], "THEXR_COMPACT_UPDATES"),
        (&["fsck", "--help"], "--quick"),
        (&["--version"], "(yrs 0."),
    ] {
        let output = run(&folder, args);
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).contains(says), "{args:?}");
    }
    let mut with_secret = thexr(&folder);
    let output = with_secret
        .env("THEXR_ADMIN_TOKEN", "canary-canary")
        .args(["serve", "--help"])
        .output();
    assert!(!stdout(&output.expect("runs")).contains("canary"));
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let folder = Folder::new();
    std::fs::write(
        folder.path("thexr.toml"),
        "listen = 'nonsense'\ndata = 'from-file'\nidle = '1s'\nlog = 'info'\nlog_format = 'json'",
    )
    .expect("writes");
    let mut command = thexr(&folder);
    command
        .env("THEXR_CONFIG", "thexr.toml")
        .env("THEXR_DATA", "from-variable")
        .env("THEXR_LISTEN", "nonsense too")
        .args(["--listen", "127.0.0.1:0"]);
    let server = Server::start(&mut command);
    let (address, said) = (&server.address, &server.banner);
    assert!(
        address.starts_with("127.0.0.1:") && !address.ends_with(":0"),
        "{address}"
    );
    assert!(said.contains("/from-variable\n"), "{said}");
    assert!(folder.path("from-variable").is_dir() && !folder.path("from-file").exists());
    let (ended, log) = server.stop("-TERM");
    assert_eq!(ended, Some(0));
    assert!(log.starts_with("{\"timestamp\""), "the file chose JSON: {log}");

    let output = thexr(&folder)
        .env("THEXR_IDLE", "0")
        .args(["--config", "thexr.toml"])
        .output()
        .expect("runs");
    assert_eq!(code(&output), 78);
}

#[test]
fn the_made_up_token_is_in_the_banner_only_and_a_chosen_one_nowhere() {
    let folder = Folder::new();
    let server = Server::start(thexr(&folder).args(["--listen", "127.0.0.1:0", "--log", "trace"]));
    let said = server.banner.clone();
    let token = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("Admin token"))
        .expect("shown")
        .trim();
    assert_eq!(token.len(), 43);
    let (ended, log) = server.stop("-INT");
    assert_eq!(ended, Some(0));
    assert!(!log.is_empty() && !log.contains(token));

    let chosen = "0123456789abcdef0123456789abcdef";
    std::fs::write(folder.path("token"), format!("{chosen}\n")).expect("writes");
    let mut command = thexr(&folder);
    command
        .env("THEXR_ADMIN_TOKEN_FILE", "token")
        .args(["--listen", "0.0.0.0:0"]);
    let server = Server::start(&mut command);
    let said = &server.banner;
    assert!(!said.contains(chosen) && said.contains("Access"), "{said}");
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[test]
fn a_taken_port_and_a_taken_folder_have_their_codes() {
    let folder = Folder::new();
    fill(&folder.data(), "lobby", 0..1);
    let server = Server::start(thexr(&folder).args(["--listen", "127.0.0.1:0"]));
    let address = &server.address;
    let other = Folder::new();
    let output = run(&other, &["--listen", address]);
    assert_eq!(code(&output), 69);
    assert!(complaint(&output).contains(address.as_str()));
    assert!(!other.data().exists());

    for (args, instead) in [
        (&["--listen", "127.0.0.1:0"][..], ""),
        (&["compact", "lobby"], "/compact"),
        (&["export", "lobby"], "/document"),
        (&["fsck"], "copy"),
    ] {
        let output = run(&folder, args);
        let line = complaint(&output);
        assert_eq!(code(&output), 75, "{args:?}: {line}");
        assert!(line.contains("in use") && line.contains(instead), "{line}");
    }
    assert_eq!(server.stop("-TERM").0, Some(0));
}
