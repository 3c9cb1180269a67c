//! What the controller does with a Pod that admission held, or never saw.

use crate::admission::{Decision, Facts, Request, User, controller_kind, review};
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
    /// It was never reviewed and nothing would make it again: say so, keep the preview from being called ready.
    Report,
}

/// The action for `pod`, given what is in force. `facts` are those its review would have now.
pub fn action(pod: &Value, sealed: bool, branches_ready: bool, facts: &Facts) -> PodAction {
    if !pod["metadata"]["deletionTimestamp"].is_null() || is_finished(pod) {
        return PodAction::Leave;
    }
    let replaceable = matches!(
        controller_kind(pod),
        Some("ReplicaSet" | "StatefulSet" | "DaemonSet")
    );
    if pod["metadata"]["annotations"][keys::REVIEWED].is_null() {
        return if replaceable {
            PodAction::Replace
        } else {
            PodAction::Report
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

/// The request that would make `pod` again: what has to be read for [`action`].
pub fn creation(pod: &Value) -> Request {
    let mut object = pod.clone();
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.remove("schedulingGates");
    }
    Request::creation(object, "pods", User::default())
}

/// Whether `pod` carries the scheduling gate `name`.
pub fn has_gate(pod: &Value, name: &str) -> bool {
    pod["spec"]["schedulingGates"]
        .as_array()
        .is_some_and(|gates| gates.iter().any(|gate| gate["name"] == name))
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
