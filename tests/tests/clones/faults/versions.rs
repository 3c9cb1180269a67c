//! D14: a command line and an installation that are not of one age.

use std::ops::ControlFlow;
use std::process::Stdio;

use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::shop::apply;
use understudy_tests::testbed::{InstallOptions, Options, TestBed, User, eventually};

use super::config;
use super::requests::{self, Request};
use crate::run::{Ran, SOON};

const DEFINITION: &str = "previewpolicies.understudy.dev";

/// An installation of a test's own, with a golden `old`.
async fn installed() -> TestBed {
    let bed = TestBed::start(Options {
        postgres: false,
        ..Options::default()
    })
    .await
    .unwrap();
    bed.install(InstallOptions::default()).await.unwrap();
    let golden = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "old", "labels": { keys::GOLDEN: "true" } } });
    apply::<Namespace>(&bed, None, "old", &golden).await.unwrap();
    bed
}

async fn definitions(bed: &TestBed) -> Api<CustomResourceDefinition> {
    Api::all(bed.client(User::Admin).await.unwrap())
}

async fn policies(bed: &TestBed) -> Api<DynamicObject> {
    let resource = kube::core::ApiResource::erase::<understudy::policy::PreviewPolicy>(&());
    Api::all_with(bed.client(User::Admin).await.unwrap(), &resource)
}

/// Puts the versions of `definition` into force.
async fn define(bed: &TestBed, definition: &Value) {
    let versions = Patch::Merge(json!({ "spec": { "versions": definition["spec"]["versions"] } }));
    let definitions = definitions(bed).await;
    definitions
        .patch(DEFINITION, &PatchParams::default(), &versions)
        .await
        .unwrap();
}

async fn understudy(bed: &TestBed, user: User, arguments: &[&str]) -> Ran {
    let mut command = bed.understudy(user).unwrap();
    command.args(arguments).stdin(Stdio::null());
    command.output().await.unwrap().into()
}

/// Whether it failed with `code` in one sentence, which says each of `what`, and a hint.
fn is_told(ran: &Ran, code: i32, what: &[&str]) -> bool {
    let lines = |label: &str| ran.stderr.lines().filter(|line| line.starts_with(label)).count();
    let said = what.iter().all(|what| ran.stderr.contains(what));
    ran.code == code && said && (lines("error: "), lines("hint: ")) == (1, 1) && lines("caused by: ") > 0
}

/// Waits until `understudy clone` fails, and saying `what`: the API server takes up a new definition by and by.
async fn says(bed: &TestBed, what: &[&str]) {
    eventually(SOON, "it is said", || async {
        let ran = understudy(bed, User::Admin, &["clone", "old", "--pr", "1"]).await;
        anyhow::ensure!(is_told(&ran, 15, what), "{ran:?}");
        Ok(())
    })
    .await
    .unwrap();
}

/// As a later version might: fields and values that this one does not know, then a version of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_installation_is_worked_with_or_named_in_one_sentence() {
    // D14
    let bed = installed().await;
    let mut newer = json!(definitions(&bed).await.get(DEFINITION).await.unwrap());
    newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    define(&bed, &newer).await;
    let policies = policies(&bed).await;
    let says_the_policy = async |spec: Value| {
        let patch = Patch::Merge(json!({ "spec": spec }));
        eventually(SOON, "the definition takes it", || async {
            let policy = policies.patch("default", &PatchParams::default(), &patch).await?;
            for (field, value) in spec.as_object().unwrap() {
                anyhow::ensure!(policy.data["spec"][field] == *value, "{field} was pruned");
            }
            Ok(())
        })
        .await
        .unwrap();
    };
    // A section of tomorrow is left to those who know it.
    says_the_policy(json!({ "tomorrow": { "sections": [1] } })).await;
    let ran = understudy(&bed, User::Admin, &["clone", "old", "--pr", "1"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    // A value of tomorrow might mean anything.
    says_the_policy(json!({ "jobs": "tomorrow" })).await;
    says(&bed, &["default", "newer"]).await;

    let mut later = newer["spec"]["versions"][0].clone();
    later["name"] = json!("v1beta1");
    newer["spec"]["versions"][0]["served"] = json!(false);
    newer["spec"]["versions"].as_array_mut().unwrap().push(later);
    newer["spec"]["versions"][1]["storage"] = json!(false);
    define(&bed, &newer).await;
    says(&bed, &["v1alpha1", "v1beta1"]).await;
}

/// Gives the golden something to clone, and developers the right to do so.
async fn furnish(bed: &TestBed) {
    let subjects =
        json!([{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "developers" }]);
    let role =
        |name: &str| json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name });
    let view = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": { "name": "view" }, "roleRef": role("view"), "subjects": subjects });
    apply::<RoleBinding>(bed, Some("old"), "view", &view)
        .await
        .unwrap();
    let create = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": { "name": "creators" }, "roleRef": role("understudy-creator"), "subjects": subjects });
    apply::<ClusterRoleBinding>(bed, None, "creators", &create)
        .await
        .unwrap();
    let settings = config("settings", json!({ "MODE": "fast" }));
    apply::<ConfigMap>(bed, Some("old"), "settings", &settings)
        .await
        .unwrap();
    let nightly = json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "nightly" }, "spec": {
        "schedule": "0 3 * * *", "jobTemplate": { "spec": { "template": { "spec": { "restartPolicy": "Never", "containers": [
            { "name": "nightly", "image": "registry.example.com/nightly:1" }] } } } } } });
    apply::<CronJob>(bed, Some("old"), "nightly", &nightly)
        .await
        .unwrap();
}

