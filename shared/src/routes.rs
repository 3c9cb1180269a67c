//! Where a reviewer clicks: a host, by the scheme that its routes are served by.

use crate::host;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, TypeMeta};
use serde_json::Value;
use std::collections::BTreeSet;

/// A Gateway that a route is attached to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GatewayName {
    /// The `apiVersion` that the route is written in.
    pub api_version: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl GatewayName {
    /// What it is, in the version of its route.
    pub fn resource(&self) -> ApiResource {
        let (group, version) = self.api_version.split_once('/').unwrap_or_default();
        ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, "Gateway"))
    }
}

/// What HTTPRoutes are.
pub fn http_route() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(
        "gateway.networking.k8s.io",
        "v1",
        "HTTPRoute",
    ))
}

/// The routes of a list of `resource`, whose items do not repeat what they are.
pub fn typed(mut items: Vec<DynamicObject>, resource: &ApiResource) -> Vec<DynamicObject> {
    for route in &mut items {
        route.types = Some(TypeMeta {
            api_version: resource.api_version.clone(),
            kind: resource.kind.clone(),
        });
    }
    items
}

/// Ingresses and routes of the Gateway API.
pub struct Routes<'r>(Vec<&'r DynamicObject>);

impl<'r> Routes<'r> {
    /// These.
    pub fn new(routes: impl IntoIterator<Item = &'r DynamicObject>) -> Self {
        Routes(routes.into_iter().collect())
    }

    /// Every host that one of them names, as it is written.
    pub fn hosts(&self) -> BTreeSet<&'r str> {
        let rules = self.ingresses().flat_map(rules);
        let names = self.0.iter().flat_map(|route| list(route, "hostnames"));
        rules.chain(names.filter_map(Value::as_str)).collect()
    }

    /// The Gateways whose listeners decide by which scheme `host` is reached.
    pub fn gateways(&self, host: &str) -> BTreeSet<GatewayName> {
        if self.is_certified(host) {
            return BTreeSet::new();
        }
        self.parents(host).map(|(gateway, _)| gateway).collect()
    }

    /// The URL of `host`; `gateways` are those that could be read. Of one that could not be, `sectionName` and `port` tell.
    pub fn url(&self, host: &str, gateways: &[DynamicObject]) -> String {
        let secure = |(wanted, parent): (GatewayName, &Value)| {
            let is_wanted = |gateway: &&DynamicObject| {
                gateway.metadata.name.as_ref() == Some(&wanted.name)
                    && gateway.metadata.namespace.as_ref() == Some(&wanted.namespace)
            };
            match gateways.iter().find(is_wanted) {
                Some(gateway) => has_secure_listener(gateway, parent, host),
                None => {
                    let section = parent["sectionName"].as_str().unwrap_or_default();
                    parent["port"] == 443 || section.contains("https")
                }
            }
        };
        let tls = self.is_certified(host) || self.parents(host).any(secure);
        format!("{}://{host}", if tls { "https" } else { "http" })
    }

    fn ingresses(&self) -> impl Iterator<Item = &'r DynamicObject> {
        let ingress = |route: &&DynamicObject| types(route).is_some_and(|types| types.kind == "Ingress");
        self.0.iter().copied().filter(ingress)
    }

    /// Whether an Ingress serves `host` by a certificate: one that names no hosts is for all of its own.
    /// Source: <https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.35/#ingresstls-v1-networking-k8s-io>.
    fn is_certified(&self, host: &str) -> bool {
        self.ingresses().any(|ingress| {
            let certifies = |tls: &Value| match tls["hosts"].as_array() {
                Some(hosts) if !hosts.is_empty() => hosts.iter().any(|certified| certified == host),
                _ => rules(ingress).any(|own| own == host),
            };
            list(ingress, "tls").any(certifies)
        })
    }

    /// The Gateways of each route that serves `host`, with what the route says of them.
    fn parents(&self, host: &str) -> impl Iterator<Item = (GatewayName, &'r Value)> {
        let serves = |route: &&&DynamicObject| list(route, "hostnames").any(|name| name == host);
        let routes: Vec<&DynamicObject> = self.0.iter().filter(serves).copied().collect();
        routes.into_iter().flat_map(|route| {
            let api_version = types(route).map(|types| types.api_version.clone());
            let own_namespace = route.metadata.namespace.as_deref();
            let is_gateway = |parent: &&Value| parent["kind"].as_str().is_none_or(|kind| kind == "Gateway");
            list(route, "parentRefs").filter(is_gateway).map(move |parent| {
                let text = |field: &str| parent[field].as_str();
                let gateway = GatewayName {
                    api_version: api_version.clone().unwrap_or_default(),
                    namespace: text("namespace").or(own_namespace).unwrap_or_default().to_owned(),
                    name: text("name").unwrap_or_default().to_owned(),
                };
                (gateway, parent)
            })
        })
    }
}

