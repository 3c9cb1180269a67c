//! `role-escalated`: nobody gets more in a preview than the policy's access section gives.
//!
//! RBAC itself lets a user give away only what they hold; whoever applies charts for others holds everything. So a Role
//! may hold what `understudy-preview-user` holds, and a binding may name the preview's own service accounts and those who
//! have access.

use super::{Draft, Facts, Request, Rule, refuse_finalizers};
use crate::guardrails::with_access;
use crate::keys;
use crate::reason::Reason;
use crate::rights;
use crate::violation::Violation;
use serde_json::Value;

pub(super) const RULE: Rule = Rule {
    reason: Reason::RoleEscalated,
    applies: |request| {
        ["rolebindings", "roles"]
            .iter()
            .any(|resource| request.is("rbac.authorization.k8s.io", resource))
    },
    review,
};

/// Cluster roles that a binding may name: ours for people, and Kubernetes' own for reading, without Secrets.
const BINDABLE: [&str; 2] = [keys::ROLE_USER, "view"];

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    if facts.installation.is_controller(&request.user) {
        return;
    }
    refuse_finalizers(Reason::RoleEscalated, request, facts, draft);
    let violations = match request.resource.as_str() {
        "roles" => role(&request.object, facts),
        _ => binding(request, facts),
    };
    violations.into_iter().for_each(|violation| draft.deny(violation));
}

fn escalated(field: impl Into<String>, message: String) -> Violation {
    Violation::new(Reason::RoleEscalated, field, message)
        .remedy("leave it out, or ask an administrator for spec.access of the policy")
}

fn role(object: &Value, facts: &Facts) -> Vec<Violation> {
    let kinds = facts
        .policy()
        .map(|policy| policy.kinds.as_slice())
        .unwrap_or_default();
    let rules = object["rules"].as_array().into_iter().flatten().enumerate();
    rules
        .filter_map(|(index, rule)| {
            let beyond = rights::beyond(rule, kinds)?;
            Some(escalated(
                format!("rules[{index}]"),
                format!("{beyond} is more than {} gives", keys::ROLE_USER),
            ))
        })
        .collect()
}

fn binding(request: &Request, facts: &Facts) -> Vec<Violation> {
    let mut found = Vec::new();
    let role = &request.object["roleRef"];
    let name = role["name"].as_str().unwrap_or_default();
    if role["kind"] == "ClusterRole" && !BINDABLE.contains(&name) {
        let message = format!("ClusterRole {name} may give more than {} does", keys::ROLE_USER);
        found.push(escalated("roleRef", message).remedy("bind a Role of the preview instead"));
    }
    let subjects = request.object["subjects"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate();
    for (index, subject) in subjects {
        if !has_access(subject, &request.namespace, facts) {
            let (kind, name) = (
                subject["kind"].as_str().unwrap_or_default(),
                subject["name"].as_str().unwrap_or_default(),
            );
            let message = format!("{kind} {name} has no access to this preview");
            found.push(escalated(format!("subjects[{index}]"), message));
        }
    }
    found
}

fn has_access(subject: &Value, namespace: &str, facts: &Facts) -> bool {
    let name = subject["name"].as_str().unwrap_or_default();
    let account = match subject["kind"].as_str() {
        Some("ServiceAccount") => Some((subject["namespace"].as_str().unwrap_or(namespace), name)),
        Some("User") => rights::service_account(name),
        Some("Group") if name == format!("system:serviceaccounts:{namespace}") => return true,
        _ => None,
    };
    if account.is_some_and(|(from, _)| from == namespace) {
        return true;
    }
    let access = facts
        .policy()
        .map(|policy| policy.access.clone())
        .unwrap_or_default();
    let given = facts
        .preview
        .iter()
        .flat_map(|preview| with_access(preview, &access));
    let is = |with: Value| match account {
        Some((from, name)) => {
            with["kind"] == "ServiceAccount" && with["namespace"] == from && with["name"] == name
        }
        None => with["kind"] == subject["kind"] && with["name"] == name,
    };
    given.into_iter().any(is)
}
