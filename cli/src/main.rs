//! `understudy`: see the library.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// That of `understudy-webhook`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    understudy_cli::run_from_args(std::env::args_os())
}
