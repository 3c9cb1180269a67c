//! The bed, previews on it, and what its tests share.

use std::time::Duration;

use anyhow::{bail, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{DeleteParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};
use understudy::keys;
pub use understudy_tests::previews::{client, unique};
use understudy_tests::previews::{ready_preview, secret};
use understudy_tests::shop;
use understudy_tests::testbed::{Understudy, User, eventually};

/// The longest that anything here takes on an idle machine, several times over.
pub const SOON: Duration = Duration::from_secs(90);

/// The processes belong to one test at a time.
pub static ALONE: Mutex<()> = Mutex::const_new(());
static STAGE: OnceCell<&'static Understudy> = OnceCell::const_new();

/// The bed with the sample golden. The developer may do everything that RBAC can give, and is exempt from nothing: what
/// stops them here is ours.
pub async fn stage() -> &'static Understudy {
    let opened = STAGE.get_or_try_init(|| async {
        let understudy = shop::stage().await;
        let everything = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": { "name": "developer-everything" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "developer" }],
        });
        shop::apply::<ClusterRoleBinding>(understudy.bed(), None, "developer-everything", &everything).await?;
        anyhow::Ok(understudy)
    });
    opened
        .await
        .unwrap_or_else(|error| panic!("failed to set up the sample golden: {error:?}"))
}

pub async fn create<K>(client: &Client, namespace: &str, object: Value) -> Result<K, kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Serialize
        + DeserializeOwned
        + std::fmt::Debug,
{
    let object: K = serde_json::from_value(object).expect("an object of this kind");
    Api::namespaced(client.clone(), namespace)
        .create(&PostParams::default(), &object)
        .await
}

pub async fn create_namespace(client: &Client, name: &str, labels: Value) -> Result<Namespace, kube::Error> {
    let namespace = serde_json::from_value(json!({ "metadata": { "name": name, "labels": labels } }))
        .expect("a Namespace");
    Api::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await
}

pub fn pod(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "main", "image": "x" }] } })
}

/// Asserts that `result` is a refusal whose message holds each of `parts`.
pub fn assert_refused<T: std::fmt::Debug>(result: Result<T, kube::Error>, parts: &[&str]) {
    let message = match result {
        Err(kube::Error::Api(status)) => status.message.clone(),
        other => panic!("not refused: {other:?}"),
    };
    for part in parts {
        assert!(message.contains(part), "{part:?} is missing: {message}");
    }
}

/// A sealed preview of the developer's with a Pod that runs, and its branch's name.
pub async fn living_preview(prefix: &str) -> (String, String) {
    let name = ready_preview(prefix).await;
    let developer = client(User::Developer).await;
    create::<Pod>(&developer, &name, pod("web")).await.unwrap();
    running(&developer, &name, "web").await;
    let mut branch = secret(&name, &keys::branch_secret("app")).await;
    (name, branch.remove("dbname").expect("a branch has a name"))
}

pub async fn running(client: &Client, namespace: &str, name: &str) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    eventually(SOON, "the Pod runs", || async {
        let status = pods.get(name).await?.status.unwrap_or_default();
        ensure!(status.phase.as_deref() == Some("Running"), "{status:?}");
        Ok(())
    })
    .await
    .unwrap();
}

/// Deletes a namespace and waits until it is gone.
pub async fn end(client: &Client, name: &str) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.delete(name, &DeleteParams::default()).await.unwrap();
    eventually(SOON, "the namespace is gone", || async {
        match namespaces.get_opt(name).await? {
            Some(found) => bail!("{:?}", found.status),
            None => Ok(()),
        }
    })
    .await
    .unwrap();
}
