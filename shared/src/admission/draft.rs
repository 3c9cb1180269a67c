//! An object on its way through the rules: each one sees what those before it made of it.

use super::change::{Change, at};
use super::{Decision, Facts, Note, containers};
use crate::environment::{self, Environment};
use crate::reason::Reason;
use crate::violation::Violation;
use json_patch::PatchOperation;
use json_patch::jsonptr::PointerBuf;
use serde_json::Value;
use std::ops::Deref;
use std::rc::Rc;

/// Most bytes that the variables of one Pod are worked out for, all containers together.
const POD_LIMIT: usize = 4 * 1024 * 1024;

/// An object as it stands at one moment of a review; keeps that state while the draft goes on.
#[derive(Clone)]
pub enum Current<'r> {
    /// As it came.
    Original(&'r Value),
    /// As rules have made it.
    Changed(Rc<Value>),
}

impl Deref for Current<'_> {
    type Target = Value;

    fn deref(&self) -> &Value {
        match self {
            Current::Original(object) => object,
            Current::Changed(object) => object,
        }
    }
}

/// The environment of one container at its place.
#[derive(Clone)]
pub struct Resolved {
    /// The list it stands in.
    pub list: &'static str,
    /// Its index there.
    pub index: usize,
    /// What it will find.
    pub environment: Environment,
}

/// The object so far, the operations that led to it, and what was found.
pub struct Draft<'r> {
    object: Current<'r>,
    /// Resolved at the first question, forgotten at the next change.
    environments: Option<Rc<[Resolved]>>,
    operations: Vec<PatchOperation>,
    notes: Vec<Note>,
    violations: Vec<Violation>,
    warnings: Vec<String>,
}

