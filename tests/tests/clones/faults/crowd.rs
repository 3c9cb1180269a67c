//! D10: many clones of one golden at once, some of them ended meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use futures::{StreamExt, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;
use understudy::keys;
use understudy_tests::previews::client;
use understudy_tests::testbed::{User, eventually};

use super::{config, golden, ingress, plain_policy, service, some_golden, workload};
use crate::run::developer;

/// How many: with `UNDERSTUDY_TEST_CLONES=100` a hundred, as the case says; by default as many as every run can bear.
fn how_many() -> usize {
    let asked = std::env::var("UNDERSTUDY_TEST_CLONES").ok();
    asked.map_or(30, |text| {
        text.parse().expect("UNDERSTUDY_TEST_CLONES is a number")
    })
}

/// The longest that a hundred of them take on an idle machine, several times over.
const PATIENCE: Duration = Duration::from_secs(600);
/// How many are ended while others are made.
const ENDED: usize = 10;

/// Fifty objects, two of them with a Pod.
fn fifty() -> Vec<(&'static str, serde_json::Value)> {
    let mut objects = vec![("ingresses", ingress("web", "crowd.example.com"))];
    for name in ["web", "api"] {
        objects.extend([
            ("deployments", workload(name)),
            ("configmaps", config(name, json!({ "MODE": "fast" }))),
        ]);
    }
    objects.extend((0..35).map(|n| {
        (
            "configmaps",
            config(&format!("part-{n}"), json!({ "url": "http://web:80/" })),
        )
    }));
    objects.push(("services", service("web")));
    objects.extend((0..7).map(|n| ("services", service(&format!("service-{n}")))));
    objects.push(("cronjobs", json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "nightly" }, "spec": {
        "schedule": "0 3 * * *", "jobTemplate": { "spec": { "template": { "spec": { "restartPolicy": "Never", "containers": [
            { "name": "nightly", "image": "registry.example.com/nightly:1" }] } } } } } })));
    objects.push((
        "serviceaccounts",
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "web" } }),
    ));
    assert_eq!(objects.len(), 50);
    objects
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clones_at_once_all_become_ready_while_others_are_destroyed() {
    // D10
    let (name, policy, count) = (some_golden(), plain_policy().await, how_many());
    golden(&name, fifty()).await;
    let one = |pr: usize| {
        let (name, policy) = (&name, &policy);
        async move {
            let ran = developer(&["clone", name, "--pr", &pr.to_string(), "--policy", policy])
                .await
                .done();
            assert!(
                ran.stderr.contains(": 50 created, 0 changed, 0 unchanged"),
                "{}",
                ran.stderr
            );
            if pr <= ENDED {
                developer(&[
                    "destroy",
                    &format!("{name}-pr-{pr}"),
                    "--yes",
                    "--wait",
                    "--timeout",
                    "9m",
                ])
                .await
                .done();
            }
        }
    };
    // Every one of them is a process of its own, and all are there at once.
    stream::iter(1..=count)
        .map(one)
        .buffer_unordered(count)
        .collect::<Vec<()>>()
        .await;

    let client = client(User::Admin).await;
    let clones = Api::<Namespace>::all(client.clone());
    let deployments = Api::<Deployment>::all(client);
    let of_this = ListParams::default().labels(&format!("{}={name}", keys::PARENT));
    eventually(PATIENCE, "all that are left are ready", || async {
        let found = clones.list(&of_this).await?;
        ensure!(found.items.len() == count - ENDED, "{} clones", found.items.len());
        let phases: BTreeMap<String, String> = found
            .into_iter()
            .map(|clone| {
                let labels = clone.metadata.labels.unwrap_or_default();
                (
                    clone.metadata.name.unwrap_or_default(),
                    labels.get(keys::PHASE).cloned().unwrap_or_default(),
                )
            })
            .collect();
        let waiting: Vec<_> = phases.iter().filter(|(_, phase)| *phase != "Ready").collect();
        ensure!(waiting.is_empty(), "{waiting:?}");
        let running = deployments.list(&ListParams::default()).await?;
        let ready = running.iter().filter(|deployment| {
            let ready = deployment
                .status
                .as_ref()
                .and_then(|status| status.ready_replicas);
            deployment
                .metadata
                .namespace
                .as_ref()
                .is_some_and(|it| phases.contains_key(it))
                && ready == Some(1)
        });
        let ready = ready.count();
        ensure!(ready == 2 * phases.len(), "{ready} Deployments are ready");
        anyhow::Ok(())
    })
    .await
    .unwrap();
}
