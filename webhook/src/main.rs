//! The program `understudy-webhook`; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    understudy_webhook::run_from_args(std::env::args_os())
}
