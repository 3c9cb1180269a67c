//! Logs: one JSON object a line, on standard output. No object body and no value ever goes in, not by a panic either.

use crate::args::LogFormat;
use std::backtrace::Backtrace;
use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use tracing_subscriber::EnvFilter;

/// Starts logging; the level comes from `RUST_LOG`, default `info`.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    // A second start in one process (tests) keeps the first subscriber.
    let _ = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stdout().is_terminal()).try_init(),
    };
    std::panic::set_hook(Box::new(report));
}

/// Where it was, not what it said: the message of a failed `unwrap` shows the very thing that was being looked at.
fn report(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    // Empty unless RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture().to_string();
    tracing::error!(place, backtrace, "a defect: panicked");
}
