//! What a check found: how it stands, why, and the command that mends it.

use crate::cluster::Seen;
use serde::Serialize;

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// It cannot be known with the caller's rights.
    Unknown,
    /// It works, and somebody should look at it.
    Warning,
    /// Something does not work.
    Failed,
}

impl State {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Unknown => "unknown",
            State::Warning => "warning",
            State::Failed => "failed",
        }
    }
}

/// One row of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it stands.
    pub state: State,
    /// What was found, with its cause.
    pub found: String,
    /// The command that mends it, or what to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    fn new(state: State, found: impl Into<String>) -> Self {
        Finding {
            state,
            found: found.into(),
            mend: None,
        }
    }

    /// All is well.
    pub fn ok(found: impl Into<String>) -> Self {
        Finding::new(State::Ok, found)
    }

    /// Somebody should look at it.
    pub fn warning(found: impl Into<String>) -> Self {
        Finding::new(State::Warning, found)
    }

    /// It does not work.
    pub fn failed(found: impl Into<String>) -> Self {
        Finding::new(State::Failed, found)
    }

    /// Nobody knows.
    pub fn unknown(found: impl Into<String>) -> Self {
        Finding::new(State::Unknown, found)
    }

    /// Names the command that mends it.
    pub fn mend(mut self, command: impl Into<String>) -> Self {
        self.mend = Some(command.into());
        self
    }
}

/// What there is of `seen`, or the finding that says why nothing can be said of `what`.
pub fn known<'s, T>(
    what: &str,
    seen: &'s Seen<T>,
    absent: impl FnOnce() -> Finding,
) -> Result<&'s T, Finding> {
    match (seen, seen.obscured()) {
        (Seen::There(found), _) => Ok(found),
        (_, Some(why)) => Err(Finding::unknown(format!("{what}: {why}"))),
        (_, None) => Err(absent()),
    }
}

/// `problems`, or that all is well where there are none.
pub fn or_ok(problems: Vec<Finding>, found: impl Into<String>) -> Vec<Finding> {
    if problems.is_empty() {
        vec![Finding::ok(found)]
    } else {
        problems
    }
}
