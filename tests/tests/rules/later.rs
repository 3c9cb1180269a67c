//! What a Pod reads later, and what came in while admission was bypassed.

use anyhow::ensure;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use understudy_tests::previews::{SOON, create, objects, ready_preview};
use understudy_tests::testbed::{User, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_whose_configuration_turns_against_the_golden_is_replaced() {
    // C22
    let namespace = ready_preview("stale").await;
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "app" }, "data": { "API_URL": "http://api:80/" } });
    create(User::Developer, &namespace, "configmaps", map)
        .await
        .unwrap();
    let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": {
        "selector": { "matchLabels": { "app": "web" } }, "template": { "metadata": { "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "web", "image": "registry.example.com/web:1", "envFrom": [{ "configMapRef": { "name": "app" } }] }] } } } });
    create(User::Developer, &namespace, "deployments", deployment)
        .await
        .unwrap();
    let pods = objects(User::Admin, &namespace, "v1", "Pod", "pods").await;
    let living = async || -> anyhow::Result<Vec<Value>> {
        let found = pods.list(&Default::default()).await?.items;
        let living = found
            .iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none());
        Ok(living.map(serde_json::to_value).collect::<Result<_, _>>()?)
    };
    eventually(SOON, "the Pod runs", || async {
        ensure!(
            living()
                .await?
                .iter()
                .any(|pod| pod["status"]["phase"] == "Running"),
            "not yet"
        );
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();

    let maps = objects(User::Developer, &namespace, "v1", "ConfigMap", "configmaps").await;
    let turned = Patch::Merge(json!({ "data": { "API_URL": "http://api.shop/" } }));
    maps.patch("app", &PatchParams::default(), &turned).await.unwrap();
    eventually(SOON, "no Pod is left that would read it", || async {
        let living = living().await?;
        ensure!(living.is_empty(), "{} Pods", living.len());
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
    let events = objects(User::Developer, &namespace, "v1", "Event", "events").await;
    eventually(SOON, "an Event says so", || async {
        let found = events.list(&Default::default()).await?.items;
        let said = found
            .iter()
            .any(|event| event.data["reason"] == "EnvironmentChanged");
        ensure!(said, "{} events", found.len());
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
    // A connection to a golden database is rewritten on the way back in.
    let back = Patch::Merge(
        json!({ "data": { "API_URL": "http://api/", "DATABASE_URL": "postgres://u:p@db.shop/shop" } }),
    );
    maps.patch("app", &PatchParams::default(), &back).await.unwrap();
    eventually(SOON, "a reviewed Pod runs on its branch", || async {
        let living = living().await?;
        let rewritten = living.iter().any(|pod| {
            pod["spec"]["containers"][0]["env"]
                .to_string()
                .contains("understudy-db-app")
        });
        ensure!(rewritten, "{} Pods", living.len());
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
}
