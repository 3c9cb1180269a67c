//! The ValidatingAdmissionPolicies: all there, bound so that they deny, understood by the API server, and in force.

use super::finding::{Finding, known, or_ok};
use super::webhooks::upgrade;
use crate::cluster::{Inspection, Trial};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use understudy::admission::User;

/// The layer that holds without our processes.
const LAYERS: [&str; 5] = [
    "understudy-contract",
    "understudy-gates",
    "understudy-guardrails",
    "understudy-identities",
    "understudy-review",
];
const CONTRACT: &str = LAYERS[0];

pub(super) fn check(inspection: &Inspection) -> Vec<Finding> {
    let mut found = written(inspection);
    found.push(in_force(inspection));
    found
}

/// What is written down.
fn written(inspection: &Inspection) -> Vec<Finding> {
    let upgrade = upgrade(&inspection.namespace);
    let all = known("ValidatingAdmissionPolicies", &inspection.layers, || {
        Finding::failed("there are none")
    });
    let bindings = known("ValidatingAdmissionPolicyBindings", &inspection.bindings, || {
        Finding::failed("there are none")
    });
    let (all, bindings) = match (all, bindings) {
        (Ok(all), Ok(bindings)) => (all, bindings),
        (Err(finding), _) | (_, Err(finding)) => return vec![finding],
    };
    let mut problems = Vec::new();
    for name in LAYERS {
        let Some(policy) = all.get(name) else {
            problems.push(
                Finding::failed(format!("the ValidatingAdmissionPolicy {name} is missing")).mend(&upgrade),
            );
            continue;
        };
        let fails = policy
            .spec
            .as_ref()
            .and_then(|spec| spec.failure_policy.as_deref())
            .unwrap_or("Fail")
            == "Fail";
        if !fails {
            problems.push(
                Finding::failed(format!(
                    "{name} has not failurePolicy Fail: what it cannot evaluate passes"
                ))
                .mend(&upgrade),
            );
        }
        if !bindings.iter().any(|binding| denies(binding, name)) {
            problems.push(
                Finding::failed(format!(
                    "no binding of {name} has the action Deny: it holds nothing"
                ))
                .mend(&upgrade),
            );
        }
        problems.extend(misunderstood(policy).map(|warning| {
            Finding::warning(format!(
                "{name}: the API server does not understand an expression: {warning}"
            ))
            .mend(format!(
                "kubectl get validatingadmissionpolicy {name} --output yaml"
            ))
        }));
    }
    or_ok(
        problems,
        format!(
            "all {} ValidatingAdmissionPolicies are there and deny",
            LAYERS.len()
        ),
    )
}

fn denies(binding: &ValidatingAdmissionPolicyBinding, policy: &str) -> bool {
    binding.spec.as_ref().is_some_and(|spec| {
        let actions = spec.validation_actions.as_deref().unwrap_or_default();
        spec.policy_name.as_deref() == Some(policy) && actions.iter().any(|action| action == "Deny")
    })
}

fn misunderstood(policy: &ValidatingAdmissionPolicy) -> Option<String> {
    let checking = policy.status.as_ref()?.type_checking.as_ref()?;
    checking
        .expression_warnings
        .iter()
        .flatten()
        .next()
        .map(|warning| warning.warning.lines().next().unwrap_or_default().to_owned())
}

/// Whether the API server obeys: nobody but an exempt user may make a golden.
fn in_force(inspection: &Inspection) -> Finding {
    match &inspection.golden_trial {
        Trial::Refused { message, .. } if message.contains(CONTRACT) => {
            Finding::ok(format!("in force: a golden on trial was refused by {CONTRACT}"))
        }
        Trial::Refused { message, .. } => Finding::unknown(format!("no golden could be tried: {message}")),
        Trial::Unanswered(why) => Finding::unknown(format!("no golden could be tried: {why}")),
        Trial::Born(_) => match exempt(inspection) {
            Some(true) => Finding::unknown(
                "whether they are in force: you are exempt, so a golden of yours passes; try as somebody who is not",
            ),
            Some(false) => Finding::failed(format!(
                "not in force: a golden on trial passed, which {CONTRACT} should refuse"
            ))
            .mend(upgrade(&inspection.namespace)),
            None => Finding::unknown(
                "whether they are in force: a golden on trial passed, and who is exempt cannot be read",
            ),
        },
    }
}

/// Whether the caller is exempt by the words of the contract.
fn exempt(inspection: &Inspection) -> Option<bool> {
    let caller = inspection.caller.there()?;
    match inspection.layers.there()?.get(CONTRACT) {
        Some(policy) => Some(names(policy, caller)),
        None => Some(false),
    }
}

/// Whether the variable `exempt` names `caller`: as a whole literal, as the chart writes it.
fn names(policy: &ValidatingAdmissionPolicy, caller: &User) -> bool {
    let variables = policy
        .spec
        .iter()
        .flat_map(|spec| spec.variables.iter().flatten());
    let mut expressions = variables
        .filter(|variable| variable.name == "exempt")
        .map(|variable| variable.expression.as_str());
    let literal = |name: &String| serde_json::to_string(name).unwrap_or_default();
    let wanted: Vec<String> = std::iter::once(&caller.name)
        .chain(&caller.groups)
        .map(literal)
        .collect();
    expressions.any(|expression| wanted.iter().any(|name| expression.contains(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn exemption_is_read_from_the_contract_whole() {
        let policy = serde_json::from_value(json!({ "spec": { "variables": [
            { "name": "exempt", "expression": "request.userInfo.username in [] || request.userInfo.groups.exists(g, g in [\"system:masters\"])" },
            { "name": "other", "expression": "'x' in [\"developers\"]" },
        ] } }))
        .unwrap();
        let user = |name: &str, group: &str| User {
            name: name.to_owned(),
            groups: vec![group.to_owned()],
        };
        assert!(names(&policy, &user("admin", "system:masters")));
        assert!(!names(&policy, &user("dev", "developers")));
        assert!(!names(&policy, &user("dev", "masters")));
    }
}
