//! Ingresses: hosts below the policy's domain, nothing that asks for certificates or DNS records of the golden.
//!
//! Sources: <https://cert-manager.io/docs/usage/ingress/#supported-annotations>,
//! <https://kubernetes-sigs.github.io/external-dns/latest/docs/annotations/annotations/>.

use super::{Context, Notes, Sums};
use kube::core::DynamicObject;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What asks cert-manager for a certificate.
const CERTIFICATES: [&str; 3] = [
    "cert-manager.io/",
    "acme.cert-manager.io/",
    "kubernetes.io/tls-acme",
];
/// Prefixes of external-dns, up to 0.21 and from 0.22.
const DNS: [&str; 2] = ["external-dns.alpha.kubernetes.io/", "external-dns.kubernetes.io/"];
/// Annotations whose value names a Secret, `name` or `namespace/name`.
const SECRETS: [&str; 3] = [
    "nginx.ingress.kubernetes.io/auth-secret",
    "nginx.ingress.kubernetes.io/auth-tls-secret",
    "nginx.ingress.kubernetes.io/proxy-ssl-secret",
];
/// Further hosts of ingress-nginx.
const ALIAS: &str = "nginx.ingress.kubernetes.io/server-alias";

pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, sums: &mut Sums, notes: &mut Notes) {
    let by = format!("Ingress/{}", super::name_of(object));
    if context.policy.hosts.domain.is_empty() {
        return no_domain(context, notes);
    }
    if let Some(spec) = object.data.get_mut("spec").and_then(Value::as_object_mut) {
        default_backend(spec, notes);
        let mut served = Vec::new();
        for rule in spec
            .get_mut("rules")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let host = rule
                .get("host")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            if let Some(new) = context.hosts.get(&host) {
                notes.change(if host.is_empty() {
                    format!("it serves {new} only")
                } else {
                    format!("{host} becomes {new}")
                });
                rule["host"] = json!(new);
                served.push((host.to_ascii_lowercase(), new));
            }
        }
        certified(spec, &served, context, notes);
        certificates(spec, &by, context, sums, notes);
    }
    let annotations = object.metadata.annotations.get_or_insert_default();
    for key in SECRETS {
        if let Some(value) = annotations.get(key) {
            let (namespace, name) = value.split_once('/').unwrap_or((context.golden, value));
            if namespace == context.golden {
                sums.usage.uses(name, None, format!("{by}, annotation {key}"));
            }
        }
        if let Some(value) = annotations.get_mut(key)
            && let Some(name) = value.strip_prefix(&format!("{}/", context.golden))
        {
            *value = format!("{}/{name}", context.spec.name);
        }
    }
    self::annotations(annotations, context, notes);
    if annotations.is_empty() {
        object.metadata.annotations = None;
    }
}

/// Refuses what has hosts under a policy that says nothing of where these go.
pub(super) fn no_domain(context: &Context<'_>, notes: &mut Notes) {
    let policy = context.policy_name;
    notes.refuse(
        format!("policy {policy} has no domain to put its hosts below"),
        format!("set spec.hosts.domain in PreviewPolicy {policy}"),
    );
}

