//! What the controller does with a Pod: one that admission held, or never saw, or that reads now what was not there then.

mod turns;

pub use crate::admission::has_gate;
pub use turns::Turns;

use crate::admission::{
    Decision, Facts, Request, User, containers, controller, is_made_again, objections, review,
};
use crate::contract;
use crate::environment;
use crate::guardrails;
use crate::keys;
use crate::reason::Reason;
use serde_json::Value;

/// What to do with one Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodAction {
    /// Nothing.
    Leave,
    /// Take these gates off.
    Lift(Vec<&'static str>),
    /// Delete it: its owner makes a new one, which is reviewed.
    Replace,
    /// Delete it: it came before the limits and asks for more of this resource than they allow.
    Remove(String),
    /// Delete it: what it reads has changed since its review, and would lead where it must not; says what.
    Renew(Reason, String),
    /// It came in unreviewed, nothing would make it again, and it is not as it should be: say what is wrong, keep the
    /// preview from being called ready.
    Report(String),
    /// It is being deleted, and would go were it not: what it runs may end no later than that of one that goes.
    Hasten,
}

/// What is in force in the preview of a Pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    /// The preview is sealed.
    pub sealed: bool,
    /// Every branch is ready.
    pub branches_ready: bool,
    /// What a Pod reads may have changed since its review.
    pub reread: bool,
}

/// The action for `pod`, given what is in force. `facts` are those its review would have now.
pub fn action(pod: &Value, in_force: InForce, facts: &Facts) -> PodAction {
    if is_finished(pod) {
        return PodAction::Leave;
    }
    let action = standing(pod, in_force, facts);
    if pod["metadata"]["deletionTimestamp"].is_null() {
        return action;
    }
    let runs = !pod["spec"]["nodeName"].is_null();
    match action {
        PodAction::Replace | PodAction::Renew(..) | PodAction::Report(_) if runs => PodAction::Hasten,
        _ => PodAction::Leave,
    }
}

/// The action for `pod` were it not being deleted.
fn standing(pod: &Value, in_force: InForce, facts: &Facts) -> PodAction {
    let InForce {
        sealed,
        branches_ready,
        reread,
    } = in_force;
    let replaceable = is_made_again(pod);
    if !is_marked(pod, facts) {
        return if replaceable {
            PodAction::Replace
        } else {
            // Nobody makes it again, so it is reviewed where it stands.
            let unread = || {
                again(pod, facts)
                    .reasons()
                    .contains(&Reason::EnvironmentUnresolved)
            };
            match objection(pod, facts) {
                Some((reason, what)) => PodAction::Report(format!("{reason}: {what}")),
                None if unread() => PodAction::Report("what it reads cannot be read".to_owned()),
                None => PodAction::Leave,
            }
        };
    }
    if has_gate(pod, keys::GATE_REVIEW) {
        let resolved = replaceable
            && sealed
            && !again(pod, facts)
                .reasons()
                .contains(&Reason::EnvironmentUnresolved);
        return if resolved {
            PodAction::Replace
        } else {
            PodAction::Leave
        };
    }
    if (reread || reads_itself(pod))
        && let Some((reason, what)) = objection(pod, facts)
    {
        return PodAction::Renew(reason, what);
    }
    let limits = facts.policy().map(|policy| &policy.limits);
    if sealed
        && has_gate(pod, keys::GATE_GUARDRAILS)
        && let Some(resource) = limits.and_then(|limits| guardrails::exceeded(pod, limits))
    {
        return PodAction::Remove(resource.to_owned());
    }
    let liftable = [
        (keys::GATE_GUARDRAILS, sealed),
        (keys::GATE_DATABASE, sealed && branches_ready),
    ];
    let lifted: Vec<_> = liftable
        .into_iter()
        .filter(|(gate, ready)| *ready && has_gate(pod, gate))
        .map(|(gate, _)| gate)
        .collect();
    if lifted.is_empty() {
        PodAction::Leave
    } else {
        PodAction::Lift(lifted)
    }
}

