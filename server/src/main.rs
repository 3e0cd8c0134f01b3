//! The program: reads the command line, runs it, exits with a code of sysexits.h.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(thexr::cli::main(std::env::args_os()))
}
