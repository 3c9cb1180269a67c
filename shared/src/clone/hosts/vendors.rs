//! Hosts in the routes of other vendors. Clones make none of them but where the policy lists their kinds; what they name is
//! the golden's all the same.
//!
//! Sources: <https://doc.traefik.io/traefik/routing/routers/#rule>,
//! <https://istio.io/latest/docs/reference/config/networking/virtual-service/> and `gateway` beside it,
//! <https://projectcontour.io/docs/main/config/api/>,
//! <https://docs.openshift.com/container-platform/latest/rest_api/network_apis/route-route-openshift-io-v1.html>.

use crate::clone::snapshot::{group_of, kind_of, list};
use kube::core::DynamicObject;
use serde_json::Value;

/// The functions of Traefik's rules that compare hosts as they are written.
const MATCHERS: [&str; 2] = ["Host(", "HostSNI("];

/// Hosts that `object` is reached by from outside, in lower case.
pub(super) fn hosts(object: &DynamicObject) -> Vec<String> {
    let found: Vec<&str> = match (group_of(object), kind_of(object)) {
        ("traefik.io" | "traefik.containo.us", "IngressRoute" | "IngressRouteTCP") => {
            let rules = list(&object.data, "/spec/routes").filter_map(|route| route["match"].as_str());
            rules.flat_map(matched).collect()
        }
        ("networking.istio.io", "VirtualService") if leads_inside(object) => {
            texts(&object.data, "/spec/hosts").collect()
        }
        // A wildcard of a Gateway says nothing of who serves what is below it.
        ("networking.istio.io", "Gateway") => {
            let named = list(&object.data, "/spec/servers").flat_map(|server| texts(server, "/hosts"));
            let bare = named.map(|host| host.rsplit('/').next().unwrap_or_default());
            bare.filter(|host| !host.starts_with('*')).collect()
        }
        ("projectcontour.io", "HTTPProxy") => text(object, "/spec/virtualhost/fqdn").collect(),
        ("route.openshift.io", "Route") => text(object, "/spec/host").collect(),
        _ => Vec::new(),
    };
    let whole = found.into_iter().filter(|host| host.contains('.'));
    whole.map(str::to_ascii_lowercase).collect()
}

/// Whether somebody outside of the mesh is led: without a Gateway, hosts are those of Services.
fn leads_inside(service: &DynamicObject) -> bool {
    texts(&service.data, "/spec/gateways").any(|gateway| gateway != "mesh")
}

/// The hosts of a rule: what stands in quotes or backticks in ``Host(`a.example.com`, `b.example.com`)``.
fn matched(rule: &str) -> impl Iterator<Item = &str> {
    let calls = MATCHERS.iter().flat_map(|name| {
        // `!Host(…)` is everybody else's.
        let found = rule
            .match_indices(name)
            .filter(|(at, _)| !rule[..*at].ends_with('!'));
        found.map(|(at, name)| &rule[at + name.len()..])
    });
    calls.flat_map(|call| {
        let arguments = call.split(')').next().unwrap_or_default();
        arguments
            .split(',')
            .map(|one| one.trim().trim_matches(['`', '"', '\'']))
    })
}

fn texts<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v str> {
    list(value, pointer).filter_map(Value::as_str)
}

fn text<'v>(object: &'v DynamicObject, pointer: &str) -> impl Iterator<Item = &'v str> {
    object.data.pointer(pointer).and_then(Value::as_str).into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_vendors_routes_name_their_hosts_in_their_own_way() {
        for (api_version, kind, spec, expected) in [
            (
                "traefik.io/v1alpha1",
                "IngressRoute",
                json!({ "routes": [{ "match": "Host(`Shop.example.com`, `store.example.com`) && PathPrefix(`/x.y`)" },
                    { "match": "HostRegexp(`^.+[.]example.com$`) || !Host(`other.example.com`)" }] }),
                &["shop.example.com", "store.example.com"][..],
            ),
            (
                "traefik.io/v1alpha1",
                "IngressRouteTCP",
                json!({ "routes": [{ "match": "HostSNI(`*`)" }, { "match": "HostSNI(`db.example.com`)" }] }),
                &["db.example.com"],
            ),
            (
                "networking.istio.io/v1",
                "VirtualService",
                json!({ "hosts": ["shop.example.com", "*.tenants.example.com"], "gateways": ["mesh", "edge/public"] }),
                &["shop.example.com", "*.tenants.example.com"],
            ),
            (
                "networking.istio.io/v1",
                "VirtualService",
                json!({ "hosts": ["reviews.shop.svc.cluster.local"] }),
                &[],
            ),
            (
                "networking.istio.io/v1",
                "Gateway",
                json!({ "servers": [{ "hosts": ["*/shop.example.com", "*.example.com", "*"] }] }),
                &["shop.example.com"],
            ),
            (
                "projectcontour.io/v1",
                "HTTPProxy",
                json!({ "virtualhost": { "fqdn": "shop.example.com" } }),
                &["shop.example.com"],
            ),
            (
                "route.openshift.io/v1",
                "Route",
                json!({ "host": "shop.example.com" }),
                &["shop.example.com"],
            ),
            (
                "example.com/v1",
                "Route",
                json!({ "host": "shop.example.com" }),
                &[],
            ),
        ] {
            let object =
                json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "x" }, "spec": spec });
            assert_eq!(
                hosts(&serde_json::from_value(object).unwrap()),
                expected,
                "{kind}"
            );
        }
    }
}