/// A default backend takes whatever no host asks for, from the whole controller: it becomes a rule of the preview's host.
fn default_backend(spec: &mut Map<String, Value>, notes: &mut Notes) {
    let Some(backend) = spec.remove("defaultBackend") else {
        return;
    };
    let rules = spec.entry("rules").or_insert_with(|| json!([]));
    let hostless = |rule: &Value| {
        rule.get("host")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .is_empty()
    };
    if let Some(rules) = rules.as_array_mut()
        && !rules.iter().any(hostless)
    {
        rules.push(
            json!({ "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] } }),
        );
        notes.change("its default backend becomes a rule of its own host");
    }
}

/// Certificates are for the hosts that the rules serve, `served` as the golden's and the clone's: a wildcard for those that it
/// covers. What no rule serves has no host in the clone.
fn certified(
    spec: &mut Map<String, Value>,
    served: &[(String, &str)],
    context: &Context<'_>,
    notes: &mut Notes,
) {
    let becomes = |asked: &str| -> Vec<String> {
        let asked = asked.to_ascii_lowercase();
        if let Some(new) = context.hosts.get(&asked) {
            return vec![new.to_owned()];
        }
        let meant = served
            .iter()
            .filter(|(host, _)| covers(&asked, host) || covers(host, &asked));
        meant.map(|(_, new)| (*new).to_owned()).collect()
    };
    let Some(entries) = spec.get_mut("tls").and_then(Value::as_array_mut) else {
        return;
    };
    entries.retain_mut(|entry| {
        let Some(hosts) = entry.get_mut("hosts").and_then(Value::as_array_mut) else {
            return true;
        };
        let asked = std::mem::take(hosts);
        for host in asked.iter().filter_map(Value::as_str) {
            let new = becomes(host);
            if new.is_empty() {
                notes.change(format!("tls for {host} is left out: no rule serves it"));
            } else if context.hosts.get(host).is_none() {
                notes.change(format!("tls for {host} becomes tls for {}", new.join(", ")));
            }
            for new in new.into_iter().map(Value::String) {
                if !hosts.contains(&new) {
                    hosts.push(new);
                }
            }
        }
        // Without hosts it would be for all of the Ingress's own.
        asked.is_empty() || !hosts.is_empty()
    });
    if entries.is_empty() {
        spec.remove("tls");
    }
}

/// Whether `pattern` of an Ingress takes in `host`: `*.x` one label below `x`, and no host at all every one.
/// Source: <https://kubernetes.io/docs/concepts/services-networking/ingress/#hostname-wildcards>.
fn covers(pattern: &str, host: &str) -> bool {
    let below = pattern.strip_prefix("*.").zip(host.split_once('.'));
    pattern.is_empty() || below.is_some_and(|(parent, (_, rest))| parent == rest)
}

/// Certificates are the ingress controller's wildcard, unless the policy lets the golden's Secret along.
fn certificates(
    spec: &mut Map<String, Value>,
    by: &str,
    context: &Context<'_>,
    sums: &mut Sums,
    notes: &mut Notes,
) {
    for entry in spec
        .get_mut("tls")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let Value::Object(fields) = entry else { continue };
        let secret = fields
            .get("secretName")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let own = &context.policy.hosts.tls_secret;
        if !own.is_empty() {
            if secret != *own {
                fields.insert("secretName".to_owned(), json!(own));
                notes.change(format!("it is served by the certificate in {own}"));
            }
        } else if context.policy.secrets.copy.contains(&secret) {
            sums.usage.uses(&secret, None, format!("{by}, for TLS"));
        } else if fields.remove("secretName").is_some() {
            notes.change("it is served by the ingress controller's own certificate");
        }
    }
}

/// Annotations of cert-manager, external-dns and ingress-nginx on anything that has hosts.
pub(super) fn annotations(
    annotations: &mut BTreeMap<String, String>,
    context: &Context<'_>,
    notes: &mut Notes,
) {
    let before = annotations.len();
    annotations.retain(|key, _| !CERTIFICATES.iter().any(|prefix| key.starts_with(prefix)));
    if annotations.len() < before {
        notes.change("it asks for no certificate");
    }
    let map_hosts = |value: &str| {
        let hosts = value.split(',').filter_map(|host| context.hosts.get(host.trim()));
        hosts.map(str::to_owned).collect::<Vec<_>>().join(",")
    };
    let mut dns = false;
    annotations.retain(|key, value| {
        let Some(name) = DNS.iter().find_map(|prefix| key.strip_prefix(prefix)) else {
            return true;
        };
        match name {
            "hostname" | "internal-hostname" => {
                *value = map_hosts(value);
                dns = true;
                !value.is_empty()
            }
            "set-identifier" | "target" => false,
            name => !name.starts_with("aws-"),
        }
    });
    if dns {
        notes.change("its DNS names are the clone's");
    }
    annotations.retain(|key, value| {
        if key == ALIAS {
            *value = map_hosts(value);
        }
        key != ALIAS || !value.is_empty()
    });
}
