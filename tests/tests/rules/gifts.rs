//! What a policy gives to every preview: Secrets of Understudy's own namespace, and golden Services that may be called.

use anyhow::ensure;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use understudy::keys;
use understudy::policy::PreviewPolicy;
use understudy_tests::previews::{
    SOON, assert_refused, client, create, grant_everything, own_policy, preview_under, unique,
};
use understudy_tests::testbed::{NAMESPACE, User, eventually};

use crate::guarded;

const OBJECTS: &str = "objects.understudy.dev";

/// A Secret in Understudy's own namespace.
async fn original(kind: &str, data: Value) -> String {
    let name = unique("given");
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "type": kind, "stringData": data });
    create(User::Admin, NAMESPACE, "secrets", secret).await.unwrap();
    name
}

#[tokio::test(flavor = "multi_thread")]
async fn every_preview_gets_what_serves_its_hosts_and_pulls_its_images_and_nothing_else() {
    let pull = original(
        "kubernetes.io/dockerconfigjson",
        json!({ ".dockerconfigjson": "{\"auths\":{}}" }),
    )
    .await;
    let tls = original("kubernetes.io/tls", json!({ "tls.crt": "", "tls.key": "" })).await;
    let password = original("Opaque", json!({ "password": "of the database server" })).await;
    let policy = own_policy("gifts", |spec| {
        spec["databases"] = json!([]);
        spec["secrets"] = json!({ "pull": [pull, password], "tls": [tls] });
    })
    .await;
    let namespace = preview_under(&policy, "gifts").await;
    guarded(&namespace).await;
    let api: Api<Secret> = Api::namespaced(client(User::Admin).await, &namespace);
    for name in [&pull, &tls] {
        // Before the seal, so that no Pod starts without.
        let copy = api.get(name).await.unwrap();
        assert!(copy.metadata.labels.unwrap().contains_key(keys::GUARDRAIL));
    }
    assert!(
        api.get_opt(&password).await.unwrap().is_none(),
        "no other type is given away"
    );

    grant_everything(&namespace).await;
    let own: Api<Secret> = Api::namespaced(client(User::Developer).await, &namespace);
    let change = json!({ "metadata": { "annotations": { "x": "y" } } });
    let changed = own
        .patch(&pull, &PatchParams::default(), &Patch::Merge(change))
        .await;
    assert_refused(changed, "objects.understudy.dev", &["guardrail-tampered"]);

    // A policy that no longer lists it takes it back.
    let policies: Api<PreviewPolicy> = Api::all(client(User::Admin).await);
    let fewer = json!({ "spec": { "secrets": { "pull": [], "tls": [tls] } } });
    policies
        .patch(&policy, &PatchParams::default(), &Patch::Merge(fewer))
        .await
        .unwrap();
    eventually(SOON, "the copy is gone", || async {
        ensure!(api.get_opt(&pull).await?.is_none(), "it is still there");
        Ok(())
    })
    .await
    .unwrap();
    assert!(api.get_opt(&tls).await.unwrap().is_some());
    let originals: Api<Secret> = Api::namespaced(client(User::Admin).await, NAMESPACE);
    for name in [pull, tls, password] {
        originals.delete(&name, &DeleteParams::default()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_golden_service_may_be_called_where_the_policy_shares_it_and_no_other() {
    let policy = own_policy("sharing", |spec| {
        spec["sharing"] = json!({ "services": [{ "service": "shop/api", "podLabels": { "app": "api" }, "ports": [8080] }] });
    })
    .await;
    let namespace = preview_under(&policy, "sharing").await;
    guarded(&namespace).await;
    grant_everything(&namespace).await;
    let alias = |name: &str, host: &str| {
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name },
            "spec": { "type": "ExternalName", "externalName": host } })
    };
    create(
        User::Developer,
        &namespace,
        "services",
        alias("api", "api.shop.svc.cluster.local"),
    )
    .await
    .unwrap();
    for (name, host) in [
        ("web", "web.shop.svc.cluster.local"),
        ("db", "db.shop.svc.cluster.local"),
        ("pod", "api-0.api.shop.svc.cluster.local"),
    ] {
        let refused = create(User::Developer, &namespace, "services", alias(name, host)).await;
        assert_refused(refused, OBJECTS, &["protected-endpoint"]);
    }
    let policies: Api<NetworkPolicy> = Api::namespaced(client(User::Admin).await, &namespace);
    let opened = policies.get("understudy-sharing").await.unwrap();
    let egress = serde_json::to_value(opened.spec.unwrap().egress).unwrap();
    assert_eq!(
        egress,
        json!([{
            "to": [{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "shop" } }, "podSelector": { "matchLabels": { "app": "api" } } }],
            "ports": [{ "protocol": "TCP", "port": 8080 }]
        }])
    );
}
