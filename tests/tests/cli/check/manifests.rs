//! What is checked, and what the API server says of it.

use std::path::PathBuf;

use anyhow::ensure;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use understudy_tests::testbed::{User, eventually};

use crate::run::{Ran, SOON, stage};

/// A preview of the developer's, sealed, its branch ready.
pub async fn preview() -> &'static str {
    static PREVIEW: OnceCell<()> = OnceCell::const_new();
    const NAME: &str = "checked";
    let made = PREVIEW.get_or_try_init(|| Box::pin(make_ready(NAME)));
    made.await.expect("a preview to check against");
    NAME
}

async fn make_ready(name: &str) -> anyhow::Result<()> {
    make(name, "default").await?;
    let api = namespaces(User::Admin).await;
    eventually(SOON, "the preview is ready", || async {
        let notes = api.get(name).await?.metadata.annotations.unwrap_or_default();
        ensure!(
            notes.contains_key("understudy.dev/guardrails"),
            "not sealed: {notes:?}"
        );
        ensure!(
            notes
                .get("understudy.dev/database.app")
                .is_some_and(|state| state == "ready"),
            "{notes:?}"
        );
        Ok(())
    })
    .await
}

/// Boxed: what sets the stage up is nested too deeply for the compiler to lay out within another future.
async fn client(user: User) -> Client {
    let stage = Box::pin(stage()).await;
    stage.bed().client(user).await.expect("the bed knows its users")
}

async fn namespaces(user: User) -> Api<Namespace> {
    Api::all(client(user).await)
}

/// Makes a preview as the developer, once admission knows its policy.
pub async fn make(name: &str, policy: &str) -> anyhow::Result<()> {
    let manifest = json!({ "metadata": { "name": name,
        "labels": { "understudy.dev/preview": "true", "understudy.dev/policy": policy } } });
    let namespace: Namespace = serde_json::from_value(manifest)?;
    let api = namespaces(User::Developer).await;
    let params = PostParams::default();
    eventually(SOON, "the preview is made", || api.create(&params, &namespace)).await?;
    Ok(())
}

/// A file with these objects.
pub async fn file(name: &str, objects: &[Value]) -> String {
    let path: PathBuf = stage().await.bed().path().join(format!("{name}.yaml"));
    let documents: Vec<String> = objects
        .iter()
        .map(|object| serde_saphyr::to_string(object).unwrap())
        .collect();
    std::fs::write(&path, documents.join("\n---\n")).unwrap();
    path.display().to_string()
}

/// The policy of the stage, as a file.
pub async fn policy_file() -> String {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(
        "understudy.dev",
        "v1alpha1",
        "PreviewPolicy",
    ));
    let api: Api<DynamicObject> = Api::all_with(client(User::Developer).await, &resource);
    file("policy", &[json!(api.get("default").await.unwrap())]).await
}

/// What the API server says to the developer who would make `object`: nothing, or what follows the webhook's name.
pub async fn answer(namespace: &str, object: &Value) -> Option<String> {
    let (group, version) = object["apiVersion"]
        .as_str()
        .unwrap()
        .rsplit_once('/')
        .unwrap_or(("", "v1"));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(
        group,
        version,
        object["kind"].as_str().unwrap(),
    ));
    let client = client(User::Developer).await;
    let api: Api<DynamicObject> = match object["kind"].as_str() {
        Some("Namespace") => Api::all_with(client, &resource),
        _ => Api::namespaced_with(client, namespace, &resource),
    };
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match api
        .create(&params, &serde_json::from_value(object.clone()).unwrap())
        .await
    {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => {
            let (_, text) = status
                .message
                .split_once(".understudy.dev\" denied the request: ")
                .unwrap_or_else(|| panic!("{status:?}"));
            Some(text.to_owned())
        }
        Err(error) => panic!("{error}"),
    }
}

/// What the check said of each object, itself and its Pod: verdict and message.
pub fn said(ran: &Ran) -> Vec<(String, String)> {
    let report = ran.json();
    let objects = report["objects"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    objects
        .iter()
        .map(|one| (text(&one["verdict"]), text(&one["message"])))
        .collect()
}

pub fn object(api_version: &str, kind: &str, name: &str, content: Value) -> Value {
    let mut object = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name } });
    object
        .as_object_mut()
        .unwrap()
        .extend(content.as_object().cloned().unwrap());
    object
}

pub fn pod(env: Value) -> Value {
    json!({ "spec": { "containers": [{ "name": "main", "image": "registry.example.com/shop/web:1", "env": env }] } })
}

/// Manifests, what becomes of each, and the exit code.
pub fn table() -> Vec<(Value, &'static str, i32)> {
    let host = "other.preview.example.com";
    let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    let rule = json!({ "host": host, "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] } });
    let ingress = object(
        "networking.k8s.io/v1",
        "Ingress",
        "web",
        json!({ "spec": { "rules": [rule] } }),
    );
    // What Argo CD applies is not rewritten beneath it.
    let mut tracked = ingress.clone();
    tracked["metadata"]["annotations"] =
        json!({ "argocd.argoproj.io/tracking-id": "web:networking.k8s.io/Ingress:x/web" });
    let mut steals = ingress.clone();
    steals["metadata"]["annotations"] =
        json!({ "nginx.ingress.kubernetes.io/server-snippet": "server_name shop.example.com;" });
    let mut namespace = object("v1", "Namespace", "checked-ttl", json!({}));
    namespace["metadata"]["labels"] = json!({ "understudy.dev/preview": "true" });
    namespace["metadata"]["annotations"] = json!({ "understudy.dev/ttl": "999h" });
    let wide = json!({ "spec": { "podSelector": {}, "ingress": [{}], "policyTypes": ["Ingress"] } });
    vec![
        (
            object(
                "v1",
                "Pod",
                "reaches",
                pod(json!([{ "name": "API", "value": "http://api.shop.svc:8080" }])),
            ),
            "refused",
            10,
        ),
        (
            object("networking.k8s.io/v1", "NetworkPolicy", "wide", wide),
            "refused",
            10,
        ),
        (ingress, "changed", 0),
        (steals, "refused", 10),
        (tracked, "refused", 10),
        (namespace, "refused", 10),
        (
            object(
                "apps/v1",
                "DaemonSet",
                "everywhere",
                json!({ "spec": { "selector": { "matchLabels": { "a": "b" } },
            "template": { "metadata": { "labels": { "a": "b" } }, "spec": pod(json!([]))["spec"] } } }),
            ),
            "refused",
            10,
        ),
        (
            object(
                "v1",
                "Service",
                "lb",
                json!({ "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }] } }),
            ),
            "changed",
            0,
        ),
        (
            object(
                "v1",
                "ConfigMap",
                "plain",
                json!({ "data": { "COLOUR": "blue" } }),
            ),
            "allowed",
            0,
        ),
        (
            object(
                "v1",
                "Pod",
                "branched",
                pod(json!([{ "name": "DATABASE_URL", "value": "postgresql://shop:x@db.shop:5432/shop" }])),
            ),
            "changed",
            0,
        ),
    ]
}
