//! Logs: one JSON object a line, on standard output. No object body and no value ever goes in, not by a panic either.

use crate::args::LogFormat;
use std::backtrace::Backtrace;
use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging; the level comes from `RUST_LOG`, default `info`.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    // Beside that filter and not a directive in it, which one for a single module would overrule.
    let limit = filter_fn(may_be_said);
    // A second start in one process (tests) keeps the first subscriber.
    let _ = match format {
        LogFormat::Json => {
            let lines = builder.json().flatten_event(true).finish();
            lines.with(limit).try_init()
        }
        LogFormat::Text => {
            let lines = builder.with_ansi(std::io::stdout().is_terminal()).finish();
            lines.with(limit).try_init()
        }
    };
    std::panic::set_hook(Box::new(report));
}

/// Whether this may be logged whatever the level: `tokio_postgres` prints every statement at `debug`, and that of a branch's
/// role holds the verifier of its password; `kube_client` prints an answer that it cannot read as a warning, and that may be a
/// Secret.
fn may_be_said(metadata: &Metadata<'_>) -> bool {
    let most = match metadata.target() {
        target if target.starts_with("tokio_postgres") => Level::INFO,
        "kube_client::client" => Level::ERROR,
        _ => Level::TRACE,
    };
    *metadata.level() <= most
}

/// Where it was, not what it said: the message of a failed `unwrap` shows the very thing that was being looked at.
fn report(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    // Empty unless RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture().to_string();
    tracing::error!(place, backtrace, "a defect: panicked");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<Vec<u8>>>);

    impl Write for Said {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_not_printed() {
        // B15
        let said = Said::default();
        let into = said.clone();
        let lines = tracing_subscriber::fmt()
            .with_env_filter("trace")
            .with_writer(move || into.clone())
            .finish();
        tracing::subscriber::with_default(lines.with(filter_fn(may_be_said)), || {
            // `request_text` of kube-client 5.0, and its own module for what it cannot make anything of.
            tracing::warn!(target: "kube_client::client", "{}", r#"{"data":{"password":"hunter2"}}"#);
            tracing::warn!(target: "kube_runtime::watcher", "a warning");
        });
        let said = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
        assert!(said.contains("a warning") && !said.contains("hunter2"), "{said}");
    }

    #[test]
    fn no_level_makes_the_database_client_print_its_statements() {
        // B15
        for filter in [
            "trace",
            "tokio_postgres=trace",
            "info,tokio_postgres::simple_query=debug",
        ] {
            let said = Said::default();
            let into = said.clone();
            let lines = tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_writer(move || into.clone())
                .finish();
            tracing::subscriber::with_default(lines.with(filter_fn(may_be_said)), || {
                tracing::debug!(target: "tokio_postgres::simple_query", "a statement");
                tracing::info!(target: "tokio_postgres::connection", "a notice");
            });
            let said = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
            assert!(
                said.contains("a notice") && !said.contains("a statement"),
                "{filter}: {said}"
            );
        }
    }
}
