//! D09: one object is refused in the middle.

use serde_json::json;
use understudy_tests::previews::{objects, unique};
use understudy_tests::shop::stage;
use understudy_tests::testbed::{User, eventually};

use super::{config, golden, plain_policy, some_golden, web, workload};
use crate::run::{SOON, developer};

/// Somebody else's rule: no Deployment of this name is created.
async fn forbid(name: &str) {
    let bed = stage().await.bed();
    let policy = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": { "name": name },
        "spec": { "failurePolicy": "Fail",
            "matchConstraints": { "resourceRules": [{ "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"] }] },
            "validations": [{ "expression": format!("object.metadata.name != '{name}'"), "message": "not on a Saturday" }] } });
    let binding = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": { "name": name },
        "spec": { "policyName": name, "validationActions": ["Deny"] } });
    use k8s_openapi::api::admissionregistration::v1::{
        ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    };
    understudy_tests::shop::apply::<ValidatingAdmissionPolicy>(bed, None, name, &policy)
        .await
        .unwrap();
    understudy_tests::shop::apply::<ValidatingAdmissionPolicyBinding>(bed, None, name, &binding)
        .await
        .unwrap();
    in_force(name, true).await;
}

async fn allow(name: &str) {
    use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
    let client = understudy_tests::previews::client(User::Admin).await;
    let bindings = kube::Api::<ValidatingAdmissionPolicyBinding>::all(client);
    bindings.delete(name, &Default::default()).await.unwrap();
    in_force(name, false).await;
}

/// Waits until the API server does, or does not, refuse a Deployment of this name.
async fn in_force(name: &str, wanted: bool) {
    let api = objects(User::Admin, "default", "apps/v1", "Deployment", "deployments").await;
    let trial = kube::api::PostParams {
        dry_run: true,
        ..Default::default()
    };
    let manifest = serde_json::from_value(workload(name)).unwrap();
    eventually(SOON, "the rule is as wanted", || async {
        let refused = api.create(&trial, &manifest).await.is_err();
        anyhow::ensure!(refused == wanted, "refused: {refused}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_a_manifest_that_the_cluster_does_not_know_is_refused() {
    let (name, policy) = (some_golden(), plain_policy().await);
    golden(&name, Vec::new()).await;
    let mut misspelled = config("web", json!({ "MODE": "fast" }));
    misspelled["dta"] = json!({ "MODE": "slow" });
    let file = stage().await.bed().path().join(format!("{name}.json"));
    std::fs::write(&file, misspelled.to_string()).unwrap();
    let file = file.display().to_string();
    let arguments = [
        "clone",
        &name,
        "--pr",
        "7",
        "--policy",
        &policy,
        "--from-dir",
        &file,
    ];
    let failed = developer(&arguments).await;
    assert_ne!(failed.code, 0);
    assert!(
        failed.stderr.contains("cannot apply ConfigMap/web")
            && failed.stderr.contains(".dta: field not declared"),
        "{}",
        failed.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_object_is_named_and_a_retry_makes_only_what_is_missing() {
    // D09
    let (name, policy, worker) = (some_golden(), plain_policy().await, unique("worker"));
    let mut all = web("web");
    all.extend([
        ("deployments", workload(&worker)),
        ("configmaps", config(&worker, json!({ "A": "b" }))),
    ]);
    golden(&name, all).await;
    forbid(&worker).await;
    let clone = async || developer(&["clone", &name, "--pr", "7", "--policy", &policy]).await;
    let failed = clone().await;
    assert_ne!(failed.code, 0);
    assert!(
        failed.stderr.contains(&format!("Deployment/{worker}")),
        "{}",
        failed.stderr
    );
    assert!(failed.stderr.contains("not on a Saturday"), "{}", failed.stderr);
    assert!(
        failed.stderr.contains("go on with: understudy clone"),
        "{}",
        failed.stderr
    );
    assert!(
        failed.stderr.contains("created   Deployment/web"),
        "the rest of the wave went on: {}",
        failed.stderr
    );

    allow(&worker).await;
    let clone_name = format!("{name}-pr-7");
    let deployments = objects(User::Admin, &clone_name, "apps/v1", "Deployment", "deployments").await;
    let generation = async || deployments.get("web").await.unwrap().metadata.generation;
    let before = generation().await;
    let retried = clone().await.done();
    // The Deployment that was refused, and the route, which comes after it.
    assert!(
        retried.stderr.contains(": 2 created, 0 changed, 4 unchanged"),
        "{}",
        retried.stderr
    );
    assert_eq!(generation().await, before);
    // Somebody who wants to undo it instead is told how, and it goes whole.
    developer(&["destroy", &clone_name, "--yes", "--wait"])
        .await
        .done();
}
