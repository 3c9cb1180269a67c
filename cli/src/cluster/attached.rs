//! What Gateways say of a preview's routes.
//!
//! Source: <https://gateway-api.sigs.k8s.io/reference/spec/#routestatus>.

use super::Cluster;
use kube::core::DynamicObject;
use serde_json::Value;
use understudy::routes::http_route;
use understudy::violation::printable;

impl Cluster {
    /// Why a Gateway does not serve a route of `namespace`, in one sentence; `None` where none says so, or nobody may look.
    pub async fn unserved(&self, namespace: &str) -> Option<String> {
        let routes = self.routes(namespace, http_route()).await;
        routes.iter().find_map(unserved)
    }
}

fn unserved(route: &DynamicObject) -> Option<String> {
    let name = route.metadata.name.as_deref().unwrap_or_default();
    let parents = route.data.pointer("/status/parents")?.as_array()?;
    parents.iter().find_map(|parent| {
        let gateway = parent["parentRef"]["name"].as_str().unwrap_or_default();
        let conditions = parent["conditions"].as_array()?.iter();
        let mut unmet = conditions.filter(|condition| condition["status"] == "False");
        let (what, condition) = unmet.find_map(|condition| match condition["type"].as_str()? {
            "Accepted" => Some(("does not accept", condition)),
            "ResolvedRefs" => Some(("cannot resolve the references of", condition)),
            _ => None,
        })?;
        let text = |field: &str| condition.get(field).and_then(Value::as_str).unwrap_or_default();
        let why = [text("reason"), text("message")].join(": ");
        Some(printable(&format!("{gateway} {what} HTTPRoute {name}: {why}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn route(conditions: Value) -> DynamicObject {
        let parent =
            json!({ "parentRef": { "name": "public", "namespace": "gateways" }, "conditions": conditions });
        serde_json::from_value(json!({ "metadata": { "name": "web" }, "status": { "parents": [parent] } }))
            .unwrap()
    }

    #[test]
    fn what_a_gateway_has_against_a_route_is_said() {
        let condition = |kind: &str, status: &str| json!({ "type": kind, "status": status, "reason": "NotAllowedByListeners", "message": "no listener takes it" });
        assert_eq!(
            unserved(&route(json!([
                condition("ResolvedRefs", "True"),
                condition("Accepted", "False")
            ])))
            .unwrap(),
            "public does not accept HTTPRoute web: NotAllowedByListeners: no listener takes it"
        );
        assert!(
            unserved(&route(json!([condition("ResolvedRefs", "False")])))
                .unwrap()
                .starts_with("public cannot resolve the references of HTTPRoute web")
        );
        assert_eq!(unserved(&route(json!([condition("Accepted", "True")]))), None);
        assert_eq!(
            unserved(&serde_json::from_value(json!({ "metadata": {} })).unwrap()),
            None
        );
    }
}
