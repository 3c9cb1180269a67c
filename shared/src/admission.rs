//! What may enter a preview, and what it becomes on the way.
//!
//! A request goes one way: `bytes → Request → needs → Facts → review → Decision → bytes`. The shell reads what [`needs`]
//! names and carries the decision out; everything in between is a pure function over the rule table.

mod change;
mod decision;
mod draft;
mod ends;
mod facts;
mod gitops;
mod grant;
mod hosts;
mod kinds;
mod needs;
mod pod;
mod request;
pub mod rules;
mod wire;

pub use decision::{Decision, Note};
pub use draft::{Current, Draft, Resolved};
pub use facts::{Exempt, Facts, Installation};
pub(crate) use hosts::ANNOTATIONS as HOST_ANNOTATIONS;
pub(crate) use kinds::is_vendors_group;
pub use needs::{needs, reads};
pub use pod::{CONTAINER_LISTS, containers, controller, has_gate, is_made_again};
pub use request::{Operation, Request, User};
pub(crate) use rules::identity_dropped::{MARKS as CLOUD_IDENTITIES, cloud};
pub use wire::{MalformedReview, Stage, answer, parse};

use crate::keys;
use crate::policy::PreviewPolicySpec;
use crate::reason::Reason;
use rules::RULES;
use serde_json::Value;

/// Whether any rule has a say in `request`; where none has, no fact needs to be read for it.
pub fn concerns(request: &Request) -> bool {
    // Deletion must always go on: what is being deleted is neither changed nor refused, unless it is to become another.
    request.is_write() && !request.is_deleting() && RULES.iter().any(|rule| (rule.applies)(request))
}

/// Whether `request` makes a Pod: what may start at once, and reads what is not remembered.
pub fn is_birth_of_a_pod(request: &Request) -> bool {
    request.is("", "pods") && request.is_create()
}

/// Whether `request` puts the preview label on a namespace that exists already.
pub fn adopts(request: &Request) -> bool {
    request.is_namespace()
        && request.operation == Operation::Update
        && request.label(keys::PREVIEW) == Some("true")
        && request.old_label(keys::PREVIEW) != Some("true")
}

/// The reasons for which the rules would refuse or change `request`, each with its field and what is wrong: all of them,
/// where a decision that refuses keeps what would be changed to itself.
pub fn objections(request: &Request, facts: &Facts) -> Vec<(Reason, String)> {
    draft(request, facts).objections()
}

/// Decides `request` with `facts`, by every rule of the table that applies to it.
pub fn review(request: &Request, facts: &Facts) -> Decision {
    mutate(request, facts).0
}

/// Decides `request` as [`review`] does, and returns with it the object that a patch leads to.
pub fn mutate(request: &Request, facts: &Facts) -> (Decision, Option<Value>) {
    if !concerns(request) {
        return (Decision::Allow { warnings: Vec::new() }, None);
    }
    let mut draft = draft(request, facts);
    if facts.exempts(&request.user) && draft.excuse() && !request.is_namespace() {
        draft.set_metadata(
            Reason::FieldReserved,
            "annotations",
            keys::EXEMPTED_BY,
            &request.user.name,
        );
    }
    // The contract on the namespace itself holds under every policy.
    if !request.is_namespace() && facts.policy().is_some_and(PreviewPolicySpec::only_observes) {
        return (draft.observe(), None);
    }
    draft.decide(&request.object)
}

fn draft<'r>(request: &'r Request, facts: &Facts) -> Draft<'r> {
    let mut draft = Draft::new(&request.object);
    for rule in RULES.iter().filter(|rule| (rule.applies)(request)) {
        (rule.review)(request, facts, &mut draft);
    }
    draft
}

/// Reviews what came out of mutation, from every webhook: it must need no further change.
///
/// The controller's own writes and a second look at an object that is right both pass.
pub fn validate(request: &Request, facts: &Facts) -> Decision {
    match review(request, facts) {
        // What was unreadable at mutation may be readable now; the Pod is made again anyhow.
        Decision::Patch { warnings, .. } if has_gate(&request.object, keys::GATE_REVIEW) => {
            Decision::Allow { warnings }
        }
        Decision::Patch { notes, warnings, .. } => match decision::undone(&notes) {
            violations if violations.is_empty() => Decision::Allow { warnings },
            violations => Decision::Deny(violations),
        },
        // Said at mutation.
        Decision::Observed { reasons, .. } => Decision::Observed {
            reasons,
            warnings: Vec::new(),
        },
        decision => decision,
    }
}

#[cfg(test)]
mod tests;
