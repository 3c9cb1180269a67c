//! What the demo says.

use std::time::Duration;

use anstream::println;
use anstyle::{AnsiColor, Style};

const HEADING: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const REFUSED: Style = AnsiColor::Yellow.on_default();
const COMMAND: Style = AnsiColor::Cyan.on_default();

/// Numbers the acts and counts what held.
#[derive(Debug, Default)]
pub struct Narrator {
    acts: usize,
    held: usize,
}

impl Narrator {
    /// A new act begins.
    pub fn act(&mut self, title: &str) {
        self.acts += 1;
        println!("\n{HEADING}{}. {title}{HEADING:#}", self.acts);
    }

    /// A command, as a user would type it.
    pub fn command(&self, text: &str) {
        println!("   {COMMAND}$ {text}{COMMAND:#}");
    }

    /// Something shown.
    pub fn line(&self, text: String) {
        for line in text.lines() {
            println!("     {line}");
        }
    }

    /// Something checked that holds.
    pub fn held(&mut self, text: String) {
        self.held += 1;
        println!("   {GOOD}✓{GOOD:#} {text}");
    }

    /// An attempt that was refused, as it must be, in the refuser's own words.
    pub fn refused(&mut self, what: &str, words: &str) {
        self.held += 1;
        println!("   {GOOD}✓{GOOD:#} {what}");
        for line in words.trim().lines() {
            println!("     {REFUSED}{line}{REFUSED:#}");
        }
    }

    /// Everything held.
    pub fn curtain(&self, took: Duration) {
        println!(
            "\n{HEADING}{} checks held in {} s; nothing is left.{HEADING:#}",
            self.held,
            took.as_secs()
        );
    }
}
