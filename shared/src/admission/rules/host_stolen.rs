//! `host-stolen`: an Ingress takes only hosts that belong to this preview.

use super::{Draft, Facts, Request, Rule};
use crate::names;
use crate::reason::Reason;
use crate::violation::Violation;
use serde_json::Value;

pub(super) const RULE: Rule = Rule {
    reason: Reason::HostStolen,
    applies: |request| request.is("networking.k8s.io", "ingresses"),
    review,
};

/// Annotations whose value is a list of hosts that something outside the Ingress acts on.
const HOST_ANNOTATIONS: [&str; 8] = [
    "external-dns.alpha.kubernetes.io/hostname",
    "external-dns.alpha.kubernetes.io/internal-hostname",
    "external-dns.kubernetes.io/hostname",
    "nginx.ingress.kubernetes.io/server-alias",
    "haproxy-ingress.github.io/server-alias",
    "ingress.kubernetes.io/server-alias",
    "konghq.com/host-aliases",
    "cert-manager.io/common-name",
];

fn review(request: &Request, facts: &Facts, draft: &mut Draft) {
    let Some(policy) = facts.policy() else {
        let violation = Violation::new(
            Reason::HostStolen,
            "spec.rules",
            "the preview's policy is not known yet",
        );
        draft.deny(violation.remedy("try again in a moment"));
        return;
    };
    let domain = policy.hosts.domain.as_str();
    for (field, host) in hosts(&request.object) {
        if domain.is_empty() {
            let violation = Violation::new(
                Reason::HostStolen,
                field,
                "the policy names no domain for previews",
            );
            draft.deny(violation.remedy("ask an administrator to set spec.hosts.domain of the policy"));
        } else if !names::owns_host(&request.namespace, domain, &host) {
            let main = names::main_host(&request.namespace, domain);
            let further = names::service_host("SERVICE", &request.namespace, domain);
            let message = match host.as_str() {
                "" => "this takes every host".to_owned(),
                host => format!("{host} does not belong to this preview"),
            };
            draft.deny(
                Violation::new(Reason::HostStolen, field, message).remedy(format!("use {main} or {further}")),
            );
        }
    }
}

/// Every host an Ingress asks for; the empty string stands for all of them.
fn hosts(ingress: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let spec = &ingress["spec"];
    if spec["defaultBackend"].is_object() {
        found.push(("spec.defaultBackend".to_owned(), String::new()));
    }
    for (index, rule) in spec["rules"].as_array().into_iter().flatten().enumerate() {
        found.push((
            format!("spec.rules[{index}].host"),
            rule["host"].as_str().unwrap_or_default().to_owned(),
        ));
    }
    for (index, tls) in spec["tls"].as_array().into_iter().flatten().enumerate() {
        for host in tls["hosts"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            found.push((format!("spec.tls[{index}].hosts"), host.to_owned()));
        }
    }
    for key in HOST_ANNOTATIONS {
        let listed = ingress["metadata"]["annotations"][key]
            .as_str()
            .unwrap_or_default();
        for host in listed.split([',', ' ']).filter(|host| !host.is_empty()) {
            found.push((super::annotation(key), host.to_owned()));
        }
    }
    found
}
