//! `lease-out-of-range`: the lease stays within the policy's limits.

use super::{Draft, Facts, Request, Rule, annotation, preview_namespace};
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

fn review(request: &Request, facts: &Facts, draft: &mut Draft) {
    let Some(policy) = facts.policies.get(grant::named_policy(request)) else {
        return;
    };
    let limits = &policy.lifetime;
    let changed = |key| request.annotation(key) != request.old_annotation(key);
    if changed(keys::TTL)
        && let Ok(Some(ttl)) = grant::ttl(request)
        && Lease::grant(facts.now, Some(ttl), limits).is_err()
    {
        let message = format!("found {ttl}, policy allows {} to {}", limits.min, limits.max);
        draft.deny(Violation::new(
            Reason::LeaseOutOfRange,
            annotation(keys::TTL),
            message,
        ));
    }
    if changed(keys::EXPIRES_AT)
        && let Some(end) = request
            .annotation(keys::EXPIRES_AT)
            .and_then(|end| end.parse::<Timestamp>().ok())
        && let Some(lease) = grant::present_lease(request)
        && lease.moved_to(end, limits).is_err()
    {
        let message = format!(
            "found {end}, the latest end is {} (creation + {})",
            lease.latest(limits),
            limits.max
        );
        draft.deny(Violation::new(
            Reason::LeaseOutOfRange,
            annotation(keys::EXPIRES_AT),
            message,
        ));
    }
}
