//! D02: the name of a clone is taken, in whichever way.

use serde_json::json;
use understudy::keys;
use understudy_tests::previews::{create, make, objects, preview};
use understudy_tests::testbed::{User, eventually};

use super::{golden, namespace, plain_policy, some_golden, web};
use crate::run::{Ran, SOON, developer};

/// Clones `golden` as pull request 7, which is taken: nothing is written.
async fn refused(golden: &str, policy: &str, why: &str, hint: &str) -> Ran {
    let name = format!("{golden}-pr-7");
    let ran = developer(&["clone", golden, "--pr", "7", "--policy", policy]).await;
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.stderr.contains(why), "{why:?} is missing: {}", ran.stderr);
    let said = ran.stderr.split("hint: ").nth(1).unwrap_or_default();
    assert!(said.contains(hint), "{hint:?} is missing: {said}");
    let services = objects(User::Admin, &name, "v1", "Service", "services").await;
    assert!(services.list(&Default::default()).await.unwrap().items.is_empty());
    // The controller may write to a preview meanwhile; a clone would have said what it is one of.
    let annotations = namespace(&name).await.unwrap().metadata.annotations;
    assert!(!annotations.unwrap_or_default().contains_key(keys::LINEAGE));
    ran
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_not_ours_is_left_alone() {
    // D02
    let (golden_name, policy) = (some_golden(), plain_policy().await);
    golden(&golden_name, web("web")).await;
    let manifest = json!({ "metadata": { "name": format!("{golden_name}-pr-7") } });
    make(User::Admin, manifest).await.unwrap();
    refused(&golden_name, &policy, "it is no preview", "--name").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_preview_is_left_alone() {
    // D02
    let (golden_name, policy) = (some_golden(), plain_policy().await);
    golden(&golden_name, web("web")).await;
    let name = format!("{golden_name}-pr-7");
    make(User::Developer, preview(&name, json!({}))).await.unwrap();
    // Sealed, so that nobody else writes to it meanwhile.
    eventually(SOON, "it is ready", || async {
        let metadata = namespace(&name).await.unwrap().metadata;
        let phase = metadata.labels.unwrap_or_default().get(keys::PHASE).cloned();
        anyhow::ensure!(phase.as_deref() == Some("Ready"), "{phase:?}");
        Ok(())
    })
    .await
    .unwrap();
    refused(
        &golden_name,
        &policy,
        "it is a preview of nothing that is known",
        "--name",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_being_deleted_is_waited_for() {
    // D02
    let (golden_name, policy) = (some_golden(), plain_policy().await);
    golden(&golden_name, web("web")).await;
    let name = format!("{golden_name}-pr-7");
    let clone = async || developer(&["clone", &golden_name, "--pr", "7", "--policy", &policy]).await;
    clone().await.done();
    // A foreign finalizer holds it up.
    let held = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "held", "finalizers": ["example.com/held"] } });
    create(User::Admin, &name, "configmaps", held).await.unwrap();
    let api = kube::Api::<k8s_openapi::api::core::v1::Namespace>::all(
        understudy_tests::previews::client(User::Admin).await,
    );
    api.delete(&name, &Default::default()).await.unwrap();
    let ran = clone().await;
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(
        ran.stderr.contains("it is being deleted") && ran.stderr.contains("kubectl wait --for=delete"),
        "{}",
        ran.stderr
    );
    let maps = objects(User::Admin, &name, "v1", "ConfigMap", "configmaps").await;
    let free = kube::api::Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    maps.patch("held", &Default::default(), &free).await.unwrap();
    eventually(SOON, "it is gone, and can be made again", || async {
        let ran = clone().await;
        anyhow::ensure!(ran.code == 0, "{}", ran.stderr);
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_of_a_clone_is_refused() {
    // F05
    let (golden_name, policy) = (some_golden(), plain_policy().await);
    golden(&golden_name, web("web")).await;
    let name = format!("{golden_name}-pr-7");
    developer(&["clone", &golden_name, "--pr", "7", "--policy", &policy])
        .await
        .done();
    let ran = developer(&["clone", &name, "--pr", "8", "--policy", &policy]).await;
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(
        ran.stderr.contains(&format!("{name} is a preview itself")),
        "{}",
        ran.stderr
    );
    assert!(namespace(&format!("{name}-pr-8")).await.is_none());
}
