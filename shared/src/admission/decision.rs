//! The outcome of a review.

use crate::reason::Reason;
use crate::violation::Violation;
use json_patch::PatchOperation;

/// What a rule changed, for logs and metrics. Holds no value of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The rule's reason code.
    pub reason: Reason,
    /// The field that changed.
    pub field: String,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It passes as it is.
    Allow {
        /// Said to the user.
        warnings: Vec<String>,
    },
    /// It passes, changed.
    Patch {
        /// RFC 6902, in order.
        operations: Vec<PatchOperation>,
        /// What was changed, one per rule and field.
        notes: Vec<Note>,
        /// Said to the user.
        warnings: Vec<String>,
    },
    /// It is refused, for all of these.
    Deny(Vec<Violation>),
    /// It passes as it is, since its policy only observes.
    Observed {
        /// What would have been refused or changed.
        reasons: Vec<Reason>,
        /// The same, said to the user.
        warnings: Vec<String>,
    },
}

impl Decision {
    /// The word for logs and metrics.
    pub fn verdict(&self) -> &'static str {
        match self {
            Decision::Allow { .. } => "allow",
            Decision::Patch { .. } => "patch",
            Decision::Deny(_) => "deny",
            Decision::Observed { .. } => "observe",
        }
    }

    /// The reason codes behind it.
    pub fn reasons(&self) -> Vec<Reason> {
        match self {
            Decision::Allow { .. } => Vec::new(),
            Decision::Patch { notes, .. } => notes.iter().map(|note| note.reason).collect(),
            Decision::Deny(violations) => violations.iter().map(|violation| violation.reason).collect(),
            Decision::Observed { reasons, .. } => reasons.clone(),
        }
    }
}

/// At validation nothing may be left to change: something after us undid it, or the facts moved on in between.
pub(super) fn undone(notes: &[Note]) -> Vec<Violation> {
    let message = "was changed after Understudy had reviewed it, or the preview changed in that moment";
    notes
        .iter()
        .map(|note| Violation::new(note.reason, &note.field, message).remedy("try again"))
        .collect()
}
