//! `understudy`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    understudy_cli::run_from_args(std::env::args_os())
}
