//! Secret values: where they may come from, and whose they may not be.

use std::time::Duration;

use kube::api::PostParams;
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::previews::{
    assert_refused, create, grant_everything, make, objects, own_policy, pod, preview_under, unique,
    vendors_kind,
};
use understudy_tests::testbed::{NAMESPACE, User, eventually};

use crate::guarded;

const OBJECTS: &str = "objects.understudy.dev";
/// Fingerprints are taken each minute.
const NEXT_READING: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn what_brings_values_from_elsewhere_is_refused_unless_the_policy_says_where_from() {
    // C26, C27
    vendors_kind("external-secrets.io", "v1", "ExternalSecret", "externalsecrets").await;
    let policy = own_policy("stores", |spec| {
        spec["databases"] = json!([]);
        spec["kinds"] = json!(["external-secrets.io/ExternalSecret"]);
        spec["secrets"] = json!({ "stores": ["preview-vault"], "keyPrefixes": ["preview/"] });
    })
    .await;
    let namespace = preview_under(&policy, "stores").await;
    guarded(&namespace).await;
    grant_everything(&namespace).await;
    let external = |store: &str, key: &str, target: &str| {
        json!({ "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": { "name": unique("x") }, "spec": {
            "secretStoreRef": { "name": store, "kind": "ClusterSecretStore" }, "target": { "name": target },
            "data": [{ "secretKey": "k", "remoteRef": { "key": key } }] } })
    };
    create(
        User::Developer,
        &namespace,
        "externalsecrets",
        external("preview-vault", "preview/shop", "app"),
    )
    .await
    .unwrap();
    for bad in [
        external("production-vault", "preview/shop", "app"),
        external("preview-vault", "production/shop", "app"),
        external("preview-vault", "preview/shop", "understudy-db-app"),
    ] {
        let refused = create(User::Developer, &namespace, "externalsecrets", bad).await;
        assert_refused(refused, OBJECTS, &["secret-store-forbidden"]);
    }
    let file = json!([{ "name": "A", "valueFrom": { "fileKeyRef": { "volumeName": "v", "path": "env", "key": "A" } } }]);
    let mut from_a_file = pod("x", file);
    from_a_file["spec"]["volumes"] = json!([{ "name": "v", "emptyDir": {} }]);
    let refused = create(User::Developer, &namespace, "pods", from_a_file).await;
    assert_refused(refused, OBJECTS, &["unreadable-environment"]);
}

/// A golden with this value in its Secret `payment`; with `readable`, admission may read it.
async fn golden(value: &str, readable: bool) {
    let name = unique("original");
    let namespace = json!({ "metadata": { "name": name, "labels": { keys::GOLDEN: "true" } } });
    make(User::Admin, namespace).await.unwrap();
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "payment" },
        "stringData": { "key": value, "mode": "live" } });
    create(User::Admin, &name, "secrets", secret).await.unwrap();
    if readable {
        let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": { "name": "understudy" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "understudy-golden-reader" },
            "subjects": [{ "kind": "ServiceAccount", "namespace": NAMESPACE, "name": keys::ADMISSION_ACCOUNT }] });
        create(User::Admin, &name, "rolebindings", binding).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goldens_secret_value_is_recognised_wherever_it_is_copied_to() {
    let (value, unknown) = (unique("sk-live-0123456789"), unique("sk-live-9876543210"));
    tokio::join!(golden(&value, true), golden(&unknown, false));
    let policies = ["copies", "copies-none"].map(|prefix| {
        own_policy(prefix, move |spec| {
            spec["databases"] = json!([]);
            spec["secrets"]["copy"] = if prefix == "copies" {
                json!(["payment"])
            } else {
                json!([])
            };
        })
    });
    let [lax, strict] = policies;
    let (lax, strict) = tokio::join!(lax, strict);
    let (lax, strict) = tokio::join!(
        preview_under(&lax, "copies"),
        preview_under(&strict, "copies-none")
    );
    tokio::join!(guarded(&lax), guarded(&strict));

    let named = |kind: &str, body: (&str, Value)| json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": unique("x") }, body.0: body.1 });
    let secret = |value: &str| named("Secret", ("stringData", json!({ "any": value, "mode": "live" })));
    let secrets = objects(User::Developer, &strict, "v1", "Secret", "secrets").await;
    let copy = serde_json::from_value(secret(&value)).unwrap();
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    eventually(NEXT_READING, "the copy is recognised", || async {
        match secrets.create(&dry, &copy).await {
            Err(refused) => Ok(refused),
            Ok(_) => Err("let in"),
        }
    })
    .await
    .unwrap();
    let file = named(
        "ConfigMap",
        ("data", json!({ "payment.key": format!("{value}\n") })),
    );
    let variable = pod("x", json!([{ "name": "KEY", "value": value }]));
    for (plural, manifest) in [
        ("secrets", secret(&value)),
        ("configmaps", file),
        ("pods", variable),
    ] {
        let refused = create(User::Developer, &strict, plural, manifest).await;
        let message = assert_refused(refused, OBJECTS, &["secret-copied"]);
        assert!(message.contains("key key of Secret payment"), "{message}");
        assert!(!message.contains(&value), "{message}");
    }
    // Where an administrator lets nobody read, nothing is known; and what a policy lists may be taken along.
    create(User::Developer, &strict, "secrets", secret(&unknown))
        .await
        .unwrap();
    create(User::Developer, &lax, "secrets", secret(&value))
        .await
        .unwrap();
}
