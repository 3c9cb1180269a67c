//! `cargo demo`: the main job on the sample golden, narrated, on a real control plane.

use std::process::ExitCode;

use clap::Parser;
use understudy_tests::{demo, programs};

/// The main job, from the golden to the end of a lease, on a control plane of its own.
#[derive(Parser)]
#[command(name = "cargo demo", bin_name = "cargo demo")]
struct Arguments {
    /// Leave everything running at the end, and say how to look around
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    if let Some(code) = programs::dispatch() {
        return code;
    }
    let arguments = Arguments::parse();
    match demo::run(arguments.keep) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error}");
            error
                .chain()
                .skip(1)
                .for_each(|cause| eprintln!("caused by: {cause}"));
            ExitCode::FAILURE
        }
    }
}
