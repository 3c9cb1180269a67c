//! Operators make everything; a branch and a store for previews take their place.

use anyhow::ensure;
use serde_json::json;
use understudy::keys;
use understudy_tests::previews::{objects, settled};
use understudy_tests::testbed::User;

use super::operators::{self, Owner};
use super::{cloned, destroyed, manual, planned, refused_without_flags};

const CLUSTER: Owner<'_> = ("postgresql.cnpg.io/v1", "Cluster", "clusters", "store-db");
const ASKED: [&str; 2] = ["payments", "web-session"];

/// CloudNativePG in the golden.
async fn cloud_native_pg() {
    for name in ["store-db-rw", "store-db-ro"] {
        let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name },
            "spec": { "selector": { "cnpg.io/cluster": "store-db" }, "ports": [{ "port": 5432 }] } });
        operators::make("store", CLUSTER, "services", service).await;
    }
    let data = [
        (
            "uri",
            "postgresql://store:store-golden-password@store-db-rw.store:5432/store",
        ),
        ("username", "store"),
        ("password", "store-golden-password"),
    ];
    operators::secret("store", CLUSTER, "store-db-app", &data).await;
}

/// External Secrets, which finds `value` in whichever store is asked.
async fn external_secrets(namespace: &str, value: &str) {
    for name in ASKED {
        let owner = (
            "external-secrets.io/v1",
            "ExternalSecret",
            "externalsecrets",
            name,
        );
        operators::secret(namespace, owner, name, &[("key", value)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_cloned_onto_a_branch_with_secrets_made_for_previews() {
    let manual = manual("store").await;
    tokio::join!(cloud_native_pg(), external_secrets("store", "store-golden-value"));
    // D03
    refused_without_flags("store", &["Cluster/store-db"]).await;
    planned(&manual, "store").await;
    tokio::join!(
        cloned(&manual, "store"),
        external_secrets("store-pr-7", "for previews")
    );

    let deployments = objects(User::Admin, "store-pr-7", "apps/v1", "Deployment", "deployments").await;
    for name in ["orders", "catalog"] {
        let env =
            deployments.get(name).await.unwrap().data["spec"]["template"]["spec"]["containers"][0]["env"]
                .to_string();
        assert!(
            env.contains("understudy-db-store") && !env.contains("store-db-"),
            "{env}"
        );
    }
    let routes = objects(
        User::Admin,
        "store-pr-7",
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        "httproutes",
    )
    .await;
    let api = routes.get("api").await.unwrap().data["spec"].clone();
    assert_eq!(api["parentRefs"][0]["namespace"], "gateways");
    assert_eq!(api["rules"][0]["backendRefs"][0]["namespace"], "store-pr-7");
    let web = deployments.get("web").await.unwrap().data["spec"]["template"]["spec"]["containers"][0]["env"]
        .clone();
    let base = web[0]["value"].as_str().unwrap();
    assert_eq!(
        base,
        format!("https://{}/v1", api["hostnames"][0].as_str().unwrap())
    );
    let asked = objects(
        User::Admin,
        "store-pr-7",
        "external-secrets.io/v1",
        "ExternalSecret",
        "externalsecrets",
    )
    .await;
    let payments = asked.get("payments").await.unwrap().data["spec"].clone();
    assert_eq!(
        payments["secretStoreRef"],
        json!({ "name": "preview-vault", "kind": "ClusterSecretStore" })
    );
    assert_eq!(payments["data"][0]["remoteRef"]["key"], "preview/store/payments");
    settled("store-pr-7", |metadata| {
        let annotations = metadata.annotations.unwrap_or_default();
        let url = annotations.get(keys::URL).map(String::as_str);
        ensure!(url == Some("https://store-pr-7.preview.example.com"), "{url:?}");
        Ok(())
    })
    .await;
    destroyed("store").await;
}
