//! Where a reviewer clicks: the main host, by the scheme that its route is served by.

use super::plan::Plan;
use super::snapshot::{kind_of, name_of};
use super::verdict::Wave;
use crate::host;
use kube::core::DynamicObject;
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

impl Plan {
    /// The Gateways whose listeners decide by which scheme the main host is reached.
    pub fn gateways(&self) -> BTreeSet<GatewayName> {
        let Some(host) = self.hosts.first().filter(|host| !self.is_certified(host)) else {
            return BTreeSet::new();
        };
        let parents = self.parents(host);
        parents.map(|(gateway, _)| gateway).collect()
    }

    /// The URL; `gateways` are those that could be read. Of one that could not be, `sectionName` and `port` tell.
    pub fn url(&self, gateways: &[DynamicObject]) -> Option<String> {
        let host = self.hosts.first()?;
        let secure = |(wanted, parent): (GatewayName, &Value)| {
            let is_wanted = |gateway: &&DynamicObject| {
                name_of(gateway) == wanted.name
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
        Some(format!("{}://{host}", if tls { "https" } else { "http" }))
    }

    /// Whether an Ingress serves `host` by a certificate.
    fn is_certified(&self, host: &str) -> bool {
        let ingresses = self
            .wave(Wave::Routes)
            .filter(|route| kind_of(route) == "Ingress");
        let mut hosts = ingresses
            .filter_map(|ingress| ingress.data.pointer("/spec/tls")?.as_array())
            .flatten()
            .filter_map(|tls| tls["hosts"].as_array())
            .flatten();
        hosts.any(|certified| certified == host)
    }

    /// The Gateways of each route that serves `host`, with what the route says of them.
    fn parents<'p>(&'p self, host: &'p str) -> impl Iterator<Item = (GatewayName, &'p Value)> {
        let list = |route: &'p DynamicObject, field: &str| {
            let list = route.data["spec"].get(field).and_then(Value::as_array);
            list.into_iter().flatten()
        };
        let routes = self
            .wave(Wave::Routes)
            .filter(move |route| list(route, "hostnames").any(|name| name == host));
        routes.flat_map(move |route| {
            let api_version = route.types.as_ref().map(|types| types.api_version.clone());
            let parents = list(route, "parentRefs");
            let gateways =
                parents.filter(|parent| parent["kind"].as_str().is_none_or(|kind| kind == "Gateway"));
            gateways.map(move |parent| {
                let text = |field: &str| parent[field].as_str().unwrap_or_default().to_owned();
                let gateway = GatewayName {
                    api_version: api_version.clone().unwrap_or_default(),
                    namespace: text("namespace"),
                    name: text("name"),
                };
                (gateway, parent)
            })
        })
    }
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
