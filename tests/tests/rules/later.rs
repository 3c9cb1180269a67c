//! What a Pod reads later, and what came in while admission was bypassed.

use anyhow::ensure;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};
use understudy_tests::previews::{SOON, create, objects, ready_preview, stage};
use understudy_tests::testbed::{Role, User, eventually};

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

#[tokio::test(flavor = "multi_thread")]
async fn what_came_in_past_admission_is_removed_where_it_opens_or_leads_somewhere() {
    // C21
    let namespace = ready_preview("sideways").await;
    let understudy = stage().await;
    // Admission does not review what this part of the control plane writes: a stand-in for the time when nobody reviewed.
    let past = understudy
        .bed()
        .impersonating("system:kube-controller-manager")
        .await
        .unwrap();
    let make = async |plural: &str, manifest: Value| {
        let (group, version) = manifest["apiVersion"]
            .as_str()
            .unwrap()
            .split_once('/')
            .unwrap_or(("", "v1"));
        let kind = GroupVersionKind::gvk(group, version, manifest["kind"].as_str().unwrap());
        let resource = ApiResource::from_gvk_with_plural(&kind, plural);
        let api: Api<DynamicObject> = Api::namespaced_with(past.clone(), &namespace, &resource);
        api.create(&PostParams::default(), &serde_json::from_value(manifest).unwrap())
            .await
            .unwrap();
        api
    };
    let rule = json!({ "host": "shop.example.com", "http": { "paths": [{ "path": "/", "pathType": "Prefix",
        "backend": { "service": { "name": "web", "port": { "number": 80 } } } }] } });
    let ingresses = make("ingresses", json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "thief" }, "spec": { "rules": [rule] } })).await;
    let policies = make("networkpolicies", json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "open" }, "spec": { "podSelector": {}, "egress": [{}] } })).await;
    let services = make("services", json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "alias" }, "spec": { "type": "ExternalName", "externalName": "db.shop.svc.cluster.local" } })).await;
    let harmless = make("services", json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" }, "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80 }] } })).await;
    // An exempt user's own is theirs.
    let wide = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "on-purpose" }, "spec": { "podSelector": {}, "egress": [{}] } });
    create(User::Admin, &namespace, "networkpolicies", wide)
        .await
        .unwrap();
    // A leader that begins looks at once.
    understudy.stop(Role::Control).await.unwrap();
    understudy.start(Role::Control).await.unwrap();
    eventually(SOON, "what came in past admission is gone", || async {
        for (api, name) in [(&ingresses, "thief"), (&policies, "open"), (&services, "alias")] {
            ensure!(api.get_opt(name).await?.is_none(), "{name} is still there");
        }
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
    harmless.get("web").await.unwrap();
    policies.get("on-purpose").await.unwrap();
    let events = objects(User::Developer, &namespace, "v1", "Event", "events").await;
    let found = events.list(&Default::default()).await.unwrap().items;
    assert!(
        found.iter().any(|event| event.data["reason"] == "CameInSideways"),
        "{} events",
        found.len()
    );
}
