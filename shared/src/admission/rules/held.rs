//! `held`: no container starts before the preview is sealed and its databases are ready; and the review mark.
//!
//! A Pod that comes before the LimitRange gets here what that would have given it.

use super::{Draft, Facts, Request, Rule};
use crate::guardrails;
use crate::keys;
use crate::policy::PreviewPolicySpec;
use crate::reason::Reason;
use serde_json::{Value, json};

pub(super) const RULE: Rule = Rule {
    reason: Reason::Held,
    applies: |request| request.is("", "pods") && request.is_create(),
    review,
};

/// What the review mark holds. A constant: validation must find what mutation wrote, whatever changed in between.
const MARK: &str = "v1";

fn review(_: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let known = facts.preview.as_ref().zip(facts.policy());
    if !facts.sealed() {
        gate(draft, Reason::Held, keys::GATE_GUARDRAILS);
        if let Some((_, policy)) = known {
            limit(draft, policy);
        }
    }
    if !known.is_some_and(|(preview, policy)| preview.unready(policy).is_empty()) {
        gate(draft, Reason::Held, keys::GATE_DATABASE);
    }
    draft.set_metadata(Reason::Held, "annotations", keys::REVIEWED, MARK);
}

/// Fills in the limits that the LimitRange, which may not be there yet, would.
fn limit(draft: &mut Draft<'_>, policy: &PreviewPolicySpec) {
    for list in ["containers", "initContainers"] {
        let containers = draft.object()["spec"][list]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for (index, container) in containers.iter().enumerate() {
            if let Some(resources) = guardrails::resources(container, &policy.limits) {
                draft.add(
                    Reason::Held,
                    &["spec", list, &index.to_string(), "resources"],
                    resources,
                );
            }
        }
    }
}

/// Adds a scheduling gate, once. Source: KEP-3521; gates can only be added at creation.
pub(super) fn gate(draft: &mut Draft<'_>, reason: Reason, name: &str) {
    let present = &draft.object()["spec"]["schedulingGates"];
    match present.as_array() {
        Some(gates) if gates.iter().any(|gate| gate["name"] == name) => {}
        Some(_) => draft.add(reason, &["spec", "schedulingGates", "-"], json!({ "name": name })),
        None => draft.add(
            reason,
            &["spec", "schedulingGates"],
            Value::Array(vec![json!({ "name": name })]),
        ),
    }
}
