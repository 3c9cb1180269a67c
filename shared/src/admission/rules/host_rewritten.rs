//! `host-rewritten`: the hosts of a route become this preview's own, with its certificate.
//!
//! The first host that is not the preview's becomes its main host, each further one is named after the Service it leads to;
//! the same host becomes the same one everywhere. What cannot be replaced where it stands is left to `host-stolen`.

use super::{Draft, Facts, Request, Rule};
use crate::admission::{gitops, hosts};
use crate::names;
use crate::policy::{Hosts, Rewrites};
use crate::reason::Reason;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) const RULE: Rule = Rule {
    reason: Reason::HostRewritten,
    applies: hosts::is_route,
    review,
};

/// Annotations that ask cert-manager for a certificate.
const ISSUERS: [&str; 5] = [
    "cert-manager.io/issuer",
    "cert-manager.io/cluster-issuer",
    "cert-manager.io/issuer-kind",
    "cert-manager.io/issuer-group",
    "kubernetes.io/tls-acme",
];

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let Some(policy) = facts.policy() else { return };
    // Whose hosts would be rewritten to what, nobody has said: `host-stolen` refuses with the remedy.
    if policy.hosts.domain.is_empty() || policy.rewrites == Rewrites::Never {
        return;
    }
    let object = draft.current();
    let changes = changes(request, &object, &policy.hosts);
    let Some((path, new)) = changes.first() else {
        return;
    };
    let field = path.join(".");
    let wanted = format!("this host would become {new}");
    if !gitops::may_change(request, facts, draft, Reason::HostRewritten, &field, &wanted) {
        return;
    }
    for (path, new) in &changes {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        if path.last() == Some(&"hostnames") {
            draft.add(Reason::HostRewritten, &path, json!([new]));
        } else {
            draft.add_or_replace(Reason::HostRewritten, &path, json!(new));
        }
    }
    if request.is("networking.k8s.io", "ingresses") {
        certificate(&object, &policy.hosts, draft);
    }
}

/// Where which host goes.
fn changes(request: &Request, object: &Value, policy: &Hosts) -> Vec<(Vec<String>, String)> {
    let domain = policy.domain.as_str();
    let asked = hosts::asked(request, object);
    let own = |host: &str| names::owns_host(&request.namespace, domain, host);
    let mut taken: Vec<String> = asked
        .iter()
        .filter(|one| own(&one.host))
        .map(|one| one.host.clone())
        .collect();
    let mut new: BTreeMap<String, String> = BTreeMap::new();
    let mut changes = Vec::new();
    let foreign = asked
        .iter()
        .filter(|one| one.replaceable && !own(&one.host) && !one.host.starts_with('*'));
    for one in foreign {
        let host = new.entry(one.host.to_ascii_lowercase()).or_insert_with(|| {
            let service = if names::is_dns_label(&one.service) {
                one.service.clone()
            } else {
                names::hash(&one.host, 8)
            };
            let main = names::main_host(&request.namespace, domain);
            let further = names::service_host(&service, &request.namespace, domain);
            let last = names::service_host(&names::hash(&one.host, 8), &request.namespace, domain);
            let free = [main, further, last.clone()]
                .into_iter()
                .find(|host| !taken.contains(host))
                .unwrap_or(last);
            taken.push(free.clone());
            free
        });
        changes.push((one.path.clone(), host.clone()));
    }
    changes.extend(annotations(object, &new));
    changes
}

/// Lists of hosts that something outside acts on, where they repeat hosts of the route: they follow those. A list with any
/// other host stays, and is refused.
fn annotations(object: &Value, new: &BTreeMap<String, String>) -> Vec<(Vec<String>, String)> {
    let mut changes = Vec::new();
    for key in hosts::ANNOTATIONS {
        let Some(list) = object["metadata"]["annotations"][key].as_str() else {
            continue;
        };
        let followed = |host: &str| new.get(&host.to_ascii_lowercase()).cloned();
        let hosts = list.split([',', ' ']).filter(|host| !host.is_empty());
        if let Some(followed) = hosts
            .map(followed)
            .collect::<Option<Vec<_>>>()
            .filter(|all| !all.is_empty())
        {
            changes.push((
                ["metadata", "annotations", key].map(str::to_owned).into(),
                followed.join(","),
            ));
        }
    }
    changes
}

/// The wildcard certificate of the policy, where it has one; then nobody is asked for another.
fn certificate(object: &Value, policy: &Hosts, draft: &mut Draft<'_>) {
    if !policy.ingress_class.is_empty() && object["spec"]["ingressClassName"] != policy.ingress_class.as_str()
    {
        draft.add(
            Reason::HostRewritten,
            &["spec", "ingressClassName"],
            json!(policy.ingress_class),
        );
        // Its forerunner: the API server refuses two that differ.
        let old = "kubernetes.io/ingress.class";
        if !object["metadata"]["annotations"][old].is_null() {
            draft.remove(Reason::HostRewritten, &["metadata", "annotations", old]);
        }
    }
    if policy.tls_secret.is_empty() {
        return;
    }
    let entries = object["spec"]["tls"].as_array().map_or(0, Vec::len);
    for index in 0..entries {
        if object["spec"]["tls"][index]["secretName"] != policy.tls_secret.as_str() {
            let index = index.to_string();
            draft.add(
                Reason::HostRewritten,
                &["spec", "tls", &index, "secretName"],
                json!(policy.tls_secret),
            );
        }
    }
    for key in ISSUERS
        .iter()
        .filter(|key| !object["metadata"]["annotations"][**key].is_null())
    {
        draft.remove(Reason::HostRewritten, &["metadata", "annotations", key]);
    }
}
