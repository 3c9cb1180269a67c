//! `lease-granted`: a namespace born with the label gets its lease, its owner and its Pod Security level.

use super::{Draft, Facts, Request, Rule, preview_namespace, trusted};
use crate::admission::adopts;
use crate::admission::ends;
use crate::admission::grant::{self, Grant};
use crate::keys;
use crate::reason::Reason;

pub(super) const RULE: Rule = Rule {
    reason: Reason::LeaseGranted,
    applies: preview_namespace,
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    if request.label(keys::PREVIEW) != Some("true") {
        return;
    }
    if request.is_create() || adopts(request) {
        at_birth(request, facts, draft);
    } else {
        later(request, facts, draft);
    }
    let lease = draft.object()["metadata"]["annotations"][keys::EXPIRES_AT].as_str();
    if let Some(lease) = lease.and_then(|end| end.parse().ok()) {
        let others = ends::before(request, facts.now, lease);
        others.into_iter().for_each(|end| draft.warn(end));
    }
}

fn at_birth(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let Some(grant) = Grant::at_birth(request, facts) else {
        return;
    };
    for (key, value) in &grant.labels {
        draft.set_metadata(Reason::LeaseGranted, "labels", key, value);
    }
    let named = trusted(request, facts) && request.annotation(keys::OWNER).is_some();
    for (key, value) in grant
        .annotations
        .iter()
        .filter(|(key, _)| !(named && *key == keys::OWNER))
    {
        draft.set_metadata(Reason::LeaseGranted, "annotations", key, value);
    }
}

fn later(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let policy = facts.policies.get(grant::named_policy(request));
    let Some(end) = policy.and_then(|policy| grant::moved_end(request, policy)) else {
        return;
    };
    // A `ttl` that changed together with `expires-at` moves the end only where it is later: never earlier.
    let given = request
        .annotation(keys::EXPIRES_AT)
        .and_then(|given| given.parse().ok());
    if given.is_none_or(|given: jiff::Timestamp| given < end) {
        draft.set_metadata(
            Reason::LeaseGranted,
            "annotations",
            keys::EXPIRES_AT,
            &end.to_string(),
        );
    }
}
