//! What other programs write, expect and forbid: one test a row of what is known of them, on manifests as they are found.

mod identity;
mod others;
mod parts;
mod routing;
mod secrets;

use super::*;

fn clone_of(objects: impl IntoIterator<Item = Value>, changes: Value) -> Plan {
    let snapshot = Snapshot {
        objects: objects.into_iter().map(object).collect(),
        ..shop()
    };
    let spec = CloneSpec {
        images: Vec::new(),
        ..spec()
    };
    planned(&snapshot, &spec, &policy(changes)).unwrap()
}

/// What `original` becomes under the policy of these tests, changed by `changes`.
fn clone_with(original: Value, changes: Value) -> DynamicObject {
    let (kind, name) = (original["kind"].clone(), original["metadata"]["name"].clone());
    let plan = clone_of([original, api(), api_service()], changes);
    assert_eq!(plan.refusals().next(), None);
    made(&plan, kind.as_str().unwrap(), name.as_str().unwrap()).clone()
}

fn clone(original: Value) -> DynamicObject {
    clone_with(original, json!({}))
}

fn config_map(metadata: Value) -> Value {
    let mut object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x", "namespace": "shop" }, "data": {} });
    for (key, value) in metadata.as_object().unwrap() {
        object["metadata"][key] = value.clone();
    }
    object
}

fn workload(kind: &str, name: &str, spec: Value) -> Value {
    let mut object = json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": name, "namespace": "shop" }, "spec": {
        "selector": { "matchLabels": { "app": name } },
        "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [{ "name": name, "image": "registry.example.com/x:1" }] } } } });
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    object
}

fn api() -> Value {
    workload("Deployment", "api", json!({}))
}

fn api_service() -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "api", "namespace": "shop" },
        "spec": { "selector": { "app": "api" }, "ports": [{ "port": 80 }] } })
}

fn ingress(annotations: Value) -> Value {
    json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "web", "namespace": "shop", "annotations": annotations },
        "spec": { "ingressClassName": "nginx", "rules": [
            { "host": "shop.example.com", "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": { "service": { "name": "api", "port": { "number": 80 } } } }] } },
            { "host": "api.example.com", "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": { "service": { "name": "api", "port": { "number": 80 } } } }] } }
        ] } })
}

/// The annotations that are left of `annotations` on an Ingress for shop.example.com and api.example.com.
fn left_on_ingress(annotations: Value) -> Value {
    json!(
        clone(ingress(annotations))
            .metadata
            .annotations
            .unwrap_or_default()
    )
}

const MAIN: &str = "shop-pr-7.preview.example.com";
const FURTHER: &str = "api--shop-pr-7.preview.example.com";
