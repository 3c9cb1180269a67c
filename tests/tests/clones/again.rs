//! `understudy diff` and `understudy refresh`: a clone beside its golden of today.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::previews::{client, create, unique};
use understudy_tests::shop::{self, stage};
use understudy_tests::testbed::User;

use crate::run::{Ran, developer};

const OWN_IMAGE: &str = "registry.example.com/store/web:pr-1";

fn config(name: &str, mode: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "MODE": mode } })
}

fn workload(kind: &str, name: &str, container: Value) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": name }, "spec": {
        "selector": { "matchLabels": { "app": name } }, "serviceName": name,
        "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [container] } } } })
}

/// A golden with a program, its settings, and a database of its own with a password.
pub async fn golden() -> String {
    let name = unique("store");
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": name, "labels": { keys::GOLDEN: "true" } } });
    shop::apply::<Namespace>(stage().await.bed(), None, &name, &namespace)
        .await
        .unwrap();
    let view = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "view" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "developers" }] });
    let mut web = workload(
        "Deployment",
        "web",
        json!({ "name": "web", "image": "registry.example.com/store/web:1",
        "envFrom": [{ "configMapRef": { "name": "settings" } }] }),
    );
    web["spec"].as_object_mut().unwrap().remove("serviceName");
    let db = json!({ "name": "postgres", "image": "postgres:17",
        "env": [{ "name": "POSTGRES_PASSWORD", "value": "password-of-the-golden" }] });
    for (plural, manifest) in [
        ("rolebindings", view),
        ("configmaps", config("settings", "slow")),
        ("configmaps", config("outdated", "any")),
        ("deployments", web),
        ("statefulsets", workload("StatefulSet", "db", db)),
    ] {
        create(User::Admin, &name, plural, manifest).await.unwrap();
    }
    name
}

/// The golden of tomorrow: other settings, another image, one object less and one more.
async fn moves_on(golden: &str) {
    let client = client(User::Admin).await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), golden);
    let change = Patch::Merge(json!({ "data": { "MODE": "fast" } }));
    maps.patch("settings", &PatchParams::default(), &change)
        .await
        .unwrap();
    maps.delete("outdated", &Default::default()).await.unwrap();
    create(User::Admin, golden, "configmaps", config("added", "any"))
        .await
        .unwrap();
    let deployments: Api<Deployment> = Api::namespaced(client, golden);
    let image = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "web", "image": "registry.example.com/store/web:2" }] } } } });
    deployments
        .patch("web", &PatchParams::default(), &Patch::Strategic(image))
        .await
        .unwrap();
}

async fn moves_back(golden: &str) {
    let maps: Api<ConfigMap> = Api::namespaced(client(User::Admin).await, golden);
    let change = Patch::Merge(json!({ "data": { "MODE": "slow" } }));
    maps.patch("settings", &PatchParams::default(), &change)
        .await
        .unwrap();
}

fn found(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let rows = report["differences"].as_array().unwrap().iter();
    rows.map(|row| {
        let text = |field: &str| row[field].as_str().unwrap().to_owned();
        format!("{} {}", text("change"), text("object"))
    })
    .collect()
}

