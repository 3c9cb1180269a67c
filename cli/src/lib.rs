//! The command line: args → settings → commands.
//!
//! Works with the rights of whoever runs it, never more. What a clone consists of is decided by the core
//! ([`understudy::clone`]); this crate reads the cluster, prints, and applies. One file holds the client: `cluster`.

mod args;
mod branch;
mod check;
mod cluster;
mod commands;
mod error;
mod holding;
mod printer;
mod progress;
mod registry;
mod settings;
#[cfg(test)]
mod stand_in;
mod table;
mod web;

use clap::Parser;
use std::ffi::OsString;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

/// How long a verb may take to stop by itself.
const MOMENT: Duration = Duration::from_millis(300);

/// Runs one command as typed, the program's name included, and returns its exit code.
///
/// Builds its own runtime: must not be called from within one.
pub fn run_from_args(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(answered) = commands::answer_shell(&args) {
        return answered;
    }
    let cli = match args::Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe leaves nobody to tell.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(error::Exit::Usage as u8));
        }
    };
    // Another part of the process may have chosen a provider already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let printer = printer::Printer::new(cli.global.quiet, !cli.global.no_progress);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure =
                error::Failure::new(error::Exit::Failed, "cannot start").caused_by(error.to_string());
            return failure.report(&printer);
        }
    };
    let done = runtime.block_on(interruptible(commands::run(cli, &printer)));
    // A question that nobody answered must not keep the process.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&printer),
    }
}

/// Ends `work` when somebody presses Ctrl-C.
///
/// Verbs that write listen for themselves and say how to go on; they get a moment for that. The others have nothing to undo.
async fn interruptible(work: impl Future<Output = Result<(), error::Failure>>) -> Result<(), error::Failure> {
    let mut work = pin!(work);
    tokio::select! {
        biased;
        // Asked first: somebody listens before anything is done.
        _ = tokio::signal::ctrl_c() => {}
        done = &mut work => return done,
    }
    tokio::select! {
        biased;
        done = &mut work => done,
        _ = tokio::signal::ctrl_c() => Err(error::Failure::new(error::Exit::Interrupted, "stopped")),
        () = tokio::time::sleep(MOMENT) => Err(error::Failure::new(error::Exit::Interrupted, "stopped")),
    }
}
