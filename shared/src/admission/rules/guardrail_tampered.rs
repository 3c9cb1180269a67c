//! `guardrail-tampered`: what bears the label of a guardrail, or the name of a branch's Secret, is the controller's.
//!
//! The ValidatingAdmissionPolicy `understudy-guardrails` says the same, for deletions too and while we are away. Here it is
//! known to whoever asks without a cluster, and to the review of what was there before.

use super::{Draft, Facts, Request, Rule};
use crate::contract::GUARDRAIL_KINDS;
use crate::keys;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::GuardrailTampered,
    applies: |request| {
        let mut kinds = GUARDRAIL_KINDS.iter();
        let is = |(group, resource): &(&str, &str)| request.resource == *resource && request.group == *group;
        request.sub_resource.is_empty() && kinds.any(is)
    },
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    // An exempt user may, and leaves no mark: what was changed is restored.
    if facts.installation.is_controller(&request.user) || facts.exempts(&request.user) {
        return;
    }
    // A network plugin keeps a policy until it has seen its end, and whoever kept one may let it go.
    let may_finalize = facts.installation.is_cluster(&request.user) || request.is_dying();
    if may_finalize && request.is_about_finalizers() {
        return;
    }
    let labelled = request.label(keys::GUARDRAIL).is_some() || request.old_label(keys::GUARDRAIL).is_some();
    let is_branch = request.resource == "secrets" && request.name.starts_with(keys::BRANCH_SECRET_PREFIX);
    let (field, what) = if labelled {
        (super::label(keys::GUARDRAIL), "the label of a guardrail")
    } else if is_branch {
        ("metadata.name".to_owned(), "the name of a branch's Secret")
    } else {
        return;
    };
    let message = format!("{what} is for what the controller of Understudy makes");
    draft.deny(
        Violation::new(Reason::GuardrailTampered, field, message)
            .remedy("use another name, without the label"),
    );
}
