//! The one owner of output: data on stdout, talk on stderr.
//!
//! Colours vanish off a terminal and with `NO_COLOR` (anstream). A closed stdout (`| head`) is success: nobody wants the
//! rest. Nothing that comes from a cluster reaches a terminal with its control characters.

use anstyle::{AnsiColor, Style};
use std::io::{self, IsTerminal, Write};

/// Where output goes, and how much of it.
#[derive(Clone, Debug)]
pub struct Printer {
    quiet: bool,
    bars: bool,
}

/// The colours of our words.
pub mod style {
    use super::{AnsiColor, Style};

    /// What went wrong.
    pub const ERROR: Style = AnsiColor::Red.on_default().bold();
    /// What is unusual.
    pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
    /// What to do next.
    pub const HINT: Style = AnsiColor::Cyan.on_default().bold();
    /// What went well.
    pub const GOOD: Style = AnsiColor::Green.on_default().bold();
    /// What is beside the point.
    pub const DIM: Style = Style::new().dimmed();
}

impl Printer {
    /// A printer; `quiet` leaves only errors and data, `bars` allows progress bars where stderr is a terminal.
    pub fn new(quiet: bool, bars: bool) -> Self {
        Printer {
            quiet,
            bars: bars && !quiet && io::stderr().is_terminal(),
        }
    }

    /// Whether progress is drawn rather than written line by line.
    pub fn draws(&self) -> bool {
        self.bars
    }

    /// Writes data to stdout. Fails only with something other than a closed pipe.
    pub fn data(&self, text: &str) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        let written = writeln!(out, "{text}").and_then(|()| out.flush());
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Says what is going on.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            talk(text);
        }
    }

    /// Says what is unusual.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            labelled(style::WARNING, "warning", text);
        }
    }

    /// Says what went wrong.
    pub fn error(&self, text: &str) {
        labelled(style::ERROR, "error", text);
    }

    /// Says why.
    pub fn cause(&self, text: &str) {
        labelled(style::DIM, "caused by", text);
    }

    /// Says what to type next.
    pub fn hint(&self, text: &str) {
        labelled(style::HINT, "hint", text);
    }
}

fn labelled(style: Style, label: &str, text: &str) {
    talk(&format!("{style}{label}:{style:#} {text}"));
}

/// A closed stderr leaves nobody to tell.
fn talk(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}
