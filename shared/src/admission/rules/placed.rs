//! `placed`: Pods run where the policy places previews; the policy wins.
//!
//! The API server has resolved the priority class of the Pod's own choice by now, so its outcome has to go with it: the
//! built-in admission resolves the new one when it runs again.
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#reinvocation-policy>.

use super::{Draft, Facts, Request, Rule};
use crate::reason::Reason;
use serde_json::{Value, json};

pub(super) const RULE: Rule = Rule {
    reason: Reason::Placed,
    applies: |request| request.is("", "pods") && request.is_create(),
    review,
};

fn review(_: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let Some(policy) = facts.policy() else { return };
    let placement = &policy.placement;
    let pod = draft.current();
    let spec = &pod["spec"];
    if !placement.node_selector.is_empty() && !spec["nodeSelector"].is_object() {
        draft.add(Reason::Placed, &["spec", "nodeSelector"], json!({}));
    }
    for (key, value) in &placement.node_selector {
        if spec["nodeSelector"][key] != value.as_str() {
            draft.add(Reason::Placed, &["spec", "nodeSelector", key], json!(value));
        }
    }
    let present = spec["tolerations"].as_array();
    let mut missing = placement
        .tolerations
        .iter()
        .map(|toleration| serde_json::to_value(toleration).expect("a toleration is JSON"))
        .filter(|wanted| !present.is_some_and(|present| present.contains(wanted)))
        .peekable();
    if missing.peek().is_some() && present.is_none() {
        draft.add(Reason::Placed, &["spec", "tolerations"], Value::Array(Vec::new()));
    }
    for toleration in missing {
        draft.add(Reason::Placed, &["spec", "tolerations", "-"], toleration);
    }
    let class = placement.priority_class_name.as_str();
    let named = spec["priorityClassName"].as_str().unwrap_or_default();
    // The cluster's own, by which a Pod ends others to make room: no preview is worth that.
    let is_critical = named.starts_with("system-");
    if (!class.is_empty() || is_critical) && named != class {
        match class {
            "" => draft.remove(Reason::Placed, &["spec", "priorityClassName"]),
            class => draft.add(Reason::Placed, &["spec", "priorityClassName"], json!(class)),
        }
        for outcome in ["priority", "preemptionPolicy"] {
            if !spec[outcome].is_null() {
                draft.remove(Reason::Placed, &["spec", outcome]);
            }
        }
    }
}
