//! What the downward API gives a container, as far as the manifest knows it.
//!
//! Source: <https://kubernetes.io/docs/concepts/workloads/pods/downward-api/>.

use crate::admission::containers;
use crate::quantity::Quantity;
use serde_json::Value;

/// Stands for what only the node knows: addresses, names of nodes. A host that means nothing else.
const NODE_KNOWS: &str = "node-field.understudy.invalid";

/// What the downward API gives for `path`, as far as the manifest knows it. A key that is not there is empty; the rest
/// only the node knows.
pub(super) fn field(pod: &Value, path: &str) -> String {
    let keyed = |prefix: &str| path.strip_prefix(prefix)?.strip_prefix("['")?.strip_suffix("']");
    let value = |found: &Value| found.as_str().map(str::to_owned);
    let metadata = &pod["metadata"];
    if let Some(key) = keyed("metadata.annotations") {
        value(&metadata["annotations"][key]).unwrap_or_default()
    } else if let Some(key) = keyed("metadata.labels") {
        value(&metadata["labels"][key]).unwrap_or_default()
    } else if path == "spec.serviceAccountName" {
        value(&pod["spec"]["serviceAccountName"]).unwrap_or_else(|| "default".to_owned())
    } else {
        let known = path
            .strip_prefix("metadata.")
            .and_then(|key| value(&metadata[key]));
        known.unwrap_or_else(|| NODE_KNOWS.to_owned())
    }
}

/// What a `resourceFieldRef` of `container` gives: a number, of its own resources or those of the container that it names.
/// What is not set there is the node's to say, and stands as 1.
pub(super) fn resource(pod: &Value, container: &Value, reference: &Value) -> String {
    let named = reference["containerName"]
        .as_str()
        .filter(|name| !name.is_empty());
    let of = match named {
        Some(name) => containers(pod)
            .map(|(_, _, container)| container)
            .find(|container| container["name"] == name),
        None => Some(container),
    };
    let quantity = |value: &Value| match value {
        Value::String(text) => text.parse::<Quantity>().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    };
    let amount = || {
        let (of, path) = (of?, reference["resource"].as_str()?);
        let (which, what) = path.split_once('.')?;
        let limit = || quantity(&of["resources"]["limits"][what]);
        // A request that is not made is as large as the limit.
        let amount = quantity(&of["resources"][which][what]).or_else(limit)?;
        let divisor = quantity(&reference["divisor"]).filter(|divisor| *divisor > Quantity::default());
        Some(amount.in_units_of(divisor.unwrap_or_else(|| Quantity::count(1))))
    };
    amount().map_or_else(|| "1".to_owned(), |amount| amount.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_resource_is_rounded_up_in_units_of_its_divisor() {
        let container = json!({ "name": "web", "resources": {
            "requests": { "cpu": "1500m", "ephemeral-storage": "57" }, "limits": { "memory": "3Gi", "cpu": 2 } } });
        let pod = json!({ "spec": { "containers": [container, { "name": "other" }] } });
        let given = |container: &Value, reference: Value| resource(&pod, container, &reference);
        assert_eq!(
            given(&container, json!({ "resource": "requests.ephemeral-storage" })),
            "57"
        );
        assert_eq!(given(&container, json!({ "resource": "requests.cpu" })), "2");
        assert_eq!(
            given(&container, json!({ "resource": "requests.cpu", "divisor": "1m" })),
            "1500"
        );
        assert_eq!(
            given(
                &container,
                json!({ "resource": "limits.memory", "divisor": "1Mi" })
            ),
            "3072"
        );
        assert_eq!(
            given(
                &container,
                json!({ "resource": "requests.memory", "divisor": "1Gi" })
            ),
            "3"
        );
        let other = json!({ "name": "other" });
        let named = json!({ "resource": "limits.cpu", "containerName": "web", "divisor": "0" });
        assert_eq!(given(&other, named), "2");
        assert_eq!(
            given(&other, json!({ "resource": "limits.cpu" })),
            "1",
            "the node says"
        );
    }
}
