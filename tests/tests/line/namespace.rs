//! The contract on a namespace, on every route.

use anyhow::ensure;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::testbed::User;

use crate::stage::{assert_refused, client, make, preview, ready_preview, settled, unique};

const WEBHOOK: &str = "namespaces.understudy.dev";

async fn patch(user: User, name: &str, change: Value) -> Result<Namespace, kube::Error> {
    let api: Api<Namespace> = Api::all(client(user).await);
    api.patch(name, &PatchParams::default(), &Patch::Merge(change))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_born_with_the_label_is_granted_its_lease_and_sealed() {
    let name = unique("ns");
    let born = make(User::Developer, preview(&name, json!({ keys::TTL: "90m" })))
        .await
        .unwrap();
    let annotations = born.metadata.annotations.unwrap();
    let created = born.metadata.creation_timestamp.unwrap().0;
    let end: jiff::Timestamp = annotations[keys::EXPIRES_AT].parse().unwrap();
    assert!(
        (end.as_second() - created.as_second() - 5400).abs() <= 2,
        "{created} to {end}"
    );
    assert_eq!(annotations[keys::OWNER], "developer");
    assert_eq!(annotations[keys::CREATOR], "developer");
    let labels = born.metadata.labels.unwrap();
    assert_eq!(labels[keys::PHASE], "Pending");
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "baseline");
    settled(&name, |metadata| {
        let phase = metadata
            .labels
            .and_then(|labels| labels.get(keys::PHASE).cloned());
        ensure!(
            phase.as_deref() == Some("Ready"),
            "{phase:?}, {:?}",
            metadata.annotations
        );
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_is_named_at_once() {
    let mut manifest = preview(
        &unique("ns"),
        json!({
            keys::TTL: "999h", keys::OWNER: "boss", keys::DATABASES: "nope", keys::GUARDRAILS: "x", keys::ON_EXPIRY: "never"
        }),
    );
    manifest["metadata"]["labels"][keys::PR] = json!("seven");
    let reasons = [
        "lease-out-of-range",
        "owner-forged",
        "key-invalid",
        "field-reserved",
    ];
    let message = assert_refused(make(User::Developer, manifest).await, WEBHOOK, &reasons);
    assert_eq!(message.matches("key-invalid: ").count(), 3, "{message}");
    assert!(message.contains("policy allows 1s to 2h"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_preview_cannot_become_one() {
    // C10
    let label = json!({ "metadata": { "labels": { keys::PREVIEW: "true" } } });
    for name in ["default", "kube-system", "understudy-system", "shop"] {
        let refused = patch(User::Admin, name, label.clone()).await;
        assert_refused(refused, "denied the request", &["not-adoptable"]);
    }
    let born = json!({ "metadata": { "name": unique("ns"), "labels": { keys::PREVIEW: "true", keys::GOLDEN: "true" } } });
    assert_refused(make(User::Developer, born).await, "denied", &["not-adoptable"]);
    let dashes = preview(&unique("a--b"), json!({}));
    assert_refused(make(User::Developer, dashes).await, WEBHOOK, &["name-invalid"]);
    let mut elsewhere = preview(&unique("ns"), json!({}));
    elsewhere["metadata"]["labels"][keys::POLICY] = json!("no-such-policy");
    assert_refused(
        make(User::Developer, elsewhere).await,
        WEBHOOK,
        &["policy-missing"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_is_no_golden_and_its_pod_security_does_not_fall() {
    // C28: every other key, on every route, in `layers::agreement`.
    let name = ready_preview("keys").await;
    for (key, value) in [
        (keys::GOLDEN, "true"),
        ("pod-security.kubernetes.io/enforce", "privileged"),
    ] {
        let labelled = json!({ "metadata": { "labels": { key: value } } });
        let refused = patch(User::Developer, &name, labelled).await;
        assert_refused(refused, WEBHOOK, &["field-reserved"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_moves_the_end_within_the_limits() {
    let name = ready_preview("lease").await;
    let moved = patch(
        User::Developer,
        &name,
        json!({ "metadata": { "annotations": { keys::TTL: "100m" } } }),
    )
    .await;
    let annotations = moved.unwrap().metadata.annotations.unwrap();
    let end: jiff::Timestamp = annotations[keys::EXPIRES_AT].parse().unwrap();
    assert!(end.as_second() - jiff::Timestamp::now().as_second() > 90 * 60);
    let year = json!({ "metadata": { "annotations": { keys::EXPIRES_AT: "2099-01-01T00:00:00Z" } } });
    assert_refused(
        patch(User::Developer, &name, year).await,
        WEBHOOK,
        &["lease-out-of-range"],
    );
    // Nor by taking the end off first.
    let off = json!({ "metadata": { "annotations": { keys::EXPIRES_AT: null } } });
    assert_refused(
        patch(User::Developer, &name, off).await,
        WEBHOOK,
        &["lease-out-of-range"],
    );
    // Others have no rights on it at all.
    let nosy = patch(
        User::Developer2,
        &name,
        json!({ "metadata": { "annotations": { keys::TTL: "2h" } } }),
    )
    .await;
    assert!(matches!(nosy, Err(kube::Error::Api(status)) if status.code == 403));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_is_decided_and_leaves_nothing() {
    // C04
    let name = unique("dry");
    let api: Api<Namespace> = Api::all(client(User::Developer).await);
    let params = kube::api::PostParams {
        dry_run: true,
        ..Default::default()
    };
    let namespace = serde_json::from_value(preview(&name, json!({}))).unwrap();
    let born = api.create(&params, &namespace).await.unwrap();
    assert!(born.metadata.annotations.unwrap().contains_key(keys::EXPIRES_AT));
    assert!(api.get_opt(&name).await.unwrap().is_none());
}
