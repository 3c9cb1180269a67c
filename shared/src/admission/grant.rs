//! What admission writes on a namespace that becomes a preview: at its birth, or when it takes the label later.

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
        let adopted = !request.is_create();
        let from = given(request, keys::ADOPTED_AT, facts.now)
            .filter(|_| adopted)
            .unwrap_or(facts.now);
        let lease = Lease::grant(from, ttl, &policy.lifetime).ok()?;
        let expires_at = given(request, keys::EXPIRES_AT, lease.expires_at).unwrap_or(lease.expires_at);
        let level = request
            .label(POD_SECURITY_ENFORCE)
            .and_then(PodSecurity::from_level)
            .map_or(policy.pod_security, |given| given.max(policy.pod_security));
        let mut grant = Grant {
            labels: vec![
                (keys::POLICY, named_policy(request).to_owned()),
                (
                    keys::ORIGIN,
                    if adopted { "adopted" } else { "created" }.to_owned(),
                ),
                (keys::PHASE, "Pending".to_owned()),
            ],
            annotations: vec![
                (keys::EXPIRES_AT, lease::whole_seconds(expires_at).to_string()),
                (keys::CREATOR, request.user.name.clone()),
            ],
        };
        if policy.only_observes() {
            grant.labels.push((keys::ENFORCEMENT, "warn".to_owned()));
        } else {
            grant
                .labels
                .push((POD_SECURITY_ENFORCE, level.level().to_owned()));
        }
        if adopted {
            let at = lease::whole_seconds(from).to_string();
            grant.annotations.push((keys::ADOPTED_AT, at));
        }
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

/// When an existing namespace became a preview.
pub(super) fn created(request: &Request) -> Option<Timestamp> {
    if let Some(adopted) = request
        .old_annotation(keys::ADOPTED_AT)
        .and_then(|at| at.parse().ok())
    {
        return Some(adopted);
    }
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

/// The time that annotation `key` holds, where it is what would be written now.
fn given(request: &Request, key: &str, wanted: Timestamp) -> Option<Timestamp> {
    let given = request.annotation(key)?.parse().ok()?;
    close(given, wanted).then_some(given)
}

fn close(a: Timestamp, b: Timestamp) -> bool {
    (a.as_second() - b.as_second()).abs() <= TOLERANCE_SECONDS
}
