//! What goes wrong around a clone, by the ids of the cases.

mod counted;
mod crowd;
mod killed;
mod moment;
mod names;
mod refused;
mod requests;
mod rights;
mod target;
mod versions;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::previews::{client, create, own_policy, unique};
use understudy_tests::shop::{self, stage};
use understudy_tests::testbed::User;

/// A golden of a test's own that developers may view, with `objects` as (plural, manifest).
async fn golden(name: &str, objects: Vec<(&str, Value)>) {
    unseen_golden(name, objects).await;
    let view = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "view" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "developers" }] });
    create(User::Admin, name, "rolebindings", view).await.unwrap();
}

/// The same, that developers may not even look into.
async fn unseen_golden(name: &str, objects: Vec<(&str, Value)>) {
    let bed = stage().await.bed();
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": name, "labels": { keys::GOLDEN: "true" } } });
    shop::apply::<Namespace>(bed, None, name, &namespace)
        .await
        .unwrap();
    for (plural, manifest) in objects {
        create(User::Admin, name, plural, manifest).await.unwrap();
    }
}

/// A policy without databases, so that a clone needs nothing but its guardrails.
async fn plain_policy() -> String {
    own_policy("plain", |spec| {
        spec["databases"] = json!([]);
        spec["secrets"] = json!({});
        spec["quota"] = json!({ "pods": "50", "requests.cpu": "8", "requests.memory": "16Gi", "limits.cpu": "40", "limits.memory": "40Gi" });
    })
    .await
}

fn workload(name: &str) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name }, "spec": {
        "selector": { "matchLabels": { "app": name } },
        "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [
            { "name": name, "image": format!("registry.example.com/{name}:1"), "envFrom": [{ "configMapRef": { "name": name } }] }] } } } })
}

fn config(name: &str, data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data })
}

fn service(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name },
        "spec": { "selector": { "app": name }, "ports": [{ "port": 80 }] } })
}

fn ingress(name: &str, host: &str) -> Value {
    json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": name }, "spec": { "rules": [
        { "host": host, "http": { "paths": [{ "path": "/", "pathType": "Prefix",
            "backend": { "service": { "name": name, "port": { "number": 80 } } } }] } }] } })
}

/// A web program with everything that belongs to one.
fn web(name: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("configmaps", config(name, json!({ "MODE": "fast" }))),
        ("services", service(name)),
        ("deployments", workload(name)),
        ("ingresses", ingress(name, &format!("{name}.example.com"))),
    ]
}

async fn namespace(name: &str) -> Option<Namespace> {
    let api: Api<Namespace> = Api::all(client(User::Admin).await);
    api.get_opt(name).await.unwrap()
}

/// A name for a golden that leaves room for its clones.
fn some_golden() -> String {
    unique("g")
}
