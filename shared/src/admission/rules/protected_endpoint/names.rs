//! What names mean in a Pod: aliases of hosts, search domains, resolvers of its own.

use super::violation;
use crate::admission::Facts;
use crate::networks::Networks;
use crate::protected::Bounds;
use crate::violation::Violation;
use serde_json::Value;
use std::cell::LazyCell;

/// By where this Pod has names looked up.
pub(super) fn names(pod: &Value, facts: &Facts, bounds: &Bounds<'_>) -> Vec<Violation> {
    let spec = &pod["spec"];
    let mut found = Vec::new();
    for (index, alias) in list(spec, "hostAliases").enumerate() {
        let address = alias["ip"].as_str().unwrap_or_default();
        if let Some(why) = bounds.why(address) {
            found.push(violation(
                format!("spec.hostAliases[{index}].ip"),
                format!("address {address} is {why}"),
            ));
        }
    }
    let config = &spec["dnsConfig"];
    for (index, domain) in list(config, "searches").enumerate() {
        let domain = domain.as_str().unwrap_or_default();
        if let Some(why) = facts.protected.why_search(domain) {
            let message = format!("bare names would be looked up in {domain}, which is {why}");
            found.push(violation(format!("spec.dnsConfig.searches[{index}]"), message));
        }
    }
    let known = LazyCell::new(|| {
        let cidrs = facts.policy().map(|policy| &policy.network.egress.cidrs);
        cidrs.map(|cidrs| Networks::parse(cidrs)).unwrap_or_default()
    });
    for (index, server) in list(config, "nameservers").enumerate() {
        let server = server.as_str().unwrap_or_default();
        if !server.parse().is_ok_and(|server| known.contain(server)) {
            let message =
                format!("names would mean what the server {server} says, and nobody here knows what that is");
            let remedy =
                "leave it out, or ask an administrator to list it in spec.network.egress.cidrs of the policy";
            found.push(violation(format!("spec.dnsConfig.nameservers[{index}]"), message).remedy(remedy));
        }
    }
    found
}

fn list<'v>(of: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    of[key].as_array().into_iter().flatten()
}
