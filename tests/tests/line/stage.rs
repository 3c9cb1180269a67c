//! What the tests of this binary share: the bed with the sample golden on it, and ways to ask it things.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use understudy::keys;
pub use understudy_tests::shop::stage;
use understudy_tests::testbed::{User, eventually};

/// The longest that anything here takes on an idle machine, several times over.
pub const SOON: Duration = Duration::from_secs(60);

pub async fn client(user: User) -> Client {
    stage()
        .await
        .bed()
        .client(user)
        .await
        .expect("the bed knows its users")
}

/// A name nobody else uses.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{:08x}", rand::random::<u32>())
}

/// The manifest of a preview.
pub fn preview(name: &str, annotations: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": name, "labels": { keys::PREVIEW: "true" }, "annotations": annotations } })
}

/// Makes a namespace as `user`.
pub async fn make(user: User, manifest: Value) -> Result<Namespace, kube::Error> {
    let api: Api<Namespace> = Api::all(client(user).await);
    api.create(
        &PostParams::default(),
        &serde_json::from_value(manifest).expect("a namespace"),
    )
    .await
}

/// A sealed preview of the developer's, its branch ready.
pub async fn ready_preview(prefix: &str) -> String {
    let name = unique(prefix);
    make(User::Developer, preview(&name, json!({})))
        .await
        .expect("a developer may make a preview");
    settled(&name, |metadata| {
        let annotations = metadata.annotations.unwrap_or_default();
        ensure!(
            annotations.contains_key(keys::GUARDRAILS),
            "not sealed: {annotations:?}"
        );
        ensure!(
            annotations
                .get(&keys::database_state("app"))
                .is_some_and(|state| state == "ready"),
            "no branch: {annotations:?}"
        );
        Ok(())
    })
    .await;
    name
}

/// Waits until the metadata of the namespace `name` satisfies `check`.
pub async fn settled(name: &str, check: impl Fn(ObjectMeta) -> Result<()>) {
    let api: Api<Namespace> = Api::all(client(User::Admin).await);
    let what = format!("namespace {name} is as expected");
    eventually(SOON, &what, || async { check(api.get(name).await?.metadata) })
        .await
        .unwrap();
}

/// A Pod with one container.
pub fn pod(name: &str, env: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "containers": [{ "name": "main", "image": "registry.example.com/shop/web:1", "env": env }] } })
}

pub async fn make_pod(user: User, namespace: &str, manifest: Value) -> Result<Pod, kube::Error> {
    let api: Api<Pod> = Api::namespaced(client(user).await, namespace);
    api.create(
        &PostParams::default(),
        &serde_json::from_value(manifest).expect("a Pod"),
    )
    .await
}

/// The decoded data of a Secret, read by the admin.
pub async fn secret(namespace: &str, name: &str) -> std::collections::BTreeMap<String, String> {
    let api: Api<Secret> = Api::namespaced(client(User::Admin).await, namespace);
    let data = api
        .get(name)
        .await
        .expect("the Secret is there")
        .data
        .unwrap_or_default();
    data.into_iter()
        .map(|(key, value)| (key, String::from_utf8(value.0).unwrap()))
        .collect()
}

/// Asserts that `result` is a refusal by `by` (a webhook's or a policy's name) which gives every one of `reasons`.
pub fn assert_refused<T: Debug>(result: Result<T, kube::Error>, by: &str, reasons: &[&str]) -> String {
    let message = match result {
        Err(kube::Error::Api(status)) => status.message.clone(),
        other => panic!("not refused: {other:?}"),
    };
    assert!(message.contains(by), "not refused by {by}: {message}");
    for reason in reasons {
        assert!(
            message.contains(&format!("{reason}: ")),
            "{reason} is missing: {message}"
        );
    }
    message
}
