//! Everything ends, and leaves nothing on the database server.

use std::time::Duration;

use anyhow::ensure;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use understudy::keys;
use understudy_tests::shop;
use understudy_tests::testbed::{NAMESPACE, User, eventually};

use crate::stage::{client, make, make_pod, pod, preview, ready_preview, secret, stage, unique};

/// A namespace with Pods in it takes ten seconds and more to go on an idle server.
const END: Duration = Duration::from_secs(120);

async fn gone(name: &str) {
    let namespaces: Api<Namespace> = Api::all(client(User::Admin).await);
    eventually(END, "the namespace is gone", || async {
        let found = namespaces.get_opt(name).await?;
        ensure!(
            found.is_none(),
            "{:?}",
            found.map(|namespace| (namespace.metadata.annotations, namespace.status))
        );
        anyhow::Ok(())
    })
    .await
    .unwrap();
}

/// Neither database nor role of this name is left on the previews' server.
async fn branch_gone(branch: &str) {
    let bed = stage().await.bed();
    eventually(END, "the branch is gone from the server", || async {
        let server = bed.previews().connect("postgres").await?;
        let query = "SELECT (SELECT count(*) FROM pg_database WHERE datname = $1) + (SELECT count(*) FROM pg_roles WHERE rolname = $1)";
        let left: i64 = server.query_one(query, &[&branch]).await?.get(0);
        ensure!(left == 0, "{left} of database and role are left");
        anyhow::Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_lease_ends_nothing_is_left() {
    let name = ready_preview("end").await;
    let branch = secret(&name, &keys::branch_secret("app")).await["dbname"].clone();
    let deployments: Api<Deployment> = Api::namespaced(client(User::Developer).await, &name);
    let deployment = json!({ "metadata": { "name": "web" }, "spec": { "selector": { "matchLabels": { "app": "web" } },
        "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "web", "image": "x" }] } } } });
    deployments
        .create(
            &PostParams::default(),
            &serde_json::from_value(deployment).unwrap(),
        )
        .await
        .unwrap();
    let namespaces: Api<Namespace> = Api::all(client(User::Developer).await);
    let soon = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + 2).unwrap();
    let end = Patch::Merge(json!({ "metadata": { "annotations": { keys::EXPIRES_AT: soon.to_string() } } }));
    namespaces
        .patch(&name, &PatchParams::default(), &end)
        .await
        .unwrap();
    gone(&name).await;
    branch_gone(&branch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_the_namespace_drops_its_branch() {
    let name = ready_preview("end").await;
    let branch = secret(&name, &keys::branch_secret("app")).await["dbname"].clone();
    let namespaces: Api<Namespace> = Api::all(client(User::Developer).await);
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
    gone(&name).await;
    branch_gone(&branch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_our_mark_is_never_touched() {
    // E04
    let bed = stage().await.bed();
    let server = bed.previews().connect("postgres").await.unwrap();
    let name = format!("preview_foreign_{:08x}", rand::random::<u32>());
    server
        .batch_execute(&format!(
            "CREATE ROLE {name}; COMMENT ON ROLE {name} IS 'understudy: by hand'"
        ))
        .await
        .unwrap();
    let preview = ready_preview("end").await;
    Api::<Namespace>::all(client(User::Developer).await)
        .delete(&preview, &DeleteParams::default())
        .await
        .unwrap();
    gone(&preview).await;
    let left: i64 = server
        .query_one("SELECT count(*) FROM pg_roles WHERE rolname = $1", &[&name])
        .await
        .unwrap()
        .get(0);
    assert_eq!(left, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_server_that_is_away_does_not_hold_the_end_up() {
    // D06
    let bed = stage().await.bed();
    let policy = unique("away");
    let nowhere = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": policy }, "stringData": {
        "host": "127.0.0.1", "port": "1", "username": "x", "password": "y", "sslmode": "disable" } });
    shop::apply::<k8s_openapi::api::core::v1::Secret>(bed, Some(NAMESPACE), &policy, &nowhere)
        .await
        .unwrap();
    shop::policy(bed, |object| {
        object["metadata"]["name"] = json!(policy);
        object["spec"]["creators"] = json!({ "users": ["developer"] });
        object["spec"]["databases"][0]["branch"]["postgres"]["adminSecret"]["name"] = json!(policy);
    })
    .await
    .unwrap();
    let name = unique("away");
    let mut manifest = preview(&name, json!({ keys::TTL: "1s" }));
    manifest["metadata"]["labels"][keys::POLICY] = json!(policy);
    eventually(END, "admission knows the policy", || async {
        make(User::Developer, manifest.clone())
            .await
            .map_err(|error| anyhow::anyhow!("{error}"))
    })
    .await
    .unwrap();
    gone(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_was_made_hard_to_drop_is_dropped_and_keeps_no_other() {
    let bed = stage().await.bed();
    let name = ready_preview("poison").await;
    let data = secret(&name, &keys::branch_secret("app")).await;
    let (branch, password) = (data["dbname"].clone(), data["password"].clone());
    let session = bed
        .previews()
        .connect_as(&branch, &password, &branch)
        .await
        .unwrap();
    session
        .batch_execute(&format!("ALTER DATABASE \"{branch}\" IS_TEMPLATE true"))
        .await
        .unwrap();
    // Open to everybody unless the administrator closed it.
    let elsewhere = bed
        .previews()
        .connect_as(&branch, &password, "postgres")
        .await
        .unwrap();
    elsewhere.batch_execute("SELECT lo_create(0)").await.unwrap();
    drop((session, elsewhere));
    let namespaces: Api<Namespace> = Api::all(client(User::Developer).await);
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
    gone(&name).await;
    branch_gone(&branch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_grace_period_outlives_the_lease() {
    let name = ready_preview("grace").await;
    let mut manifest = pod("stays", json!([]));
    // On a node that nobody plays, so that nothing confirms the Pod's end.
    manifest["spec"]["nodeName"] = json!("no-such-node");
    manifest["spec"]["terminationGracePeriodSeconds"] = json!(31_536_000);
    make_pod(User::Developer, &name, manifest).await.unwrap();
    let pods: Api<Pod> = Api::namespaced(client(User::Admin).await, &name);
    let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap();
    let end = Patch::Merge(json!({ "metadata": { "annotations": { keys::EXPIRES_AT: now.to_string() } } }));
    let namespaces: Api<Namespace> = Api::all(client(User::Developer).await);
    namespaces
        .patch(&name, &PatchParams::default(), &end)
        .await
        .unwrap();
    eventually(END, "the Pod is on its way out within the minute", || async {
        let Some(pod) = pods.get_opt("stays").await? else {
            return Ok(());
        };
        let grace = pod.metadata.deletion_grace_period_seconds;
        ensure!(grace.is_some_and(|seconds| seconds <= 30), "grace {grace:?}");
        anyhow::Ok(())
    })
    .await
    .unwrap();
}
