//! What a Pod's environment becomes, by a real API server.

use anyhow::ensure;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};
use understudy_tests::testbed::{User, eventually};

use crate::stage::{SOON, assert_refused, client, make_pod, pod, ready_preview};

const GOLDEN_URL: &str = "postgres://shop:hunter2hunter2@db.shop.svc.cluster.local:5432/shop";
const OBJECTS: &str = "objects.understudy.dev";

fn entry<'e>(env: &'e Value, name: &str) -> &'e Value {
    env.as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["name"] == name)
        .unwrap_or_else(|| panic!("no {name}: {env}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_the_golden_database_leads_to_the_branch() {
    // A15
    let namespace = ready_preview("env").await;
    let secrets: Api<Secret> = Api::namespaced(client(User::Developer).await, &namespace);
    let secret = json!({ "metadata": { "name": "team-db" }, "stringData": { "url": GOLDEN_URL } });
    secrets
        .create(&PostParams::default(), &serde_json::from_value(secret).unwrap())
        .await
        .unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client(User::Developer).await, &namespace);
    let jdbc = "jdbc:postgresql://db.shop:5432/shop?user=shop&password=hunter2hunter2&ApplicationName=worker";
    let map =
        json!({ "metadata": { "name": "worker" }, "data": { "SPRING_URL": jdbc, "PLAIN": GOLDEN_URL } });
    maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap())
        .await
        .unwrap();

    let mut manifest = pod(
        "web",
        json!([
            { "name": "LITERAL", "value": GOLDEN_URL },
            { "name": "BY_KEY", "valueFrom": { "secretKeyRef": { "name": "team-db", "key": "url" } } },
            { "name": "BY_MAP", "valueFrom": { "configMapKeyRef": { "name": "worker", "key": "PLAIN" } } },
            { "name": "ALCHEMY", "value": "postgresql+psycopg2://shop:hunter2hunter2@db.shop/shop?application_name=web" },
            { "name": "OTHER", "value": "https://example.com/" },
        ]),
    );
    manifest["spec"]["containers"][0]["envFrom"] = json!([{ "configMapRef": { "name": "worker" } }]);
    manifest["spec"]["initContainers"] = json!([
        { "name": "migrate", "image": "x", "env": [{ "name": "LITERAL", "value": GOLDEN_URL }] },
        { "name": "sidecar", "image": "x", "restartPolicy": "Always", "envFrom": [{ "secretRef": { "name": "team-db" }, "prefix": "DB_" }] },
    ]);
    let made = serde_json::to_value(make_pod(User::Developer, &namespace, manifest).await.unwrap()).unwrap();
    let uri = json!({ "secretKeyRef": { "name": "understudy-db-app", "key": "uri" } });
    let env = &made["spec"]["containers"][0]["env"];
    for name in ["LITERAL", "BY_KEY", "BY_MAP", "PLAIN"] {
        assert_eq!(entry(env, name)["valueFrom"], uri, "{name}");
    }
    assert_eq!(entry(env, "OTHER")["value"], "https://example.com/");
    assert_eq!(
        entry(env, "ALCHEMY")["value"],
        "postgresql+psycopg2://$(UNDERSTUDY_APP_USER):$(UNDERSTUDY_APP_PASSWORD)@$(UNDERSTUDY_APP_HOST):$(UNDERSTUDY_APP_PORT)/\
         $(UNDERSTUDY_APP_DBNAME)?application_name=web"
    );
    let jdbc = entry(env, "SPRING_URL")["value"].as_str().unwrap();
    assert!(
        jdbc.ends_with("&ApplicationName=worker") && jdbc.contains("password=$(UNDERSTUDY_APP_PASSWORD)"),
        "{jdbc}"
    );
    let init = &made["spec"]["initContainers"];
    assert_eq!(entry(&init[0]["env"], "LITERAL")["valueFrom"], uri);
    assert_eq!(entry(&init[1]["env"], "DB_url")["valueFrom"], uri);
    assert!(!made.to_string().contains("hunter2"), "a value stands in clear");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_still_reaches_a_protected_host_is_refused_by_name() {
    let namespace = ready_preview("env").await;
    let manifest = pod(
        "web",
        json!([
            { "name": "LEDGER_URL", "value": "postgres://u:hunter2hunter2@db.shop/ledger" },
            { "name": "API_URL", "value": "http://api.shop.svc.cluster.local:8080" },
        ]),
    );
    let message = assert_refused(
        make_pod(User::Developer, &namespace, manifest).await,
        OBJECTS,
        &["protected-endpoint"],
    );
    assert!(
        message.contains("container main, variable LEDGER_URL: host db.shop"),
        "{message}"
    );
    assert!(
        message.contains("variable API_URL: host api.shop.svc.cluster.local"),
        "{message}"
    );
    assert!(!message.contains("hunter2"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_that_comes_before_its_secret_is_reviewed_once_it_is_there() {
    let namespace = ready_preview("env").await;
    let deployments: Api<Deployment> = Api::namespaced(client(User::Developer).await, &namespace);
    let deployment = json!({ "metadata": { "name": "api" }, "spec": {
        "selector": { "matchLabels": { "app": "api" } },
        "template": { "metadata": { "labels": { "app": "api" } }, "spec": { "containers": [{ "name": "api", "image": "x",
            "env": [{ "name": "DATABASE_URL", "valueFrom": { "secretKeyRef": { "name": "late", "key": "url" } } }] }] } } } });
    deployments
        .create(
            &PostParams::default(),
            &serde_json::from_value(deployment).unwrap(),
        )
        .await
        .unwrap();
    let pods: Api<Pod> = Api::namespaced(client(User::Admin).await, &namespace);
    let only = async || -> anyhow::Result<Value> {
        let found = pods.list(&ListParams::default().labels("app=api")).await?.items;
        let living: Vec<_> = found
            .into_iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            .collect();
        ensure!(living.len() == 1, "{} Pods", living.len());
        Ok(serde_json::to_value(&living[0])?)
    };
    eventually(SOON, "the Pod waits to be reviewed", || async {
        let pod = only().await?;
        let gates = pod["spec"]["schedulingGates"].to_string();
        ensure!(gates.contains("understudy.dev/review"), "{gates}");
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
    let bare = make_pod(
        User::Developer,
        &namespace,
        pod(
            "bare",
            json!([
                { "name": "X", "valueFrom": { "secretKeyRef": { "name": "late", "key": "url" } } }
            ]),
        ),
    );
    let message = assert_refused(bare.await, OBJECTS, &["environment-unresolved"]);
    assert!(message.contains("Secret late, key url"), "{message}");

    let secrets: Api<Secret> = Api::namespaced(client(User::Developer).await, &namespace);
    let secret = json!({ "metadata": { "name": "late" }, "stringData": { "url": GOLDEN_URL } });
    secrets
        .create(&PostParams::default(), &serde_json::from_value(secret).unwrap())
        .await
        .unwrap();
    eventually(SOON, "a reviewed Pod runs", || async {
        let pod = only().await?;
        ensure!(pod["status"]["phase"] == "Running", "{}", pod["status"]["phase"]);
        let env = &pod["spec"]["containers"][0]["env"];
        ensure!(
            env[0]["valueFrom"]["secretKeyRef"]["name"] == "understudy-db-app",
            "{env}"
        );
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
}
