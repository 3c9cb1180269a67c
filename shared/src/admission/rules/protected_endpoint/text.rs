//! Kinds that nobody here knows, and annotations: any text in them may be a host.

use super::leads::closed;
use super::violation;
use crate::admission::{Facts, Request};
use crate::host;
use crate::protected::{Bounds, Place};
use crate::violation::Violation;
use serde_json::Value;

/// Annotations that repeat the object or say whose it is.
const NOTES: [&str; 2] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "argocd.argoproj.io/tracking-id",
];

/// Every text below `spec` (or beside it) that would reach out of bounds.
pub(super) fn anywhere(object: &Value, bounds: &Bounds<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (key, value) in object.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
            search(value, &mut vec![key], bounds, &mut found);
        }
    }
    found
}

fn search<'v>(value: &'v Value, path: &mut Vec<&'v str>, bounds: &Bounds<'_>, found: &mut Vec<Violation>) {
    match value {
        Value::String(text) => {
            if let Some((host, why)) = bounds.reached(text, Place::File) {
                found.push(violation(path.join("."), format!("host {host} is {why}")));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| search(item, path, bounds, found)),
        Value::Object(fields) => {
            for (key, inner) in fields {
                path.push(key);
                search(inner, path, bounds, found);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Annotations that something acts on: where to ask for leave, where to mirror to, whose Secret to take.
pub(super) fn annotations(request: &Request, facts: &Facts, bounds: &Bounds<'_>) -> Vec<Violation> {
    let all = request.object["metadata"]["annotations"]
        .as_object()
        .into_iter()
        .flatten();
    let acted_on = all.filter(|(key, _)| !NOTES.contains(&key.as_str()));
    let mut found = Vec::new();
    for (key, value) in acted_on {
        let value = value.as_str().unwrap_or_default();
        let field = || format!("metadata.annotations[{key}]");
        if let Some((host, why)) = bounds.reached(value, Place::File) {
            found.push(violation(field(), format!("host {host} is {why}")));
        } else if let Some(why) = address(value, &request.namespace, facts) {
            found.push(violation(field(), why));
        } else if let Some(namespace) = reference(value, facts) {
            found.push(violation(
                field(),
                format!("this refers to the protected namespace {namespace}"),
            ));
        }
    }
    found
}

/// Why an address that somebody who is bound by no NetworkPolicy would call is closed to the preview. Only what stands as the
/// host of a URL counts: times and networks are full of numbers.
fn address(value: &str, namespace: &str, facts: &Facts) -> Option<String> {
    let authorities = value.match_indices("//").map(|(at, slashes)| {
        let rest = &value[at + slashes.len()..];
        let end = rest.find(|c: char| c.is_whitespace() || "/?#,;\"'".contains(c));
        let authority = &rest[..end.unwrap_or(rest.len())];
        authority.rsplit_once('@').map_or(authority, |(_, host)| host)
    });
    let mut hosts = authorities.map(|authority| match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    });
    hosts.find_map(|host| host::address(host).and_then(|_| closed(host, namespace, facts)))
}

/// The protected namespace of a value that refers to an object as `namespace/name`, or as Traefik writes it.
fn reference(value: &str, facts: &Facts) -> Option<String> {
    let name = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
    };
    for part in value.split(',').map(str::trim) {
        let slashed = part
            .split_once('/')
            .filter(|(namespace, rest)| name(namespace) && name(rest))
            .map(|(namespace, _)| namespace);
        if let Some(namespace) = slashed.filter(|namespace| facts.protected.has_namespace(namespace)) {
            return Some(namespace.to_owned());
        }
        if let Some(middleware) = part.strip_suffix("@kubernetescrd") {
            let mut all = facts.protected.namespaces();
            let own = all.find(|namespace| {
                middleware
                    .strip_prefix(namespace.as_str())
                    .is_some_and(|rest| rest.starts_with('-'))
            });
            if let Some(namespace) = own {
                return Some(namespace.clone());
            }
        }
    }
    None
}
