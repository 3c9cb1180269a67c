//! An object on its way through the rules: each one sees what those before it made of it.

use super::{Decision, Note};
use crate::reason::Reason;
use crate::violation::Violation;
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, ReplaceOperation};
use serde_json::Value;

/// The object so far, the operations that led to it, and what was found.
#[derive(Clone, Debug)]
pub struct Draft {
    object: Value,
    operations: Vec<PatchOperation>,
    notes: Vec<Note>,
    violations: Vec<Violation>,
    warnings: Vec<String>,
}

impl Draft {
    /// Begins with the object as it came.
    pub fn new(object: &Value) -> Self {
        Draft {
            object: object.clone(),
            operations: Vec::new(),
            notes: Vec::new(),
            violations: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The object so far.
    pub fn object(&self) -> &Value {
        &self.object
    }

    /// Sets `key` of `metadata.labels` or `metadata.annotations`; nothing happens where it holds `value` already.
    pub fn set_metadata(&mut self, reason: Reason, map: &str, key: &str, value: &str) {
        if self.object["metadata"][map][key].as_str() == Some(value) {
            return;
        }
        if !self.object["metadata"][map].is_object() {
            self.add(reason, &["metadata", map], Value::Object(serde_json::Map::new()));
        }
        self.add(reason, &["metadata", map, key], Value::String(value.to_owned()));
    }

    /// Adds `value` at `path`: sets a key, or inserts before an index (`-` for the end).
    pub fn add(&mut self, reason: Reason, path: &[&str], value: Value) {
        let path = PointerBuf::from_tokens(path.iter().copied());
        self.carry_out(reason, PatchOperation::Add(AddOperation { path, value }));
    }

    /// Replaces what is at `path`.
    pub fn replace(&mut self, reason: Reason, path: &[&str], value: Value) {
        let path = PointerBuf::from_tokens(path.iter().copied());
        self.carry_out(reason, PatchOperation::Replace(ReplaceOperation { path, value }));
    }

    /// Refuses.
    pub fn deny(&mut self, violation: Violation) {
        self.violations.push(violation);
    }

    /// Says something to the user.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// Turns the refusals that an exempt user may break on purpose into warnings.
    pub fn excuse(&mut self) {
        let (kept, excused): (Vec<_>, Vec<_>) = std::mem::take(&mut self.violations)
            .into_iter()
            .partition(|violation| binds_everyone(violation.reason));
        self.violations = kept;
        self.warnings.extend(
            excused
                .iter()
                .map(|violation| format!("exempt from {}", violation.cause())),
        );
    }

    /// The decision. The patch is applied to `original` and compared before it leaves.
    pub fn decide(mut self, original: &Value) -> Decision {
        if !self.violations.is_empty() {
            return Decision::Deny(self.violations);
        }
        if self.operations.is_empty() {
            return Decision::Allow {
                warnings: self.warnings,
            };
        }
        let mut applied = original.clone();
        let verified = json_patch::patch(&mut applied, &self.operations).is_ok() && applied == self.object;
        assert!(verified, "the patch does not lead to the reviewed object");
        self.notes.dedup();
        Decision::Patch {
            operations: self.operations,
            notes: self.notes,
            warnings: self.warnings,
        }
    }

    fn carry_out(&mut self, reason: Reason, operation: PatchOperation) {
        let field = operation.path().to_string();
        json_patch::patch(&mut self.object, std::slice::from_ref(&operation))
            .expect("rules address only what they have seen");
        self.operations.push(operation);
        self.notes.push(Note { reason, field });
    }
}

/// Refusals that hold for administrators too: what cannot be granted, named or read.
fn binds_everyone(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::KeyInvalid
            | Reason::NameInvalid
            | Reason::NotAdoptable
            | Reason::PolicyMissing
            | Reason::EnvironmentUnresolved
    )
}
