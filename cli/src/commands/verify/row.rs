//! One row of the checklist: what was looked at, and what came of it.

use serde::Serialize;

/// What is known of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It holds.
    Proven,
    /// It cannot be told.
    Unknown,
    /// It does not hold.
    Broken,
}

impl State {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            State::Proven => "proven",
            State::Unknown => "unknown",
            State::Broken => "broken",
        }
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The promise.
    pub check: &'static str,
    /// What is known of it.
    pub state: State,
    /// What was looked at.
    pub looked: String,
    /// Why it does not hold, or cannot be told; never a value of a Secret.
    pub evidence: Vec<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Row {
    /// A row that holds as long as nothing is said against it.
    pub fn new(check: &'static str, looked: impl Into<String>) -> Self {
        Row {
            check,
            state: State::Proven,
            looked: looked.into(),
            evidence: Vec::new(),
            hint: None,
        }
    }

    /// It does not hold.
    pub fn broken(mut self, why: impl Into<String>) -> Self {
        self.state = State::Broken;
        self.evidence.push(why.into());
        self
    }

    /// It does not hold for all of these, if there is any.
    pub fn broken_by(self, whys: impl IntoIterator<Item = String>) -> Self {
        whys.into_iter().fold(self, Row::broken)
    }

    /// It cannot be told.
    pub fn unknown(mut self, why: impl Into<String>) -> Self {
        self.state = self.state.max(State::Unknown);
        self.evidence.push(why.into());
        self
    }

    /// It cannot be told for all of these, if there is any.
    pub fn unknown_for(self, whys: impl IntoIterator<Item = String>) -> Self {
        whys.into_iter().fold(self, Row::unknown)
    }

    /// What to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = (self.state != State::Proven).then(|| hint.into());
        self
    }
}
