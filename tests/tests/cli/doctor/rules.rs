//! What is asked and what holds: webhook configurations, layers, policies, goldens.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use understudy::policy::PreviewPolicy;
use understudy_tests::shop::apply;
use understudy_tests::testbed::{NAMESPACE, User};

use super::{Expected, astray, doctor, mended, names, objects, rows, ward, without};

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_configuration_and_a_loosened_one_are_the_cause() {
    let (understudy, _turn) = ward().await;
    let bed = understudy.bed();
    let expected: Expected<'_> = &[
        (
            "webhooks",
            &[
                "failed: ",
                "mutatingwebhookconfiguration understudy is missing",
                "helm upgrade",
            ],
        ),
        ("reach", &["failed: ", "mutation is not asked", "helm upgrade"]),
    ];
    let mutating = objects(bed, "MutatingWebhookConfiguration").await;
    let first = without(mutating, "understudy", names(understudy, User::Admin, expected)).await;
    let expected: Expected<'_> = &[(
        "webhooks",
        &["failed: ", "failurePolicy is \"Ignore\"", "helm upgrade"],
    )];
    let examine = names(understudy, User::Admin, expected);
    let second = astray(bed, "failurePolicy", json!("Ignore"), examine).await;
    mended(understudy, [first, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_holds_nothing_is_the_cause() {
    let (understudy, _turn) = ward().await;
    let bindings = objects(understudy.bed(), "ValidatingAdmissionPolicyBinding").await;
    let examine = async {
        let missing: Expected<'_> = &[(
            "layers",
            &["failed: ", "no binding of understudy-contract", "helm upgrade"],
        )];
        names(understudy, User::Admin, missing).await?;
        // Who may not read the policies cannot tell an exemption from a gap.
        names(
            understudy,
            User::Developer,
            &[("layers", &["unknown: ", "a golden on trial passed"])],
        )
        .await
    };
    let examined = without(bindings, "understudy-contract", examine).await;
    mended(understudy, [examined]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_leads_nowhere_is_named() {
    let (understudy, _turn) = ward().await;
    let bed = understudy.bed();
    let policy = json!({
        "apiVersion": "understudy.dev/v1alpha1", "kind": "PreviewPolicy", "metadata": { "name": "leads-nowhere" },
        "spec": { "hosts": { "domain": "preview.example.com" }, "enforcement": "warn", "databases": [{
            "name": "app", "match": { "hosts": ["db.shop"] },
            "branch": { "postgres": { "adminSecret": { "namespace": NAMESPACE, "name": "no-such-secret" }, "template": "seed",
                "reach": { "cidrs": ["192.0.2.1/32"], "port": 5432 } } } }] },
    });
    apply::<PreviewPolicy>(bed, None, "leads-nowhere", &policy)
        .await
        .unwrap();
    let missing = "there is no Secret understudy-system/no-such-secret";
    let expected: Expected<'_> = &[
        (
            "policies",
            &[
                "failed: ",
                "leads-nowhere, database app",
                missing,
                "create secret",
            ],
        ),
        ("policies", &["warning: ", "leads-nowhere admits nobody"]),
        (
            "policies",
            &[
                "warning: ",
                "leads-nowhere only observes",
                "understudy check --cluster",
            ],
        ),
    ];
    let named = names(understudy, User::Admin, expected).await;
    let policies: Api<PreviewPolicy> = Api::all(bed.client(User::Admin).await.unwrap());
    policies
        .delete("leads-nowhere", &DeleteParams::default())
        .await
        .unwrap();
    mended(understudy, [named]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_golden_whose_secrets_admission_may_not_read_is_unknown_until_somebody_lets_it() {
    let (understudy, _turn) = ward().await;
    let bed = understudy.bed();
    let golden = |labels: Value| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "gold", "labels": labels } });
    apply::<Namespace>(
        bed,
        None,
        "gold",
        &golden(json!({ "understudy.dev/golden": "true" })),
    )
    .await
    .unwrap();
    let asks: Expected<'_> = &[(
        "goldens",
        &[
            "unknown: ",
            "a secret of gold",
            "create rolebinding understudy-golden-reader",
        ],
    )];
    let first = names(understudy, User::Admin, asks).await;
    // By the very command that it gives.
    let command = rows(&doctor(understudy, User::Admin, &["-o", "json"]).await, "goldens").join(" ");
    let command = command.split("→ kubectl ").last().unwrap().trim().to_owned();
    let ran = bed
        .kubectl(User::Admin)
        .args(command.split(' '))
        .output()
        .await
        .unwrap();
    assert!(ran.status.success(), "{command}: {ran:?}");
    let ran = doctor(understudy, User::Admin, &["-o", "json"]).await;
    let second = rows(&ran, "goldens");
    apply::<Namespace>(bed, None, "gold", &golden(json!({})))
        .await
        .unwrap();
    mended(understudy, [first]).await;
    assert_eq!(second, ["ok: 1 golden: gold → "]);
}