fn types(object: &DynamicObject) -> Option<&TypeMeta> {
    object.types.as_ref()
}

fn list<'r>(route: &'r DynamicObject, field: &str) -> impl Iterator<Item = &'r Value> + use<'r> {
    let list = route.data["spec"].get(field).and_then(Value::as_array);
    list.into_iter().flatten()
}

/// Hosts in the rules of an Ingress.
fn rules(ingress: &DynamicObject) -> impl Iterator<Item = &str> {
    list(ingress, "rules").filter_map(|rule| rule["host"].as_str())
}

/// Whether a listener that `parent` means takes `host` by TLS.
/// Source: <https://gateway-api.sigs.k8s.io/reference/spec/#listener>.
fn has_secure_listener(gateway: &DynamicObject, parent: &Value, host: &str) -> bool {
    let listeners = gateway.data.pointer("/spec/listeners").and_then(Value::as_array);
    let meant = |listener: &&Value| {
        let same = |wanted: &Value, found: &Value| wanted.is_null() || wanted == found;
        let takes = |pattern: &str| pattern.is_empty() || host::matches(pattern, host);
        same(&parent["sectionName"], &listener["name"])
            && same(&parent["port"], &listener["port"])
            && listener["hostname"].as_str().is_none_or(takes)
    };
    let mut meant = listeners.into_iter().flatten().filter(meant);
    meant.any(|listener| listener["protocol"] == "HTTPS" || listener["protocol"] == "TLS")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn route(kind: &str, spec: Value) -> DynamicObject {
        let metadata = json!({ "name": "web", "namespace": "shop-pr-7" });
        let object =
            json!({ "apiVersion": "example.com/v1", "kind": kind, "metadata": metadata, "spec": spec });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_certificate_that_names_no_host_is_for_all_of_its_ingress_and_no_other() {
        let certified = json!({ "rules": [{ "host": "a" }], "tls": [{ "secretName": "wildcard" }] });
        let plain = json!({ "rules": [{ "host": "b" }, { "http": {} }] });
        let other = json!({ "rules": [{ "host": "c" }, { "host": "d" }], "tls": [{ "hosts": ["d"] }] });
        let all = [certified, plain, other].map(|spec| route("Ingress", spec));
        let routes = Routes::new(&all);
        let urls: Vec<String> = routes
            .hosts()
            .into_iter()
            .map(|host| routes.url(host, &[]))
            .collect();
        assert_eq!(urls, ["https://a", "http://b", "http://c", "https://d"]);
    }

    #[test]
    fn a_route_that_names_no_namespace_is_attached_to_a_gateway_of_its_own() {
        let spec = json!({ "hostnames": ["a"], "parentRefs": [{ "name": "own" }, { "name": "far", "namespace": "gateways" },
            { "name": "mesh", "kind": "Service" }] });
        let all = [route("HTTPRoute", spec)];
        let gateways = Routes::new(&all).gateways("a");
        let names: Vec<_> = gateways
            .iter()
            .map(|gateway| (gateway.namespace.as_str(), gateway.name.as_str()))
            .collect();
        assert_eq!(names, [("gateways", "far"), ("shop-pr-7", "own")]);
    }
}
