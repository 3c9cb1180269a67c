//! The PreviewPolicies: one for previews that name none, and each with what it refers to.

use super::finding::{Finding, State, known};
use crate::cluster::{Inspection, Seen};
use std::collections::BTreeSet;
use understudy::keys;
use understudy::policy::PreviewPolicy;

/// What a provider reads from the Secret of a database server's administrator.
const ADMIN_KEYS: [&str; 3] = ["host", "username", "password"];

pub(super) fn check(inspection: &Inspection) -> Vec<Finding> {
    let create = || {
        Finding::failed("PreviewPolicies are not served")
            .mend(super::webhooks::upgrade(&inspection.namespace))
    };
    let policies = match known("previewpolicies", &inspection.policies, create) {
        Ok(policies) => policies,
        Err(finding) => return vec![finding],
    };
    let mut found = Vec::new();
    if !policies.iter().any(|policy| name(policy) == keys::DEFAULT_POLICY) {
        found.push(
            Finding::warning(format!(
                "there is no policy {}: a preview that names none is refused",
                keys::DEFAULT_POLICY
            ))
            .mend("kubectl apply --filename POLICY.yaml, or label previews with understudy.dev/policy"),
        );
    }
    for policy in policies {
        found.extend(admits_nobody(policy));
        found.extend(without_domain(policy));
        found.extend(only_observes(policy));
        found.extend(administrators(policy, inspection));
    }
    if found.iter().all(|finding| finding.state == State::Unknown) {
        let names: Vec<&str> = policies.iter().map(name).collect();
        found.insert(
            0,
            Finding::ok(format!("{}: {}", policies.len(), names.join(", "))),
        );
    }
    found
}

fn name(policy: &PreviewPolicy) -> &str {
    policy.metadata.name.as_deref().unwrap_or_default()
}

fn edit(policy: &PreviewPolicy) -> String {
    format!("kubectl edit previewpolicy {}", name(policy))
}

fn admits_nobody(policy: &PreviewPolicy) -> Option<Finding> {
    let nobody = name(policy) != keys::DEFAULT_POLICY && policy.spec.creators.is_empty();
    nobody.then(|| {
        Finding::warning(format!(
            "{} admits nobody: its creators are empty, which means anyone on {} only",
            name(policy),
            keys::DEFAULT_POLICY
        ))
        .mend(edit(policy))
    })
}

fn without_domain(policy: &PreviewPolicy) -> Option<Finding> {
    policy.spec.hosts.domain.is_empty().then(|| {
        Finding::warning(format!(
            "{} has no hosts.domain: routes are refused in its previews",
            name(policy)
        ))
        .mend(edit(policy))
    })
}

fn only_observes(policy: &PreviewPolicy) -> Option<Finding> {
    policy.spec.only_observes().then(|| {
        Finding::warning(format!(
            "{} only observes (enforcement: warn): its previews have neither guardrails nor an end",
            name(policy)
        ))
        .mend("understudy check --cluster lists what it would refuse")
    })
}

/// The Secret of each database server's administrator.
fn administrators(policy: &PreviewPolicy, inspection: &Inspection) -> Vec<Finding> {
    let databases = policy.spec.databases.iter();
    databases
        .filter_map(|database| {
            let secret = &database.branch.postgres.admin_secret;
            let at = format!("{}, database {}", name(policy), database.name);
            let id = format!("{}/{}", secret.namespace, secret.name);
            let seen = inspection.admin_secrets.get(&(secret.namespace.clone(), secret.name.clone()))?;
            match seen {
                Seen::There(keys) => lacking(keys).map(|key| {
                    Finding::failed(format!("{at}: Secret {id} has no key {key}, so no branch can be made"))
                        .mend(format!("kubectl --namespace {} edit secret {}", secret.namespace, secret.name))
                }),
                Seen::Absent => Some(
                    Finding::failed(format!("{at}: there is no Secret {id}, so no branch can be made"))
                        .mend(format!("kubectl --namespace {} create secret generic {} --from-literal host=… --from-literal username=… --from-literal password=…", secret.namespace, secret.name)),
                ),
                hidden => Some(Finding::unknown(format!("{at}: Secret {id}: {}", hidden.obscured().unwrap_or_default()))),
            }
        })
        .collect()
}

fn lacking(keys: &BTreeSet<String>) -> Option<&'static str> {
    ADMIN_KEYS.into_iter().find(|key| !keys.contains(*key))
}
