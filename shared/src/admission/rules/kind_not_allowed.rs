//! `kind-not-allowed`: a kind of another vendor may be a way out of the namespace: a claim makes a cloud database, a
//! Kustomization applies anywhere, a CiliumNetworkPolicy opens what ours close.

use super::{Draft, Facts, Request, Rule};
use crate::admission::kinds;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::KindNotAllowed,
    applies: kinds::is_vendors,
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    if kinds::is_allowed(request, facts) {
        return;
    }
    let wanted = kinds::named(request);
    let message = format!("{wanted} is neither Kubernetes' own nor allowed by the policy");
    let remedy = format!("leave it out, or ask an administrator to add {wanted} to spec.kinds of the policy");
    draft.deny(Violation::new(Reason::KindNotAllowed, "kind", message).remedy(remedy));
}
