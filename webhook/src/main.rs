//! The program `understudy-webhook`; see the library.

use mimalloc::MiMalloc;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    understudy_webhook::run_from_args(std::env::args_os())
}