/// Takes the fields of the policy out of the definition that came last, and waits until they are pruned.
async fn forget_fields(bed: &TestBed) {
    let mut older = json!(definitions(bed).await.get(DEFINITION).await.unwrap());
    let spec =
        &mut older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    spec.as_object_mut().unwrap().remove("sharing").unwrap();
    for place in ["properties", "default"] {
        let secrets = spec["secrets"][place].as_object_mut().unwrap();
        for field in ["tls", "pull", "keyMap"] {
            secrets.remove(field).unwrap();
        }
    }
    define(bed, &older).await;
    let policies = policies(bed).await;
    let fields =
        json!({ "spec": { "sharing": { "services": [] }, "secrets": { "pull": [], "keyMap": {} } } });
    eventually(SOON, "the fields are unknown", || async {
        let policy = policies
            .patch("default", &PatchParams::default(), &Patch::Merge(&fields))
            .await?;
        let spec = &policy.data["spec"];
        anyhow::ensure!(
            spec["sharing"].is_null() && spec["secrets"]["pull"].is_null(),
            "{spec}"
        );
        Ok(())
    })
    .await
    .unwrap();
}

/// Takes CronJobs out of what people may do in previews, and waits until that is so in `preview`.
async fn forget_cron_jobs(bed: &TestBed, preview: &str) {
    let roles: Api<ClusterRole> = Api::all(bed.client(User::Admin).await.unwrap());
    let mut role = roles.get(keys::ROLE_USER).await.unwrap();
    for rule in role.rules.iter_mut().flatten() {
        rule.resources
            .iter_mut()
            .for_each(|all| all.retain(|name| name != "cronjobs"));
    }
    roles
        .replace(keys::ROLE_USER, &Default::default(), &role)
        .await
        .unwrap();
    eventually(SOON, "the right is gone", || async {
        let mut kubectl = bed.kubectl(User::Developer);
        kubectl.args([
            "auth",
            "can-i",
            "create",
            "cronjobs.batch",
            "--namespace",
            preview,
        ]);
        let said = kubectl.output().await?.stdout;
        anyhow::ensure!(said.starts_with(b"no"), "{}", String::from_utf8_lossy(&said));
        Ok(())
    })
    .await
    .unwrap();
}

/// As an earlier version might: fields that it does not know, marks that it does not write, rights that it does not give.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_installation_is_worked_with_or_named_in_one_sentence() {
    // D14, F01
    let bed = installed().await;
    furnish(&bed).await;
    forget_fields(&bed).await;
    for said in [
        ": 2 created, 0 changed, 0 unchanged",
        ": 0 created, 0 changed, 2 unchanged",
    ] {
        let ran = understudy(&bed, User::Developer, &["clone", "old", "--pr", "1"])
            .await
            .done();
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }

    // An admission that gives a lease and not all that goes with it: played by taking it out of the answer.
    let mut written = Vec::new();
    let arguments = ["clone", "old", "--pr", "2"];
    let ran = requests::run(&bed, User::Developer, &arguments, async |mut request: Request| {
        request.serve().await;
        if request.writes() {
            written.push(request.line());
            let answer = request.answer.as_mut().expect("served").body_mut();
            let mut made: Value = serde_json::from_slice(answer).unwrap();
            let labels = made["metadata"]["labels"].as_object_mut().unwrap();
            labels
                .remove(keys::ORIGIN)
                .expect("it is written by today's admission");
            *answer = made.to_string().into();
        }
        request.give();
        ControlFlow::Continue(())
    });
    let ran = ran.await.expect("it ran to its end");
    assert!(is_told(&ran, 15, &["older Understudy", keys::ORIGIN]), "{ran:?}");
    assert_eq!(written, ["POST /api/v1/namespaces"]);

    forget_cron_jobs(&bed, "old-pr-1").await;
    let ran = understudy(&bed, User::Developer, &["clone", "old", "--pr", "3"]).await;
    assert!(
        is_told(&ran, 4, &["may not apply cronjobs", keys::ROLE_USER]),
        "{ran:?}"
    );
    let without = ["clone", "old", "--pr", "3", "--exclude", "CronJob"];
    understudy(&bed, User::Developer, &without).await.done();
}
