//! What is going on, as it goes: bars on a terminal, lines elsewhere, JSON events on stdout with `-o json`.

use crate::printer::{Printer, style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::time::Duration;

/// How progress is shown.
pub struct Progress {
    printer: Printer,
    json: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Progress on `printer`; `json` writes one event a line to stdout.
    pub fn new(printer: &Printer, json: bool) -> Self {
        let bar = (printer.draws() && !json).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar.set_style(spinner());
            bar
        });
        Progress {
            printer: printer.clone(),
            json,
            bar,
        }
    }

    /// Begins `count` steps of `what`.
    pub fn begin(&self, what: &str, count: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(count);
            bar.set_position(0);
            bar.set_style(if count > 0 { counter() } else { spinner() });
            bar.set_message(what.to_owned());
        } else if !self.json {
            self.printer.say(what);
        }
    }

    /// One step is done.
    pub fn step(&self, line: &str, event: Value) {
        self.event(event);
        match &self.bar {
            Some(bar) => bar.inc(1),
            None if !self.json => self.printer.say(&format!("  {line}")),
            None => {}
        }
    }

    /// What holds things up, or how far they are; only changes are worth a line.
    pub fn note(&self, line: &str, event: Value) {
        self.event(event);
        match &self.bar {
            Some(bar) => bar.set_message(line.to_owned()),
            None if !self.json => self.printer.say(&format!("  {line}")),
            None => {}
        }
    }

    /// Something is finished: stays on the screen.
    pub fn done(&self, line: &str, event: Value) {
        self.event(event);
        let (good, dim) = (style::GOOD, style::DIM);
        let line = format!("{good}✓{good:#} {line}{dim}{dim:#}");
        match &self.bar {
            Some(bar) => bar.suspend(|| self.printer.say(&line)),
            None if !self.json => self.printer.say(&line),
            None => {}
        }
    }

    fn event(&self, event: Value) {
        if self.json && !event.is_null() {
            // What cannot be written will fail at the end as well.
            let _ = self.printer.data(&event.to_string());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner:.cyan} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn counter() -> ProgressStyle {
    let template = "{spinner:.cyan} {msg} {bar:24.cyan/dim} {pos}/{len}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
