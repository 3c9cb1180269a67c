//! Objects that lead traffic somewhere: Services that are aliases, endpoints written by hand, backends of routes.

use super::violation;
use crate::admission::{Facts, Request, kinds};
use crate::networks::Networks;
use crate::policy::Network;
use crate::protected::Bounds;
use crate::violation::Violation;
use serde_json::Value;

/// An `ExternalName` that leads out of bounds.
pub(super) fn service(object: &Value, bounds: &Bounds<'_>) -> Vec<Violation> {
    let spec = &object["spec"];
    let name = spec["externalName"]
        .as_str()
        .filter(|_| spec["type"] == "ExternalName");
    let found = name.and_then(|name| Some((name, bounds.why(name)?)));
    let message = |(name, why)| violation("spec.externalName", format!("{name} is {why}"));
    found.map(message).into_iter().collect()
}

/// Endpoints that somebody writes by hand may only lead where the policy's network section leads as well: no name and no
/// selector says whose an address is.
pub(super) fn endpoints(request: &Request, facts: &Facts, bounds: &Bounds<'_>) -> Vec<Violation> {
    if kinds::by_the_control_plane(&request.user) {
        return Vec::new();
    }
    let open = facts
        .policy()
        .map(|policy| policy.network.clone())
        .unwrap_or_else(Network::closed);
    addresses(&request.object)
        .into_iter()
        .filter_map(|(field, address)| {
            if let Some(why) = bounds.why(address) {
                return Some(violation(field, format!("{address} is {why}")));
            }
            let reachable = address
                .parse()
                .map_or(true, |address| Networks::reachable(&open, address));
            (!reachable).then(|| {
                let message =
                    format!("{address} is an address that the policy's network section keeps closed");
                violation(field, message).remedy("let a Service with a selector find its Pods")
            })
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