async fn password(namespace: &str) -> String {
    let sets: Api<StatefulSet> = Api::namespaced(client(User::Admin).await, namespace);
    let set = json!(sets.get("db").await.unwrap());
    set.pointer("/spec/template/spec/containers/0/env/0/value")
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

async fn image(namespace: &str) -> String {
    let deployments: Api<Deployment> = Api::namespaced(client(User::Admin).await, namespace);
    let web = json!(deployments.get("web").await.unwrap());
    web.pointer("/spec/template/spec/containers/0/image")
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_brings_the_golden_of_today_and_leaves_the_clone_its_own() {
    let golden = golden().await;
    let clone = format!("{golden}-pr-1");
    let own = format!("web={OWN_IMAGE}");
    developer(&["clone", &golden, "--pr", "1", "--image", &own, "--wait"])
        .await
        .done();
    let first = password(&clone).await;
    assert_ne!(first, "password-of-the-golden");
    let same = developer(&["diff", &clone, "-o", "json"]).await.done();
    assert_eq!(found(&same), Vec::<String>::new());

    moves_on(&golden).await;
    let by_hand = config("by-hand", "any");
    create(User::Developer, &clone, "configmaps", by_hand)
        .await
        .unwrap();
    let expected = [
        "missing ConfigMap/added",
        "changed ConfigMap/settings",
        "extra ConfigMap/by-hand",
        "extra ConfigMap/outdated",
    ];
    let differs = developer(&["diff", &clone, "-o", "json"]).await;
    assert_eq!(
        (found(&differs), differs.code),
        (expected.map(str::to_owned).to_vec(), 13),
        "{differs:?}"
    );
    // F06: what a program reads may be secret.
    assert!(
        !differs.stdout.contains("fast") && !differs.stdout.contains(&first),
        "{}",
        differs.stdout
    );
    let table = developer(&["diff", &clone]).await;
    assert!(table.stdout.contains("data.MODE"), "{}", table.stdout);

    let rehearsed = developer(&["refresh", &clone, "--dry-run", "-o", "json"])
        .await
        .done();
    assert_eq!(found(&rehearsed), found(&differs));
    assert_eq!(
        found(&developer(&["diff", &clone, "-o", "json"]).await),
        found(&differs)
    );

    let refreshed = developer(&["refresh", &clone, "--wait"]).await.done();
    assert!(
        refreshed.stderr.contains("1 created, 1 changed") && refreshed.stderr.contains("1 deleted"),
        "{}",
        refreshed.stderr
    );
    assert!(
        refreshed.stderr.contains("ConfigMap/by-hand"),
        "{}",
        refreshed.stderr
    );
    assert_eq!(
        (image(&clone).await, password(&clone).await),
        (OWN_IMAGE.to_owned(), first)
    );
    let left = developer(&["diff", &clone, "-o", "json"]).await;
    assert_eq!(found(&left), ["extra ConfigMap/by-hand"]);
    let again = developer(&["refresh", &clone]).await.done();
    assert!(
        again.stderr.contains("0 created, 0 changed") && again.stderr.contains("0 deleted"),
        "{}",
        again.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_somebody_set_since_stays_and_one_that_nobody_asked_for_does_not() {
    let (golden, other) = (golden().await, golden().await);
    let (set, left) = (format!("{golden}-pr-1"), format!("{other}-pr-1"));
    developer(&["clone", &golden, "--pr", "1"]).await.done();
    developer(&["clone", &other, "--pr", "1", "--exclude", "ConfigMap/outdated"])
        .await
        .done();
    let deployments: Api<Deployment> = Api::namespaced(client(User::Developer).await, &set);
    let image_of = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "web", "image": OWN_IMAGE }] } } } });
    let params = PatchParams {
        field_manager: Some("kubectl-set".to_owned()),
        ..PatchParams::default()
    };
    deployments
        .patch("web", &params, &Patch::Strategic(image_of))
        .await
        .unwrap();
    developer(&["diff", &set]).await.done();
    for (golden, clone) in [(&golden, &set), (&other, &left)] {
        moves_on(golden).await;
        developer(&["refresh", clone]).await.done();
        // What was not part of it at birth is no part of it now.
        developer(&["diff", clone]).await.done();
    }
    assert_eq!(image(&set).await, OWN_IMAGE);
    assert_eq!(image(&left).await, "registry.example.com/store/web:2");
    // A second refresh knows it as well, although the image is written by us now.
    moves_back(&golden).await;
    developer(&["refresh", &set]).await.done();
    assert_eq!(image(&set).await, OWN_IMAGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_that_is_no_clone_is_not_compared() {
    let name = understudy_tests::previews::ready_preview("plain").await;
    for verb in ["diff", "refresh"] {
        let ran = developer(&[verb, &name]).await;
        assert_eq!(ran.code, 5, "{ran:?}");
    }
    let missing = developer(&["diff", "no-such-preview"]).await;
    assert_eq!(missing.code, 6, "{missing:?}");
}
