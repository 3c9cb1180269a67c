//! What is going on, as it goes: bars on a terminal, lines elsewhere, JSON events on stdout with `-o json`.

use crate::printer::{Printer, style};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// How progress is shown.
pub struct Progress {
    printer: Printer,
    json: bool,
    bars: Option<Bars>,
}

/// One bar for the whole, and below it one line for each part that is not done.
struct Bars {
    all: MultiProgress,
    bar: ProgressBar,
    parts: RefCell<BTreeMap<String, ProgressBar>>,
}

impl Progress {
    /// Progress on `printer`; `json` writes one event a line to stdout.
    pub fn new(printer: &Printer, json: bool) -> Self {
        let bars = (printer.draws() && !json).then(|| {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
            let bar = all.add(ProgressBar::no_length());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar.set_style(spinner());
            Bars {
                all,
                bar,
                parts: RefCell::default(),
            }
        });
        Progress {
            printer: printer.clone(),
            json,
            bars,
        }
    }

    /// Begins `count` steps of `what`.
    pub fn begin(&self, what: &str, count: u64) {
        if let Some(Bars { bar, parts, .. }) = &self.bars {
            parts.take().values().for_each(ProgressBar::finish_and_clear);
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
        match &self.bars {
            Some(bars) => bars.bar.inc(1),
            None if !self.json => self.printer.say(&format!("  {line}")),
            None => {}
        }
    }

    /// What holds things up, or how far they are; only changes are worth a line.
    pub fn note(&self, line: &str, event: Value) {
        self.event(event);
        match &self.bars {
            Some(bars) => bars.bar.set_message(line.to_owned()),
            None if !self.json => self.printer.say(&format!("  {line}")),
            None => {}
        }
    }

    /// How one of several stands, for people; only changes are worth a line. On a terminal the line goes once it `is_done`.
    pub fn part(&self, id: &str, line: &str, is_done: bool) {
        match &self.bars {
            Some(bars) => bars.part(id, line, is_done),
            None if !self.json => self.printer.say(&format!("  {line}")),
            None => {}
        }
    }

    /// Something is finished: stays on the screen.
    pub fn done(&self, line: &str, event: Value) {
        self.event(event);
        let (good, dim) = (style::GOOD, style::DIM);
        let line = format!("{good}✓{good:#} {line}{dim}{dim:#}");
        match &self.bars {
            Some(bars) => bars.all.suspend(|| self.printer.say(&line)),
            None if !self.json => self.printer.say(&line),
            None => {}
        }
    }

    /// What only programs want to know.
    pub fn event(&self, event: Value) {
        if self.json && !event.is_null() {
            // What cannot be written will fail at the end as well.
            let _ = self.printer.data(&event.to_string());
        }
    }
}

impl Bars {
    fn part(&self, id: &str, line: &str, is_done: bool) {
        let mut parts = self.parts.borrow_mut();
        if is_done {
            if let Some(part) = parts.remove(id) {
                part.finish_and_clear();
                self.all.remove(&part);
            }
            return;
        }
        let part = parts.entry(id.to_owned()).or_insert_with(|| {
            let part = self.all.add(ProgressBar::no_length());
            part.set_style(plain());
            part
        });
        part.set_message(line.to_owned());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bars) = &self.bars {
            let parts = bars.parts.take();
            parts.values().for_each(ProgressBar::finish_and_clear);
            bars.bar.finish_and_clear();
        }
    }
}

fn plain() -> ProgressStyle {
    ProgressStyle::with_template("  {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner:.cyan} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn counter() -> ProgressStyle {
    let template = "{spinner:.cyan} {msg} {bar:24.cyan/dim} {pos}/{len}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
