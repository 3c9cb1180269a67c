//! `policy-missing`: a preview is born under a policy that exists.

use super::{Draft, Facts, Request, Rule, birth, label};
use crate::admission::grant;
use crate::keys;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::PolicyMissing,
    applies: birth,
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let name = grant::named_policy(request);
    if !facts.policies.contains_key(name) {
        let known: Vec<&str> = facts.policies.keys().map(String::as_str).collect();
        let message = format!(
            "there is no PreviewPolicy {name:?}, there is [{}]",
            known.join(", ")
        );
        draft.deny(
            Violation::new(Reason::PolicyMissing, label(keys::POLICY), message)
                .remedy("see: kubectl get previewpolicies"),
        );
    }
}
