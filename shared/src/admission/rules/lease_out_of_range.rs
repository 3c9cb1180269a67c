//! `lease-out-of-range`: the lease stays within the policy's limits.

use super::{Draft, Facts, Request, Rule, annotation, life, preview_namespace};
use crate::admission::grant;
use crate::keys;
use crate::lease::Lease;
use crate::reason::Reason;
use crate::violation::Violation;
use jiff::Timestamp;

pub(super) const RULE: Rule = Rule {
    reason: Reason::LeaseOutOfRange,
    applies: preview_namespace,
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let changed = |key| request.annotation(key) != request.old_annotation(key);
    let refuse = |key, message: String| Violation::new(Reason::LeaseOutOfRange, annotation(key), message);
    let end = request
        .annotation(keys::EXPIRES_AT)
        .and_then(|end| end.parse::<Timestamp>().ok());
    let moved = end.filter(|_| life(request) && changed(keys::EXPIRES_AT));
    if life(request) && request.old_annotation(keys::EXPIRES_AT).is_some() && end.is_none() {
        draft.deny(refuse(
            keys::EXPIRES_AT,
            "every preview has an end; it may be moved, not taken off".to_owned(),
        ));
    }
    let name = grant::named_policy(request);
    let Some(policy) = facts.policies.get(name) else {
        // Whoever may delete a policy must not thereby lift its limits: without it an end only comes closer.
        if let Some(end) = moved
            && present_end(request).is_none_or(|old| end > old)
        {
            let message =
                format!("found {end}; PreviewPolicy {name} does not exist, so nothing says how late may be");
            draft.deny(refuse(keys::EXPIRES_AT, message));
        }
        return;
    };
    let limits = &policy.lifetime;
    if changed(keys::TTL)
        && let Ok(Some(ttl)) = grant::ttl(request)
        && Lease::grant(facts.now, Some(ttl), limits).is_err()
    {
        draft.deny(refuse(
            keys::TTL,
            format!("found {ttl}, policy allows {} to {}", limits.min, limits.max),
        ));
    }
    // From the creation alone: the old end is a user's to write, and could be missing.
    if let Some(end) = moved
        && let Some(created) = grant::created(request)
        && end > limits.max.after(created)
    {
        let latest = limits.max.after(created);
        let message = format!(
            "found {end}, the latest end is {latest} (creation + {})",
            limits.max
        );
        draft.deny(refuse(keys::EXPIRES_AT, message));
    }
}

fn present_end(request: &Request) -> Option<Timestamp> {
    request.old_annotation(keys::EXPIRES_AT)?.parse().ok()
}
