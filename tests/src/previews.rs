//! What test binaries share: the bed with the sample golden on it, previews on it, and ways to ask it things.
//!
//! All of it panics where a test could only fail.
#![allow(missing_docs)]

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use understudy::keys;

pub use crate::shop::stage;
use crate::testbed::{User, eventually};

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

/// Any object by `apiVersion` and `kind`, as `user`. `plural` is the resource.
pub async fn objects(
    user: User,
    namespace: &str,
    api_version: &str,
    kind: &str,
    plural: &str,
) -> Api<kube::core::DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = kube::core::GroupVersionKind::gvk(group, version, kind);
    let resource = kube::core::ApiResource::from_gvk_with_plural(&kind, plural);
    Api::namespaced_with(client(user).await, namespace, &resource)
}

/// Creates `manifest` in `namespace` as `user`; `plural` is its resource.
pub async fn create(
    user: User,
    namespace: &str,
    plural: &str,
    manifest: Value,
) -> Result<Value, kube::Error> {
    let text = |key: &str| manifest[key].as_str().unwrap_or_default().to_owned();
    let api = objects(user, namespace, &text("apiVersion"), &text("kind"), plural).await;
    let object = serde_json::from_value(manifest).expect("an object");
    let made = api.create(&PostParams::default(), &object).await?;
    Ok(serde_json::to_value(made).expect("an object is JSON"))
}

/// Installs a kind of another vendor, which takes any fields, and waits until it is served.
pub async fn vendors_kind(group: &str, version: &str, kind: &str, plural: &str) {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    let any = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}"),
            "annotations": { "api-approved.kubernetes.io": "https://github.com/kubernetes/enhancements/pull/1111" } },
        "spec": { "group": group, "scope": "Namespaced", "names": { "kind": kind, "plural": plural },
            "versions": [{ "name": version, "served": true, "storage": true, "schema": { "openAPIV3Schema": any } }] },
    });
    let bed = stage().await.bed();
    crate::shop::apply::<CustomResourceDefinition>(bed, None, &format!("{plural}.{group}"), &definition)
        .await
        .unwrap();
    let api = objects(
        User::Admin,
        "default",
        &format!("{group}/{version}"),
        kind,
        plural,
    )
    .await;
    eventually(SOON, "the kind is served", || async {
        api.list(&Default::default()).await.map(|_| ())
    })
    .await
    .unwrap();
}

/// Gives the developer every right in `namespace`: what is refused then is refused by admission.
pub async fn grant_everything(namespace: &str) {
    use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "everything" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "developer" }],
    });
    create(User::Admin, namespace, "rolebindings", binding)
        .await
        .unwrap();
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client(User::Developer).await);
    let asked: SelfSubjectAccessReview = serde_json::from_value(json!({ "spec": { "resourceAttributes": {
        "namespace": namespace, "verb": "create", "group": "*", "resource": "*" } } }))
    .unwrap();
    eventually(SOON, "the developer's new rights", || async {
        let answer = reviews.create(&PostParams::default(), &asked).await?;
        ensure!(answer.status.is_some_and(|status| status.allowed), "not yet");
        anyhow::Ok(())
    })
    .await
    .unwrap();
}

/// A policy of a test's own, like the demo's but for `edit`; waits until admission knows it. Previews name it by its label.
pub async fn own_policy(prefix: &str, edit: impl FnOnce(&mut Value)) -> String {
    let name = unique(prefix);
    let bed = stage().await.bed();
    crate::shop::policy(bed, |policy| {
        policy["metadata"]["name"] = json!(name);
        policy["spec"]["creators"] = json!({ "users": ["developer"] });
        edit(&mut policy["spec"]);
    })
    .await
    .unwrap();
    name
}

/// A preview of the developer's under `policy`, sealed, its branches ready.
pub async fn preview_under(policy: &str, prefix: &str) -> String {
    let name = unique(prefix);
    let mut manifest = preview(&name, json!({}));
    manifest["metadata"]["labels"][keys::POLICY] = json!(policy);
    eventually(SOON, "admission knows the policy", || async {
        make(User::Developer, manifest.clone()).await.map(|_| ())
    })
    .await
    .unwrap();
    name
}

/// Waits until the preview `name` is sealed and its branch ready.
pub async fn sealed(name: &str) {
    settled(name, |metadata| {
        let annotations = metadata.annotations.unwrap_or_default();
        let ready = annotations
            .get(&keys::database_state("app"))
            .is_some_and(|state| state == "ready");
        ensure!(
            annotations.contains_key(keys::GUARDRAILS) && ready,
            "not sealed: {annotations:?}"
        );
        Ok(())
    })
    .await;
}
