//! Which host of the golden becomes which host of the clone.
//!
//! The first host that serves `/`, by its route's name and its order there, becomes the preview's main host, and the first
//! of all where none does; each further one is named after the Service it leads to. Hosts are distinct, as those of the
//! golden are.

mod vendors;

use super::snapshot::{Snapshot, kind_of, name_of};
use crate::admission::HOST_ANNOTATIONS;
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
    /// The golden's hosts, whether they are part of the clone or not.
    golden: GoldenHosts,
}

impl HostMap {
    /// From all Ingresses and routes that are part of the clone; empty where the policy has no domain.
    pub(super) fn new(
        snapshot: &Snapshot,
        clone: &str,
        policy: &PreviewPolicySpec,
        part: impl Fn(&DynamicObject) -> bool,
    ) -> Self {
        let domain = policy.hosts.domain.as_str();
        let mut map = HostMap {
            golden: GoldenHosts::new(snapshot, domain),
            ..HostMap::default()
        };
        if domain.is_empty() {
            return map;
        }
        let routes = ROUTES.iter().flat_map(|kind| snapshot.of(kind));
        let mut routes: Vec<_> = routes.filter(|route| part(route)).collect();
        // Ingresses first, then by name: the order of the table is kept among equals.
        routes.sort_by_key(|route| (kind_of(route) != "Ingress", name_of(route)));
        let mut asked: Vec<Asked> = routes.into_iter().flat_map(hosts_of).collect();
        asked.sort_by_key(|asked| !asked.at_root);
        let mut taken = BTreeSet::new();
        for Asked { host, service, .. } in asked {
            if map.hosts.contains_key(&host) {
                continue;
            }
            let new = map.free(&host, &service, clone, domain, &taken);
            taken.insert(new.clone());
            map.made.push(new.clone());
            map.hosts.insert(host, new);
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
    pub(super) fn texts(&self) -> TextHosts {
        let mut becomes = self.hosts.clone();
        becomes.remove("");
        TextHosts {
            becomes,
            golden: self.golden.clone(),
        }
    }
}

/// What hosts in texts become, and which of those that become nothing are the golden's.
#[derive(Clone, Debug, Default)]
pub(super) struct TextHosts {
    pub(super) becomes: BTreeMap<String, String>,
    pub(super) golden: GoldenHosts,
}

impl TextHosts {
    /// Where every host of `snapshot` becomes none.
    pub(super) fn gone(snapshot: &Snapshot, domain: &str) -> Self {
        let golden = GoldenHosts::new(snapshot, domain);
        let hosts = golden.hosts.iter().map(|host| (host.clone(), String::new()));
        TextHosts {
            becomes: hosts.collect(),
            golden,
        }
    }
}

/// The hosts under which a golden is reached from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GoldenHosts {
    /// In lower case.
    hosts: BTreeSet<String>,
    /// What stands after `*.`, in lower case.
    parents: BTreeSet<String>,
    /// Where hosts of previews are, which may be below one of the golden's.
    previews: String,
}

impl GoldenHosts {
    fn new(snapshot: &Snapshot, domain: &str) -> Self {
        let routes = ROUTES.iter().flat_map(|kind| snapshot.of(kind));
        let asked = routes.flat_map(hosts_of).map(|asked| asked.host);
        let certified = snapshot.of("Ingress").flat_map(certified);
        let announced = snapshot.objects.iter().flat_map(announced);
        let others = snapshot.objects.iter().flat_map(vendors::hosts);
        let mut golden = GoldenHosts {
            previews: domain.to_owned(),
            ..GoldenHosts::default()
        };
        asked
            .chain(certified)
            .chain(announced)
            .chain(others)
            .for_each(|host| golden.add(&host));
        golden
    }

    fn add(&mut self, host: &str) {
        match host.strip_prefix("*.") {
            Some(parent) => drop(self.parents.insert(parent.to_owned())),
            None if host.is_empty() => {}
            None => drop(self.hosts.insert(host.to_owned())),
        }
    }

    /// The golden's host that `name`, in lower case, is or belongs to: `www.shop.example.com` and `.shop.example.com` belong to
    /// `shop.example.com`. A host of two labels is a whole domain, below which anybody's hosts stand: only its `www` counts.
    pub(super) fn above(&self, name: &str) -> Option<String> {
        if !name.contains('.') || self.is_a_previews(name) {
            return None;
        }
        if self.hosts.contains(name) {
            return Some(name.to_owned());
        }
        let mut dots = name.match_indices('.').map(|(at, _)| at);
        dots.find_map(|at| {
            let (first, parent) = (&name[..at], &name[at + 1..]);
            let is_domain = parent.matches('.').count() < 2;
            if self.hosts.contains(parent) && (!is_domain || matches!(first, "" | "www")) {
                return Some(parent.to_owned());
            }
            self.parents.contains(parent).then(|| format!("*.{parent}"))
        })
    }