/// Whether what has to be read for `pod` has to be read now, to decide on it.
pub fn needs_sources(pod: &Value, in_force: InForce, facts: &Facts) -> bool {
    let unreviewed = !is_marked(pod, facts);
    let again = in_force.sealed && has_gate(pod, keys::GATE_REVIEW);
    unreviewed || again || in_force.reread || reads_itself(pod)
}

/// Whether `pod` carries a review mark that counts.
pub fn is_marked(pod: &Value, facts: &Facts) -> bool {
    is_younger_than_the_adoption(pod, facts) && !pod["metadata"]["annotations"][keys::REVIEWED].is_null()
}

/// Whether an exempt user let `object` in as it is. What says so must have come in past admission: before it, and where
/// the policy only observed, anybody might have written that.
pub fn is_exempted(object: &Value, facts: &Facts) -> bool {
    is_younger_than_the_adoption(object, facts)
        && object["metadata"]["annotations"][keys::EXEMPTED_BY].is_string()
}

/// Whether `object` came after its namespace became a preview, or the policy began to enforce: what bears our marks has been
/// nobody's but ours to make since then.
pub fn is_younger_than_the_adoption(object: &Value, facts: &Facts) -> bool {
    let created = object["metadata"]["creationTimestamp"]
        .as_str()
        .and_then(|at| at.parse().ok());
    // One that is said to come would let no mark count, ever; the leader sets it right.
    let since = facts
        .preview
        .as_ref()
        .and_then(|preview| preview.adopted_at.map(|at| at.min(facts.now)));
    created.is_none_or(|created| contract::mark_counts(since, created))
}

/// Whether a variable of `pod` comes from its own labels or annotations, which may change while it runs.
fn reads_itself(pod: &Value) -> bool {
    let of_itself = |entry: &Value| {
        let path = entry["valueFrom"]["fieldRef"]["fieldPath"]
            .as_str()
            .unwrap_or_default();
        path.starts_with("metadata.annotations") || path.starts_with("metadata.labels")
    };
    let mut entries =
        containers(pod).flat_map(|(_, _, container)| container["env"].as_array().into_iter().flatten());
    entries.any(of_itself) || !environment::own_files(pod).is_empty()
}

/// What a review would refuse or rewrite of what `pod` holds now; `None` when nothing, or when that cannot be told now.
fn objection(pod: &Value, facts: &Facts) -> Option<(Reason, String)> {
    if is_exempted(pod, facts) {
        return None;
    }
    let about = |reason: &Reason| {
        matches!(
            reason,
            Reason::ProtectedEndpoint
                | Reason::DatabaseRewritten
                | Reason::SecretCopied
                | Reason::Quarantined
                | Reason::UnreadableEnvironment
                | Reason::IdentityDropped
        )
    };
    objections(&creation(pod), facts)
        .into_iter()
        .find(|(reason, _)| about(reason))
}

/// The request that would make `pod` again: what has to be read for [`action`].
pub fn creation(pod: &Value) -> Request {
    let mut object = pod.clone();
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.remove("schedulingGates");
    }
    Request::creation(object, "pods", User::default())
}

/// The owner of `pod` by its uid, where a replacement may wait for the owner's turn ([`Turns`]): only while a gate of ours
/// holds the Pod. One that nobody reviewed and nothing holds goes at once, however often it comes.
pub fn turn_of(pod: &Value) -> Option<&str> {
    if !contract::GATES.into_iter().any(|gate| has_gate(pod, gate)) {
        return None;
    }
    controller(pod)?["uid"].as_str()
}

/// The gates that stay when `lifted` go.
pub fn remaining_gates(pod: &Value, lifted: &[&str]) -> Vec<Value> {
    let gates = pod["spec"]["schedulingGates"].as_array().into_iter().flatten();
    gates
        .filter(|gate| !lifted.iter().any(|name| gate["name"] == *name))
        .cloned()
        .collect()
}

/// Whether every container of `pod` that should run is ready, or it has ended.
pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    is_finished(pod)
        || conditions.is_some_and(|all| {
            all.iter()
                .any(|one| one["type"] == "Ready" && one["status"] == "True")
        })
}

fn is_finished(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

fn again(pod: &Value, facts: &Facts) -> Decision {
    review(&creation(pod), facts)
}

#[cfg(test)]
mod tests;
