//! `owner-forged`: nobody makes another person answer for a preview.

use super::{Draft, Facts, Request, Rule, annotation, birth, preview_namespace, trusted};
use crate::keys;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::OwnerForged,
    applies: preview_namespace,
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let (old, new) = (
        request.old_annotation(keys::OWNER),
        request.annotation(keys::OWNER),
    );
    let own_name = request.user.is_human() && new == Some(request.user.name.as_str());
    // Nor is a service account, or whatever else belongs to the cluster, a person to answer for it.
    let is_person = |owner: &str| !owner.is_empty() && !owner.starts_with("system:");
    let forged = if birth(request) {
        let may_name = |owner| own_name || (trusted(request, facts) && is_person(owner));
        new.is_some_and(|owner| !may_name(owner))
    } else {
        old != new
    };
    if forged {
        let message = "is written from the authenticated user who creates the namespace";
        let remedy = format!("leave {} out", keys::OWNER);
        draft.deny(Violation::new(Reason::OwnerForged, annotation(keys::OWNER), message).remedy(remedy));
    }
}
