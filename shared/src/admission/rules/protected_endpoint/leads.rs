//! Objects that lead traffic somewhere: Services that are aliases, endpoints written by hand, backends of routes.

use super::violation;
use crate::admission::{Facts, Request, kinds};
use crate::host;
use crate::networks::Networks;
use crate::policy::{Network, Peer};
use crate::protected::Bounds;
use crate::violation::Violation;
use serde_json::Value;
use std::net::IpAddr;

/// An `ExternalName` that leads out of bounds, or where the preview's own Pods may not go: whoever routes to the Service, an
/// ingress controller above all, is bound by no NetworkPolicy of the preview.
pub(super) fn service(request: &Request, facts: &Facts, bounds: &Bounds<'_>) -> Vec<Violation> {
    let spec = &request.object["spec"];
    let name = spec["externalName"]
        .as_str()
        .filter(|_| spec["type"] == "ExternalName");
    let why = |name: &str| {
        let why = bounds.why(name).map(|why| format!("{name} is {why}"));
        why.or_else(|| closed(name, &request.namespace, facts))
    };
    let found = name.and_then(why);
    found
        .map(|message| violation("spec.externalName", message))
        .into_iter()
        .collect()
}

/// Why the network section of the policy keeps `host` closed to the preview `namespace`: an address that it does not open, a
/// Service of another namespace that it does not open, or what means whoever asks.
pub(super) fn closed(host: &str, namespace: &str, facts: &Facts) -> Option<String> {
    let policy = facts.policy();
    if let Some(address) = host::address(host) {
        let network = policy.map_or_else(Network::closed, |policy| policy.network.clone());
        // `010.0.0.5` is two addresses: some programs read the zero as a sign of octal digits, some do not.
        let is_plain = host.parse::<IpAddr>().is_ok() && !address.is_loopback() && !address.is_unspecified();
        let reachable = is_plain && Networks::reachable(&network, address);
        return (!reachable)
            .then(|| format!("{host} is an address that the policy's network section keeps closed"));
    }
    let canonical = host::canonical(host);
    if !canonical.contains('.') {
        return Some(format!("{host} is whatever it means to whoever routes to it"));
    }
    let (service, led) = host::service(&canonical)?;
    let led = led?;
    let is_service = host::is_spelt_out(&canonical) || facts.services.get(led, service).is_some();
    let opened = policy.is_some_and(|policy| {
        let by_name = Peer::namespace(led);
        let opens = |peer: &Peer| *peer == by_name || !peer.is_by_name();
        // Which namespaces carry other labels is not known here: what they may open is not refused.
        policy.network.egress.namespaces.iter().any(opens) || policy.sharing.has(led, service)
    });
    (is_service && led != namespace && !opened).then(|| {
        format!("{host} is in namespace {led}, which the policy's network section does not open by its name")
    })
}

/// Endpoints that somebody writes by hand may only lead where the policy's network section leads as well: no name and no
/// selector says whose an address is.
pub(super) fn endpoints(request: &Request, facts: &Facts, bounds: &Bounds<'_>) -> Vec<Violation> {
    if kinds::by_the_control_plane(&request.user) {
        return Vec::new();
    }
    let is_name = request.object["addressType"] == "FQDN";
    addresses(&request.object)
        .into_iter()
        .filter_map(|(field, address)| {
            if let Some(why) = bounds.why(address) {
                return Some(violation(field, format!("{address} is {why}")));
            }
            let unread = || {
                let unread = !is_name && host::address(address).is_none();
                unread.then(|| format!("{address} is no address that could be read"))
            };
            let why = closed(address, &request.namespace, facts).or_else(unread)?;
            Some(violation(field, why).remedy("let a Service with a selector find its Pods"))
        })
        .collect()
}

/// The addresses of Endpoints (`subsets`) or of an EndpointSlice (`endpoints`).
fn addresses(object: &Value) -> Vec<(String, &str)> {
    let list = |value: &'static str, of: &'_ Value| of[value].as_array().map_or(0, Vec::len);
    let mut found = Vec::new();
    for subset in 0..list("subsets", object) {
        for field in ["addresses", "notReadyAddresses"] {
            let all = object["subsets"][subset][field].as_array().into_iter().flatten();
            for address in all.filter_map(|address| address["ip"].as_str()) {
                found.push((format!("subsets[{subset}].{field}"), address));
            }
        }
    }
    for endpoint in 0..list("endpoints", object) {
        let all = object["endpoints"][endpoint]["addresses"]
            .as_array()
            .into_iter()
            .flatten();
        found.extend(
            all.filter_map(Value::as_str)
                .map(|address| (format!("endpoints[{endpoint}].addresses"), address)),
        );
    }
    found
}

/// References of a route (or of anything like one) to objects in a protected namespace: every field `namespace` beside a
/// `name` that may be a backend's.
pub(super) fn backends(request: &Request, facts: &Facts) -> Vec<Violation> {
    let mut found = Vec::new();
    walk(&request.object["spec"], &mut vec!["spec"], &mut |path, value| {
        let Some(namespace) = value["namespace"]
            .as_str()
            .filter(|name| facts.protected.has_namespace(name))
        else {
            return;
        };
        // A shared Gateway may stand anywhere: what it serves for this route is said by the hosts.
        let name = value["name"].as_str().unwrap_or_default();
        let shared = facts
            .policy()
            .is_some_and(|policy| policy.sharing.has(namespace, name));
        if !name.is_empty() && !path.contains(&"parentRefs") && !shared {
            let message = format!("{name} is in the protected namespace {namespace}");
            found.push(violation(format!("{}.namespace", path.join(".")), message));
        }
    });
    found
}

fn walk<'v>(value: &'v Value, path: &mut Vec<&'v str>, visit: &mut dyn FnMut(&[&str], &'v Value)) {
    match value {
        Value::Object(fields) => {
            visit(path, value);
            for (key, inner) in fields {
                path.push(key);
                walk(inner, path, visit);
                path.pop();
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, path, visit)),
        _ => {}
    }
}
