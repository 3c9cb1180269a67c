//! The rule table: one pure function in one file each, listed once.
//!
//! A rule sees what the rules before it made of the object, so the order matters for Pods: connections are rewritten
//! first, then what could not be resolved is named, then what still reaches a protected host is refused.

mod creator_refused;
mod database_rewritten;
mod environment_unresolved;
mod field_reserved;
mod held;
mod host_stolen;
mod key_invalid;
mod label_removed;
mod lease_granted;
mod lease_out_of_range;
mod name_invalid;
mod network_widened;
mod not_adoptable;
mod owner_forged;
mod parent_changed;
mod policy_changed;
mod policy_missing;
mod protected_endpoint;

use super::{Draft, Facts, Request};
use crate::keys;
use crate::reason::Reason;

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its reason code.
    pub reason: Reason,
    /// Whether it has anything to say about a request.
    pub applies: fn(&Request) -> bool,
    /// What it says.
    pub review: fn(&Request, &Facts, &mut Draft),
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
    database_rewritten::RULE,
    environment_unresolved::RULE,
    protected_endpoint::RULE,
    held::RULE,
    network_widened::RULE,
    host_stolen::RULE,
];

/// A namespace that carries our label, or did.
fn preview_namespace(request: &Request) -> bool {
    request.is_namespace()
        && (request.label(keys::PREVIEW).is_some() || request.old_label(keys::PREVIEW).is_some())
}

/// A namespace born as a preview.
fn birth(request: &Request) -> bool {
    preview_namespace(request) && request.is_create()
}

/// A namespace that is and stays a preview.
fn life(request: &Request) -> bool {
    preview_namespace(request) && !request.is_create() && request.old_label(keys::PREVIEW) == Some("true")
}

/// A Pod whose environment is decided now: a new one, or one that gets an ephemeral container.
fn pod_environment(request: &Request) -> bool {
    (request.is("", "pods") && request.is_create()) || request.is("", "pods/ephemeralcontainers")
}

/// The path of an annotation, for people.
fn annotation(key: &str) -> String {
    format!("metadata.annotations[{key}]")
}

/// The path of a label, for people.
fn label(key: &str) -> String {
    format!("metadata.labels[{key}]")
}
