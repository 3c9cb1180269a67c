//! Which host of the golden becomes which host of the clone.
//!
//! The first host, by the Ingress' name and its order there, becomes the preview's main host; each further one is named
//! after the Service it leads to. Hosts are distinct, as those of the golden are.

use super::snapshot::{Snapshot, kind_of, name_of};
use crate::names;
use crate::policy::PreviewPolicySpec;
use kube::core::DynamicObject;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// From hosts of the golden to hosts of the clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HostMap {
    /// Where each golden host went; rules without a host stand under `""`.
    hosts: BTreeMap<String, String>,
    /// The clone's hosts, the main one first.
    pub(super) made: Vec<String>,
}

impl HostMap {
    /// From all Ingresses and routes that are part of the clone; empty where the policy has no domain.
    pub(super) fn new(
        snapshot: &Snapshot,
        clone: &str,
        policy: &PreviewPolicySpec,
        part: impl Fn(&DynamicObject) -> bool,
    ) -> Self {
        let mut map = HostMap::default();
        let domain = policy.hosts.domain.as_str();
        if domain.is_empty() {
            return map;
        }
        let routes = ROUTES.iter().flat_map(|kind| snapshot.of(kind));
        let mut routes: Vec<_> = routes.filter(|route| part(route)).collect();
        // Ingresses first, then by name: the order of the table is kept among equals.
        routes.sort_by_key(|route| (kind_of(route) != "Ingress", name_of(route)));
        let mut taken = BTreeSet::new();
        for route in routes {
            for (host, service) in hosts_of(route) {
                if map.hosts.contains_key(&host) {
                    continue;
                }
                let new = map.free(&host, &service, clone, domain, &taken);
                taken.insert(new.clone());
                map.made.push(new.clone());
                map.hosts.insert(host, new);
            }
        }
        map
    }

    fn free(&self, host: &str, service: &str, clone: &str, domain: &str, taken: &BTreeSet<String>) -> String {
        let first = host.split('.').next().unwrap_or_default();
        let slug = |text: &str| {
            if names::is_dns_label(text) {
                text.to_owned()
            } else {
                names::hash(text, 8)
            }
        };
        // A route that only redirects leads to no Service.
        let named = [service, first].into_iter().filter(|name| !name.is_empty());
        let named = named.map(|name| names::service_host(&slug(name), clone, domain));
        std::iter::once(names::main_host(clone, domain))
            .chain(named)
            .find(|candidate| !taken.contains(candidate))
            .unwrap_or_else(|| names::service_host(&names::hash(host, 8), clone, domain))
    }

    /// What the golden's `host` became.
    pub(super) fn get(&self, host: &str) -> Option<&str> {
        self.hosts.get(&host.to_ascii_lowercase()).map(String::as_str)
    }

    /// The map for texts: without rules that name no host.
    pub(super) fn texts(&self) -> BTreeMap<String, String> {
        self.hosts
            .iter()
            .filter(|(host, _)| !host.is_empty())
            .map(|(a, b)| (a.clone(), b.clone()))
            .collect()
    }
}

/// Kinds that ask for hosts.
pub(super) const ROUTES: [&str; 4] = ["Ingress", "HTTPRoute", "GRPCRoute", "TLSRoute"];

/// Every host that the golden's Ingresses and routes ask for.
pub(super) fn golden_hosts(snapshot: &Snapshot) -> BTreeSet<String> {
    let routes = ROUTES.iter().flat_map(|kind| snapshot.of(kind));
    routes
        .flat_map(hosts_of)
        .map(|(host, _)| host)
        .filter(|host| !host.is_empty())
        .collect()
}

/// Hosts of a route in their order, each with the Service that it leads to first.
fn hosts_of(route: &DynamicObject) -> Vec<(String, String)> {
    if kind_of(route) == "Ingress" {
        return hosts_of_ingress(&route.data);
    }
    let rules = route.data.pointer("/spec/rules").and_then(Value::as_array);
    let mut services = rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule.pointer("/backendRefs/0/name").and_then(Value::as_str));
    let service = services.next().unwrap_or_default();
    let hosts = route.data.pointer("/spec/hostnames").and_then(Value::as_array);
    let mut hosts: Vec<_> = hosts
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|host| (host.to_ascii_lowercase(), service.to_owned()))
        .collect();
    // Without a host it takes whatever its listener gets.
    if hosts.is_empty() {
        hosts.push((String::new(), service.to_owned()));
    }
    hosts
}

fn hosts_of_ingress(ingress: &Value) -> Vec<(String, String)> {
    let backend = |value: Option<&Value>| {
        value
            .and_then(|v| v.pointer("/service/name"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let rules = ingress
        .pointer("/spec/rules")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut hosts: Vec<_> = rules
        .map(|rule| {
            let host = rule.get("host").and_then(Value::as_str).unwrap_or_default();
            (
                host.to_ascii_lowercase(),
                backend(rule.pointer("/http/paths/0/backend")),
            )
        })
        .collect();
    if let Some(default) = ingress.pointer("/spec/defaultBackend") {
        hosts.push((String::new(), backend(Some(default))));
    }
    hosts
}