impl<'r> Draft<'r> {
    /// Begins with the object as it came.
    pub fn new(object: &'r Value) -> Self {
        Draft {
            object: Current::Original(object),
            environments: None,
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

    /// The object as it stands now, to look at while the draft is changed.
    pub fn current(&self) -> Current<'r> {
        self.object.clone()
    }

    /// The environments of all containers of the Pod as it stands now.
    pub fn environments(&mut self, facts: &Facts) -> Rc<[Resolved]> {
        if let Some(resolved) = &self.environments {
            return resolved.clone();
        }
        let pod = self.current();
        let mut room = POD_LIMIT;
        let resolved: Rc<[Resolved]> = containers(&pod)
            .map(|(list, index, container)| {
                let environment = match room {
                    0 => Environment::too_large("all containers of this Pod together"),
                    _ => environment::resolve(&pod, container, facts),
                };
                room = room.saturating_sub(environment.size());
                Resolved {
                    list,
                    index,
                    environment,
                }
            })
            .collect();
        self.environments = Some(resolved.clone());
        resolved
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
        // A manifest that no API server has completed may lack what the value hangs on.
        for depth in 1..path.len() {
            let parent = &path[..depth];
            let nothing = || Value::Object(serde_json::Map::new());
            match at(self.object(), parent) {
                // To add it would put another one before it where it stands in a list.
                Some(Value::Null) => self.replace(reason, parent, nothing()),
                Some(_) => {}
                None => self.insert(reason, parent, nothing()),
            }
        }
        self.insert(reason, path, value);
    }

    fn insert(&mut self, reason: Reason, path: &[&str], value: Value) {
        self.carry_out(reason, path, Change::Add(value));
    }

    /// Replaces what is at `path`.
    pub fn replace(&mut self, reason: Reason, path: &[&str], value: Value) {
        self.carry_out(reason, path, Change::Replace(value));
    }

    /// Sets what is at `path`, an element of a list included.
    pub fn add_or_replace(&mut self, reason: Reason, path: &[&str], value: Value) {
        match at(self.object(), path) {
            Some(_) => self.replace(reason, path, value),
            None => self.add(reason, path, value),
        }
    }

    /// Takes away what is at `path`.
    pub fn remove(&mut self, reason: Reason, path: &[&str]) {
        self.carry_out(reason, path, Change::Remove);
    }

    /// Refuses.
    pub fn deny(&mut self, violation: Violation) {
        self.violations.push(violation);
    }

    /// Says something to the user.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// What was refused and what was changed.
    pub fn objections(self) -> Vec<(Reason, String)> {
        let refused = self
            .violations
            .into_iter()
            .map(|violation| (violation.reason, violation.message));
        let changed = self.notes.into_iter();
        refused
            .chain(changed.map(|note| (note.reason, format!("{} is not as it would be today", note.field))))
            .collect()
    }

    /// Turns everything into what would have happened: nothing is changed and nothing refused.
    pub fn observe(self) -> Decision {
        let refused = self.violations.iter();
        let mut reasons: Vec<Reason> = refused.clone().map(|violation| violation.reason).collect();
        let mut warnings: Vec<String> = refused
            .map(|violation| format!("would refuse: {}", violation.cause()))
            .collect();
        for note in &self.notes {
            if !reasons.contains(&note.reason) {
                warnings.push(format!("would change {} ({})", note.field, note.reason));
            }
            reasons.push(note.reason);
        }
        reasons.sort_unstable();
        reasons.dedup();
        if reasons.is_empty() {
            return Decision::Allow {
                warnings: self.warnings,
            };
        }
        warnings.extend(self.warnings);
        Decision::Observed { reasons, warnings }
    }

    /// Turns the refusals that an exempt user may break on purpose into warnings.
    ///
    /// Returns whether there was any.
    pub fn excuse(&mut self) -> bool {
        let (kept, excused): (Vec<_>, Vec<_>) = std::mem::take(&mut self.violations)
            .into_iter()
            .partition(|violation| binds_everyone(violation.reason));
        self.violations = kept;
        self.warnings.extend(
            excused
                .iter()
                .map(|violation| format!("exempt from {}", violation.cause())),
        );
        !excused.is_empty()
    }

    /// The decision, and the object that its patch leads to.
    pub fn decide(mut self, original: &Value) -> (Decision, Option<Value>) {
        if !self.violations.is_empty() {
            return (Decision::Deny(self.violations), None);
        }
        if self.operations.is_empty() {
            let warnings = self.warnings;
            return (Decision::Allow { warnings }, None);
        }
        debug_assert!(
            self.leads_here(original),
            "the patch does not lead to the reviewed object"
        );
        self.notes.dedup();
        let decision = Decision::Patch {
            operations: self.operations,
            notes: self.notes,
            warnings: self.warnings,
        };
        let object = match self.object {
            Current::Changed(object) => Some(Rc::unwrap_or_clone(object)),
            Current::Original(_) => None,
        };
        (decision, object)
    }

    /// Whether the operations lead from `original` to the object that was reviewed.
    fn leads_here(&self, original: &Value) -> bool {
        let mut applied = original.clone();
        json_patch::patch(&mut applied, &self.operations).is_ok() && applied == *self.object
    }

    fn carry_out(&mut self, reason: Reason, path: &[&str], change: Change) {
        let mut object = match std::mem::replace(&mut self.object, Current::Original(&Value::Null)) {
            Current::Original(object) => Rc::new(object.clone()),
            Current::Changed(object) => object,
        };
        let changed = change.apply(Rc::make_mut(&mut object), path);
        self.object = Current::Changed(object);
        let path = PointerBuf::from_tokens(path.iter().copied());
        let field = path.to_string();
        if changed.is_none() {
            // The API server sends every object in the shape of its kind; whoever sent this one is not it.
            let message = "there is no such place in this object, so it could not be reviewed to the end";
            self.deny(Violation::new(Reason::InternalError, field, message));
            return;
        }
        // Variables may come from the Pod's own labels and annotations.
        if field.starts_with("/spec") || field.starts_with("/metadata") {
            self.environments = None;
        }
        self.operations.push(change.operation(path));
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
            | Reason::GitopsManaged
            | Reason::InternalError
    )
}
