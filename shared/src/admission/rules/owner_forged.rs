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
    let forged = if birth(request) {
        new.is_some() && !own_name && !trusted(request, facts)
    } else {
        old != new
    };
    if forged {
        let message = "is written from the authenticated user who creates the namespace";
        let remedy = format!("leave {} out", keys::OWNER);
        draft.deny(Violation::new(Reason::OwnerForged, annotation(keys::OWNER), message).remedy(remedy));
    }
}
