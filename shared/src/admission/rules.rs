//! The rule table: one pure function in one file each, listed once.
//!
//! A rule sees what the rules before it made of the object, so the order matters for Pods: connections are rewritten
//! first, then what could not be resolved is named, then what still reaches a protected host is refused.

mod creator_refused;
mod daemonset_refused;
mod database_rewritten;
mod environment_unresolved;
mod exemption_forged;
mod exposure_lowered;
mod field_reserved;
mod gate_lifted;
mod guardrail_tampered;
mod held;
mod host_rewritten;
mod host_stolen;
pub(super) mod identity_dropped;
mod key_invalid;
mod kind_not_allowed;
mod label_removed;
mod lease_granted;
mod lease_out_of_range;
mod name_invalid;
mod network_widened;
mod not_adoptable;
mod owner_forged;
mod parent_changed;
mod placed;
mod policy_changed;
mod policy_missing;
mod protected_endpoint;
mod quarantined;
mod role_escalated;
mod secret_copied;
mod secret_store_forbidden;
mod unreadable_environment;

use super::{Draft, Facts, Request};
use crate::keys;
use crate::reason::Reason;
use crate::violation::Violation;
use serde_json::Value;

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its reason code.
    pub reason: Reason,
    /// Whether it has anything to say about a request.
    pub applies: fn(&Request) -> bool,
    /// What it says.
    pub review: fn(&Request, &Facts, &mut Draft<'_>),
}

/// Every rule, in order.
pub const RULES: &[Rule] = &[
    label_removed::RULE,
    key_invalid::RULE,
    name_invalid::RULE,
    not_adoptable::RULE,
    policy_missing::RULE,
    creator_refused::RULE,
    policy_changed::RULE,
    parent_changed::RULE,
    lease_out_of_range::RULE,
    owner_forged::RULE,
    field_reserved::RULE,
    lease_granted::RULE,
    exemption_forged::RULE,
    gate_lifted::RULE,
    guardrail_tampered::RULE,
    kind_not_allowed::RULE,
    daemonset_refused::RULE,
    // Before whoever asks what a Pod will find: its own annotations may be part of that.
    identity_dropped::RULE,
    quarantined::RULE,
    database_rewritten::RULE,
    unreadable_environment::RULE,
    environment_unresolved::RULE,
    protected_endpoint::RULE,
    secret_copied::RULE,
    placed::RULE,
    held::RULE,
    exposure_lowered::RULE,
    network_widened::RULE,
    host_rewritten::RULE,
    host_stolen::RULE,
    secret_store_forbidden::RULE,
    role_escalated::RULE,
];

/// A namespace that carries our label, or did.
fn preview_namespace(request: &Request) -> bool {
    request.is_namespace()
        && (request.label(keys::PREVIEW).is_some() || request.old_label(keys::PREVIEW).is_some())
}

/// A namespace that becomes a preview: born as one, or taking the label later.
fn birth(request: &Request) -> bool {
    preview_namespace(request) && (request.is_create() || super::adopts(request))
}

/// Whether the policy takes this service account's word on who owns a preview.
fn trusted(request: &Request, facts: &Facts) -> bool {
    let account = request
        .user
        .service_account()
        .map(|(namespace, name)| format!("{namespace}/{name}"));
    let policy = facts.policies.get(super::grant::named_policy(request));
    account
        .zip(policy)
        .is_some_and(|(account, policy)| policy.trusted.service_accounts.contains(&account))
}

/// A namespace that is and stays a preview.
fn life(request: &Request) -> bool {
    preview_namespace(request) && !request.is_create() && request.old_label(keys::PREVIEW) == Some("true")
}

/// A Pod whose environment is decided now: a new one, or one that gets an ephemeral container.
fn pod_environment(request: &Request) -> bool {
    super::is_birth_of_a_pod(request) || request.is("", "pods/ephemeralcontainers")
}

/// Whether a container is decided now: running ones cannot change, so beside a new ephemeral one nothing else is.
fn is_new(request: &Request, list: &str, index: usize, pod: &Value) -> bool {
    request.sub_resource != "ephemeralcontainers"
        || request.old_object["spec"][list][index] != pod["spec"][list][index]
}

/// Refuses finalizers that are nobody's of the cluster, on what counts until it is gone: whoever could add one would keep it
/// in force after the policy no longer allows it, since neither RBAC nor network plugins ask whether it is being deleted.
fn refuse_finalizers(reason: Reason, request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    // Nobody asks where the controller looks at what is there.
    if request.user.name.is_empty() || facts.installation.is_cluster(&request.user) {
        return;
    }
    if let Some(finalizer) = request.new_finalizers().next() {
        let message = format!("{finalizer} would keep it in force after the policy has closed what it opens");
        draft.deny(Violation::new(reason, "metadata.finalizers", message).remedy("leave it out"));
    }
}

/// The path of an annotation, for people.
fn annotation(key: &str) -> String {
    format!("metadata.annotations[{key}]")
}

/// The path of a label, for people.
fn label(key: &str) -> String {
    format!("metadata.labels[{key}]")
}
