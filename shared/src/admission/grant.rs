//! What admission writes on a namespace that is born as a preview.

use super::{Facts, Request};
use crate::keys;
use crate::lease::{self, Lease};
use crate::lifetime::Lifetime;
use crate::policy::{PodSecurity, PreviewPolicySpec};
use jiff::Timestamp;

/// How far a given `expires-at` may be from what is granted now: a re-invocation and validation come moments later.
const TOLERANCE_SECONDS: i64 = 60;

/// Label: the level that the built-in Pod Security admission enforces.
pub(super) const POD_SECURITY_ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// The keys of a preview at birth.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grant {
    /// Labels to write.
    pub labels: Vec<(&'static str, String)>,
    /// Annotations to write.
    pub annotations: Vec<(&'static str, String)>,
}

impl Grant {
    /// What is granted; `None` while the policy is missing or the lease out of range, which other rules refuse.
    pub fn at_birth(request: &Request, facts: &Facts) -> Option<Grant> {
        let policy = facts.policies.get(named_policy(request))?;
        let ttl = ttl(request).ok()?;
        let lease = Lease::grant(facts.now, ttl, &policy.lifetime).ok()?;
        let expires_at = request
            .annotation(keys::EXPIRES_AT)
            .filter(|given| given.parse().is_ok_and(|given| close(given, lease.expires_at)))
            .map_or_else(
                || lease::whole_seconds(lease.expires_at).to_string(),
                str::to_owned,
            );
        let level = request
            .label(POD_SECURITY_ENFORCE)
            .and_then(PodSecurity::from_level)
            .map_or(policy.pod_security, |given| given.max(policy.pod_security));
        let mut grant = Grant {
            labels: vec![
                (keys::POLICY, named_policy(request).to_owned()),
                (keys::ORIGIN, "created".to_owned()),
                (keys::PHASE, "Pending".to_owned()),
                (POD_SECURITY_ENFORCE, level.level().to_owned()),
            ],
            annotations: vec![
                (keys::EXPIRES_AT, expires_at),
                (keys::CREATOR, request.user.name.clone()),
            ],
        };
        if request.user.is_human() {
            grant.annotations.push((keys::OWNER, request.user.name.clone()));
        }
        Some(grant)
    }

    /// Whether `key` may hold `value`: exactly what is granted.
    pub fn allows(&self, key: &str, value: &str) -> bool {
        self.labels
            .iter()
            .chain(&self.annotations)
            .any(|(granted, wanted)| *granted == key && wanted == value)
    }
}

/// The policy that the namespace of `request` names.
pub(super) fn named_policy(request: &Request) -> &str {
    request.label(keys::POLICY).unwrap_or(keys::DEFAULT_POLICY)
}

/// The annotation `ttl`, where there is one.
pub(super) fn ttl(request: &Request) -> Result<Option<Lifetime>, crate::lifetime::InvalidLifetime> {
    request.annotation(keys::TTL).map(str::parse).transpose()
}

/// When an existing preview was made.
pub(super) fn created(request: &Request) -> Option<Timestamp> {
    request.old_object["metadata"]["creationTimestamp"]
        .as_str()?
        .parse()
        .ok()
}

/// The lease of an existing preview, before this request.
fn present_lease(request: &Request) -> Option<Lease> {
    let created = created(request)?;
    let expires_at = request.old_annotation(keys::EXPIRES_AT)?.parse().ok()?;
    Some(Lease { created, expires_at })
}

/// Where a changed `ttl` moves the end; `None` when it did not change or leads nowhere.
pub(super) fn moved_end(request: &Request, policy: &PreviewPolicySpec) -> Option<Timestamp> {
    let changed = request.annotation(keys::TTL) != request.old_annotation(keys::TTL);
    let ttl = ttl(request).ok()?.filter(|_| changed)?;
    Some(
        present_lease(request)?
            .with_ttl(ttl, &policy.lifetime)
            .ok()?
            .expires_at,
    )
}

fn close(a: Timestamp, b: Timestamp) -> bool {
    (a.as_second() - b.as_second()).abs() <= TOLERANCE_SECONDS
}
