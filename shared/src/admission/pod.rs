//! Walking a Pod.

use serde_json::Value;

/// Every list of containers a Pod can have. Sidecars are init containers with `restartPolicy: Always`.
pub const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Every container with its list and index.
pub fn containers(pod: &Value) -> impl Iterator<Item = (&'static str, usize, &Value)> {
    CONTAINER_LISTS.into_iter().flat_map(move |list| {
        let found = pod["spec"][list].as_array().into_iter().flatten();
        found
            .enumerate()
            .map(move |(index, container)| (list, index, container))
    })
}

/// Whether `pod` carries the scheduling gate `name`.
pub fn has_gate(pod: &Value, name: &str) -> bool {
    pod["spec"]["schedulingGates"]
        .as_array()
        .is_some_and(|gates| gates.iter().any(|gate| gate["name"] == name))
}

/// Whether somebody makes this Pod again at once when it is deleted: not a Job, which counts that as a failure.
pub fn is_made_again(pod: &Value) -> bool {
    let kind = controller(pod).and_then(|owner| owner["kind"].as_str());
    matches!(kind, Some("ReplicaSet" | "StatefulSet" | "DaemonSet"))
}

/// The owner that keeps this Pod, as the Pod refers to it.
pub fn controller(pod: &Value) -> Option<&Value> {
    let owners = pod["metadata"]["ownerReferences"].as_array()?;
    owners.iter().find(|owner| owner["controller"] == true)
}