    fn is_a_previews(&self, name: &str) -> bool {
        let rest = name.strip_suffix(self.previews.as_str());
        !self.previews.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

/// Kinds that ask for hosts.
pub(super) const ROUTES: [&str; 4] = ["Ingress", "HTTPRoute", "GRPCRoute", "TLSRoute"];

/// Hosts that an Ingress has certificates for. A wildcard says nothing of who serves what is below it.
fn certified(ingress: &DynamicObject) -> impl Iterator<Item = String> {
    let entries = ingress.data.pointer("/spec/tls").and_then(Value::as_array);
    let lists = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| entry["hosts"].as_array());
    let hosts = lists.flatten().filter_map(Value::as_str);
    hosts
        .filter(|host| !host.starts_with('*'))
        .map(str::to_ascii_lowercase)
}

/// Hosts that something outside gives an object by its annotations. What a certificate is for says nothing of who serves it.
fn announced(object: &DynamicObject) -> impl Iterator<Item = String> {
    let annotations = object.metadata.annotations.as_ref();
    let keys = HOST_ANNOTATIONS
        .iter()
        .filter(|key| !key.starts_with("cert-manager.io/"));
    let lists = keys.filter_map(move |key| annotations?.get(*key));
    lists
        .flat_map(|list| list.split([',', ' ']))
        .map(str::to_ascii_lowercase)
}

/// One host that a route asks for.
struct Asked {
    /// In lower case; empty where the route takes whatever host there is.
    host: String,
    /// The Service that it leads to first.
    service: String,
    /// Whether a page at `/` is served there.
    at_root: bool,
}

/// Hosts of a route in their order.
fn hosts_of(route: &DynamicObject) -> Vec<Asked> {
    if kind_of(route) == "Ingress" {
        return hosts_of_ingress(&route.data);
    }
    let rules = route.data.pointer("/spec/rules").and_then(Value::as_array);
    let mut services = rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule.pointer("/backendRefs/0/name").and_then(Value::as_str));
    let service = services.next().unwrap_or_default();
    let asked = |host: &str| Asked {
        host: host.to_ascii_lowercase(),
        service: service.to_owned(),
        at_root: kind_of(route) == "HTTPRoute" && rules.into_iter().flatten().any(serves_root),
    };
    let hosts = route.data.pointer("/spec/hostnames").and_then(Value::as_array);
    let mut hosts: Vec<_> = hosts
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(asked)
        .collect();
    // Without a host it takes whatever its listener gets.
    if hosts.is_empty() {
        hosts.push(asked(""));
    }
    hosts
}

/// Whether a rule of an HTTPRoute answers at `/`, whoever asks; without any match it answers everywhere.
/// Source: <https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule>.
fn serves_root(rule: &Value) -> bool {
    let list = |field: &str| rule[field].as_array().filter(|list| !list.is_empty());
    let is_root = |wanted: &Value| {
        let path = &wanted["path"];
        let on_terms = ["headers", "queryParams", "method"];
        let anybody = on_terms.iter().all(|term| wanted[term].is_null());
        let prefix = path["type"].as_str().is_none_or(|kind| kind == "PathPrefix");
        anybody && prefix && path["value"].as_str().is_none_or(|value| value == "/")
    };
    list("backendRefs").is_some() && list("matches").is_none_or(|matches| matches.iter().any(is_root))
}

fn hosts_of_ingress(ingress: &Value) -> Vec<Asked> {
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
            let mut paths = rule
                .pointer("/http/paths")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            Asked {
                host: host.to_ascii_lowercase(),
                service: backend(rule.pointer("/http/paths/0/backend")),
                at_root: paths.any(|path| {
                    path["pathType"] != "Exact" && path["path"].as_str().is_none_or(|path| path == "/")
                }),
            }
        })
        .collect();
    if let Some(default) = ingress.pointer("/spec/defaultBackend") {
        hosts.push(Asked {
            host: String::new(),
            service: backend(Some(default)),
            at_root: true,
        });
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(hosts: &[&str]) -> GoldenHosts {
        let mut golden = GoldenHosts {
            previews: "preview.example.com".to_owned(),
            ..GoldenHosts::default()
        };
        hosts.iter().for_each(|host| golden.add(host));
        golden
    }

    #[test]
    fn what_stands_below_a_host_belongs_to_it_and_below_a_whole_domain_only_its_www() {
        let golden = golden(&["shop.example.com", "example.net", "*.tenants.example.org"]);
        for (name, host) in [
            ("shop.example.com", Some("shop.example.com")),
            (".shop.example.com", Some("shop.example.com")),
            ("a.b.shop.example.com", Some("shop.example.com")),
            ("myshop.example.com", None),
            (".example.com", None),
            ("example.net", Some("example.net")),
            (".example.net", Some("example.net")),
            ("www.example.net", Some("example.net")),
            ("mail.example.net", None),
            ("acme.tenants.example.org", Some("*.tenants.example.org")),
            (".tenants.example.org", Some("*.tenants.example.org")),
            ("tenants.example.org", None),
        ] {
            assert_eq!(golden.above(name).as_deref(), host, "{name}");
        }
    }

    #[test]
    fn a_host_of_previews_is_none_of_the_goldens() {
        let golden = golden(&["preview.example.com", "*.example.com"]);
        assert_eq!(golden.above("shop-pr-7.preview.example.com"), None);
        assert_eq!(
            golden.above("xpreview.example.com").as_deref(),
            Some("*.example.com")
        );
    }
}
