//! Reviews as the API server writes them.

use serde_json::{Value, json};

/// Nobody's namespace: no preview, in nobody's memory.
pub const NOWHERE: &str = "nowhere";

/// The creation of an object of the core group.
pub fn creation(kind: &str, namespace: &str, object: Value) -> Value {
    let resource = format!("{}s", kind.to_lowercase());
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": format!("uid-{:08x}", rand::random::<u32>()),
        "kind": { "group": "", "version": "v1", "kind": kind },
        "resource": { "group": "", "version": "v1", "resource": resource },
        "name": object["metadata"]["name"], "namespace": namespace, "operation": "CREATE",
        "userInfo": { "username": "somebody", "groups": ["developers", "system:authenticated"] },
        "object": object, "oldObject": null, "dryRun": false, "options": null,
    } })
}

/// The creation of a ConfigMap that no rule minds.
pub fn config_map(name: &str) -> Value {
    let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "a": "b" } });
    creation("ConfigMap", NOWHERE, object)
}

/// The creation of a preview, which mutation gives its lease.
pub fn preview(name: &str) -> Value {
    let object = json!({ "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": name, "labels": { "understudy.dev/preview": "true" } } });
    creation("Namespace", name, object)
}

/// The creation of a Pod with these variables.
pub fn pod(namespace: &str, env: Value) -> Value {
    let object = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" },
        "spec": { "containers": [{ "name": "main", "image": "registry.example.com/web:1", "env": env }] } });
    creation("Pod", namespace, object)
}
