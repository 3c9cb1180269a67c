//! `gate-lifted`: a gate of ours is taken off a Pod by the controller and nobody else.
//!
//! The ValidatingAdmissionPolicy `understudy-gates` says the same, and holds while we are away.

use super::{Draft, Facts, Request, Rule};
use crate::admission::has_gate;
use crate::contract::GATES;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::GateLifted,
    applies: |request| request.is("", "pods") && !request.is_create(),
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    // One that is being deleted starts no more.
    if request.is_dying() || facts.installation.is_controller(&request.user) || facts.exempts(&request.user) {
        return;
    }
    for gate in GATES {
        if has_gate(&request.old_object, gate) && !has_gate(&request.object, gate) {
            let message = format!("{gate} holds this Pod back until the preview is ready for it");
            let remedy = "see what it waits for: the namespace's annotation understudy.dev/message";
            draft.deny(Violation::new(Reason::GateLifted, "spec.schedulingGates", message).remedy(remedy));
        }
    }
}
