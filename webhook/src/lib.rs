//! Admission and the controllers: two programs of one image around the core.
//!
//! `serve` answers the API server; it writes nothing. `control` is the leader: it seals previews, makes their branches,
//! lifts gates, ends leases and keeps the certificates. They run as separate Deployments with separate ServiceAccounts,
//! so that a controller that runs out of memory cannot stop admission, and so that neither holds the other's rights.

mod args;
mod control;
mod facts;
mod health;
pub mod http;
mod logs;
mod metrics;
mod pair;
mod provider;
mod serve;
mod shutdown;
mod start;

pub use args::LogFormat;
pub use logs::start as start_logs;
pub use provider::{BranchId, Outcome, Provider, ProviderError, postgres};
pub use serve::{Gather, Reviewer};

use clap::Parser;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the program with `arguments` (the first one is its name) until it is told to stop.
pub fn run_from_args(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match args::Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    logs::start(args.log_format);
    // Two providers could be compiled in by features; rustls then refuses to choose.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "failed to start the runtime");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        match args.command {
            args::Command::Serve(settings) => serve::run(settings).await,
            args::Command::Control(settings) => control::run(settings).await,
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "stopped");
            ExitCode::FAILURE
        }
    }
}
