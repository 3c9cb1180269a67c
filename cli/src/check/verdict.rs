//! What admission would answer to one request: by the functions that answer in the cluster.

use super::World;
use super::world::Standing;
use serde_json::{Value, json};
use understudy::admission::{Decision, Facts, Note, Request, needs, review, validate};
use understudy::environment::{Fact, Sources};
use understudy::keys;
use understudy::reason::Reason;
use understudy::violation::Violation;

/// What becomes of an object, the better first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Admission is not asked about it.
    NotAsked,
    /// It passes as it is.
    Allowed,
    /// It passes, changed.
    Changed,
    /// It passes, since the policy only observes; otherwise it would be refused or changed.
    Observed,
    /// Facts are missing.
    Undecided,
    /// It is refused.
    Refused,
}

impl Outcome {
    /// The word for people and programs.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::NotAsked => "not asked",
            Outcome::Allowed => "allowed",
            Outcome::Changed => "changed",
            Outcome::Observed => "observed",
            Outcome::Undecided => "undecided",
            Outcome::Refused => "refused",
        }
    }
}

/// Which request an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The object itself.
    Object,
    /// The Pod that it makes.
    Pod,
}

/// The answer to one request.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The object, `Deployment/web`.
    pub id: String,
    /// Its namespace.
    pub namespace: String,
    /// Itself, or its Pod.
    pub part: Part,
    /// What becomes of it.
    pub outcome: Outcome,
    /// Why it is refused.
    pub violations: Vec<Violation>,
    /// What is changed; no values.
    pub notes: Vec<Note>,
    /// What is said besides.
    pub warnings: Vec<String>,
    /// What would have to be known.
    pub missing: Vec<String>,
}

impl Verdict {
    /// What the cluster says, after the name of the webhook; empty where it refuses nothing.
    pub fn message(&self) -> String {
        let lines = self.violations.iter().map(Violation::to_string);
        lines.collect::<Vec<_>>().join("\n")
    }

    /// For programs.
    pub fn document(&self) -> Value {
        let causes = self.violations.iter().map(|violation| json!({ "reason": violation.reason.code(), "field": violation.field, "message": violation.cause() }));
        let changes = self
            .notes
            .iter()
            .map(|note| json!({ "reason": note.reason.code(), "field": note.field }));
        json!({
            "object": self.id,
            "namespace": self.namespace,
            "of": match self.part { Part::Object => "object", Part::Pod => "pod" },
            "verdict": self.outcome.word(),
            "message": self.message(),
            "causes": causes.collect::<Vec<_>>(),
            "changes": changes.collect::<Vec<_>>(),
            "warnings": self.warnings,
            "missing": self.missing,
        })
    }
}

/// The answer to `request`, and the object as it would be stored. `who` says whether the user is known.
pub fn judge(id: &str, part: Part, request: &Request, world: &World, who: bool) -> (Verdict, Value) {
    let facts = world.facts(&request.namespace);
    let mut verdict = Verdict {
        id: id.to_owned(),
        namespace: request.namespace.clone(),
        part,
        outcome: Outcome::NotAsked,
        violations: Vec::new(),
        notes: Vec::new(),
        warnings: Vec::new(),
        missing: Vec::new(),
    };
    let mut object = request.object.clone();
    if !is_asked(request, world) {
        return (verdict, object);
    }
    match review(request, &facts) {
        Decision::Allow { warnings } => verdict.pass(Outcome::Allowed, warnings),
        Decision::Observed { warnings, .. } => verdict.pass(Outcome::Observed, warnings),
        Decision::Deny(violations) => verdict.refuse(violations),
        Decision::Patch {
            operations,
            notes,
            warnings,
        } => {
            // The core has applied it once before it answered.
            let _ = json_patch::patch(&mut object, &operations);
            let stored = Request {
                object: object.clone(),
                ..request.clone()
            };
            verdict.notes = notes;
            match validate(&stored, &facts) {
                Decision::Deny(violations) => verdict.refuse(violations),
                _ => verdict.pass(Outcome::Changed, warnings),
            }
        }
    }
    verdict.doubt(request, &facts, world, who);
    (verdict, object)
}

/// Whether the webhook configurations match: namespaces by their own label, objects by that of their namespace.
fn is_asked(request: &Request, world: &World) -> bool {
    if request.is_namespace() {
        return request.label(keys::PREVIEW).is_some() || request.old_label(keys::PREVIEW).is_some();
    }
    matches!(world.places.get(&request.namespace), Some(Standing::Preview(_)))
}

impl Verdict {
    fn pass(&mut self, outcome: Outcome, warnings: Vec<String>) {
        self.outcome = outcome;
        self.warnings = warnings;
    }

    fn refuse(&mut self, violations: Vec<Violation>) {
        self.outcome = Outcome::Refused;
        self.violations = violations;
        self.notes.clear();
    }

    /// An answer that hangs on what is not known is none. What is refused for another reason stays refused.
    fn doubt(&mut self, request: &Request, facts: &Facts, world: &World, who: bool) {
        let policy = match &facts.preview {
            Some(preview) => Some(preview.policy.as_str()),
            None => request
                .is_namespace()
                .then(|| request.label(keys::POLICY).unwrap_or(keys::DEFAULT_POLICY)),
        };
        if let Some(policy) = policy.filter(|policy| !world.live && !world.policies.contains_key(*policy)) {
            self.missing.push(format!("PreviewPolicy {policy}"));
            self.violations.clear();
            self.notes.clear();
            self.warnings.clear();
            self.outcome = Outcome::Undecided;
            return;
        }
        let unread = needs(request)
            .into_iter()
            .filter(|reference| facts.data(reference) == Fact::Unknown);
        let unread: Vec<String> = unread
            .map(|reference| format!("{} {}", reference.kind.name(), reference.name))
            .collect();
        let hangs = |reason: Reason| match reason {
            Reason::EnvironmentUnresolved => !unread.is_empty(),
            Reason::CreatorRefused | Reason::OwnerForged => !who,
            _ => false,
        };
        let nobody = self
            .violations
            .iter()
            .any(|violation| hangs(violation.reason) && violation.reason != Reason::EnvironmentUnresolved);
        let doubted = self.violations.iter().any(|violation| hangs(violation.reason))
            || self.notes.iter().any(|note| hangs(note.reason));
        if !doubted {
            return;
        }
        self.violations.retain(|violation| !hangs(violation.reason));
        self.notes.retain(|note| !hangs(note.reason));
        self.missing = unread
            .into_iter()
            .chain(nobody.then(|| "who asks".to_owned()))
            .collect();
        if self.violations.is_empty() {
            self.outcome = Outcome::Undecided;
        }
    }
}
