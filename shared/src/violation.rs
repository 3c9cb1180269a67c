//! A user's mistake as a value.

use crate::reason::Reason;
use std::fmt;

/// One thing that is wrong with an object: why, where, what was found and how to mend it.
///
/// Carries no secret: whoever builds one names variables, hosts and keys, never the values of credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The reason code.
    pub reason: Reason,
    /// Path of the field, e.g. `metadata.annotations[understudy.dev/ttl]`.
    pub field: String,
    /// What was found and what is allowed; a sentence without a full stop.
    pub message: String,
    /// What to do about it, best as a command to type; empty when the message says it all.
    pub remedy: String,
}

impl Violation {
    /// A violation without a remedy beyond its message.
    pub fn new(reason: Reason, field: impl Into<String>, message: impl Into<String>) -> Self {
        Violation {
            reason,
            field: field.into(),
            message: message.into(),
            remedy: String::new(),
        }
    }

    /// Adds what to do about it.
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// The cause as it stands in `status.details.causes[].message`: code first, then what, then the remedy.
    pub fn cause(&self) -> String {
        let mut text = format!("{}: {}", self.reason, printable(&self.message));
        if !self.remedy.is_empty() {
            text.push_str("; ");
            text.push_str(&printable(&self.remedy));
        }
        text
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.cause(), printable(&self.field))
    }
}

/// Replaces control and bidirectional-override characters, so that a name from a manifest cannot drive a terminal.
pub fn printable(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if hidden(c) { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_control_codes_are_never_printed() {
        // A20
        let violation = Violation::new(Reason::KeyInvalid, "x", "found \u{1b}[31mred\u{202e}");
        assert!(!violation.to_string().contains('\u{1b}'));
        assert!(!violation.to_string().contains('\u{202e}'));
    }
}
