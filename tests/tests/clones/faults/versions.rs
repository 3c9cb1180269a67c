//! D14: a command line and an installation that are not of one age.

use std::process::Stdio;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use understudy_tests::testbed::{InstallOptions, Options, TestBed, User, eventually};

use crate::run::{Ran, SOON};

const DEFINITION: &str = "previewpolicies.understudy.dev";

async fn understudy(bed: &TestBed, arguments: &[&str]) -> Ran {
    let mut command = bed.understudy(User::Admin).unwrap();
    command.args(arguments).stdin(Stdio::null());
    command.output().await.unwrap().into()
}

/// Waits until `understudy clone` fails, and saying `what`: the API server takes up a new definition by and by.
async fn says(bed: &TestBed, what: &[&str], code: i32) {
    eventually(SOON, "it is said", || async {
        let ran = understudy(bed, &["clone", "old", "--pr", "1"]).await;
        let errors = ran
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .count();
        let said = what.iter().all(|what| ran.stderr.contains(what));
        anyhow::ensure!(
            ran.code == code && said && errors == 1 && ran.stderr.contains("hint: "),
            "{ran:?}"
        );
        Ok(())
    })
    .await
    .unwrap();
}

/// As a later version might: fields and values that this one does not know, then a version of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_installation_is_worked_with_or_named_in_one_sentence() {
    // D14
    let bed = TestBed::start(Options {
        postgres: false,
        ..Options::default()
    })
    .await
    .unwrap();
    bed.install(InstallOptions::default()).await.unwrap();
    let golden = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "old", "labels": { "understudy.dev/golden": "true" } } });
    understudy_tests::shop::apply::<k8s_openapi::api::core::v1::Namespace>(&bed, None, "old", &golden)
        .await
        .unwrap();
    let definitions: Api<CustomResourceDefinition> = Api::all(bed.client(User::Admin).await.unwrap());
    let mut newer = serde_json::to_value(definitions.get(DEFINITION).await.unwrap()).unwrap();
    newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let replace = async |definition: &Value| {
        let versions = json!({ "spec": { "versions": definition["spec"]["versions"] } });
        definitions
            .patch(DEFINITION, &PatchParams::default(), &Patch::Merge(versions))
            .await
            .unwrap();
    };
    replace(&newer).await;
    let resource = kube::core::ApiResource::erase::<understudy::policy::PreviewPolicy>(&());
    let policies: Api<DynamicObject> = Api::all_with(bed.client(User::Admin).await.unwrap(), &resource);
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
    let ran = understudy(&bed, &["clone", "old", "--pr", "1"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    // A value of tomorrow might mean anything.
    says_the_policy(json!({ "jobs": "tomorrow" })).await;
    says(&bed, &["default", "newer"], 8).await;

    let mut later = newer["spec"]["versions"][0].clone();
    later["name"] = json!("v1beta1");
    newer["spec"]["versions"][0]["served"] = json!(false);
    newer["spec"]["versions"].as_array_mut().unwrap().push(later);
    newer["spec"]["versions"][1]["storage"] = json!(false);
    replace(&newer).await;
    says(&bed, &["v1alpha1", "v1beta1"], 8).await;
}
