//! Commands as people type them, and mistakes as they are answered.

use super::*;

fn parsed(args: &[&str]) -> Result<Option<Command>, Failure> {
    parse(args.iter().map(OsString::from))
}

#[test]
fn the_command_line_is_consistent() {
    use clap::CommandFactory;
    Cli::command().debug_assert();
}

#[test]
fn no_command_means_serve() {
    for args in [
        &["thexr"][..],
        &["thexr", "--listen", "127.0.0.1:0"],
        &["thexr", "serve"],
    ] {
        assert!(matches!(parsed(args), Ok(Some(Command::Serve(_)))), "{args:?}");
    }
}

#[test]
fn a_mistake_is_one_line_and_a_code() {
    for (args, code) in [
        (&["thexr", "serv"][..], exit::USAGE),
        (&["thexr", "serve", "--lisen", "x"], exit::USAGE),
        (&["thexr", "serve", "--listen"], exit::USAGE),
        (&["thexr", "serve", "extra"], exit::USAGE),
        (&["thexr", "serve", "--idle", "soon"], exit::CONFIG),
        (&["thexr", "serve", "--log-format", "xml"], exit::CONFIG),
        (&["thexr", "serve", "--compact-updates", "-1"], exit::USAGE),
    ] {
        let failure = parsed(args).expect_err("is refused");
        assert_eq!(failure.code, code, "{args:?}: {failure}");
        assert!(
            !failure.line.contains('\n') && !failure.line.is_empty(),
            "{failure}"
        );
    }
}

#[test]
fn the_version_names_the_engine_that_is_built_in() {
    let manifest = include_str!("../../Cargo.toml");
    let (_, rest) = manifest.split_once("yrs = \"=").expect("pinned");
    let (engine, _) = rest.split_once('"').expect("quoted");
    assert!(VERSION.ends_with(&format!("(yrs {engine})")), "{VERSION}");
}

/// Regression: 71 was missing.
#[test]
fn the_help_lists_every_exit_code() {
    for code in [
        exit::OK,
        exit::USAGE,
        exit::DATA,
        exit::NO_INPUT,
        exit::UNAVAILABLE,
        exit::SOFTWARE,
        exit::OS,
        exit::CANNOT_CREATE,
        exit::IO,
        exit::TRY_LATER,
        exit::CONFIG,
    ] {
        let listed = EXIT_CODES.lines().skip(1).flat_map(|line| line.split("  "));
        let found = listed
            .map(str::trim)
            .any(|entry| entry.starts_with(&format!("{code} ")));
        assert!(found, "{code}");
    }
}
