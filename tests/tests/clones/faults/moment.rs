//! D09: a golden of thousands of objects that changes while it is read, and an API server that no longer knows how it was when
//! its list was begun.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use understudy_tests::previews::client;
use understudy_tests::shop::stage;
use understudy_tests::testbed::User;

use super::requests::{self, Request};
use super::{config, golden, plain_policy, some_golden};

/// Objects of a large golden.
const MANY: usize = 5_000;
/// Objects on one page of a list.
const PAGE: usize = 500;
/// Requests that make the golden, at once.
const AT_ONCE: usize = 16;
/// What every cluster puts into a namespace.
const CLUSTERS_OWN: &str = "kube-root-ca.crt";

/// In the order in which they are listed.
fn part(number: usize) -> String {
    format!("part-{number:05}")
}

async fn parts(namespace: &str) -> Api<ConfigMap> {
    Api::namespaced(client(User::Admin).await, namespace)
}

/// A golden of `count` ConfigMaps, all of one state.
async fn crowded(count: usize) -> String {
    let name = some_golden();
    golden(&name, Vec::new()).await;
    let api = parts(&name).await;
    let made = stream::iter(0..count).map(|number| {
        let (api, object) = (&api, config(&part(number), json!({ "STATE": "first" })));
        async move {
            let object = serde_json::from_value(object).expect("a ConfigMap");
            api.create(&PostParams::default(), &object).await.map(drop)
        }
    });
    made.buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await
        .unwrap();
    name
}

/// Changes what was listed first and last, takes one away before the last, and adds another behind it.
async fn moves_on(golden: &str, count: usize) {
    let api = parts(golden).await;
    let second = Patch::Merge(json!({ "data": { "STATE": "second" } }));
    for number in [0, count - 1] {
        api.patch(&part(number), &PatchParams::default(), &second)
            .await
            .unwrap();
    }
    api.delete(&part(count - 2), &Default::default()).await.unwrap();
    let added = serde_json::from_value(config(&part(count), json!({ "STATE": "second" }))).unwrap();
    api.create(&PostParams::default(), &added).await.unwrap();
}

/// The state of every ConfigMap of `namespace` by name.
async fn states(namespace: &str) -> BTreeMap<String, String> {
    let listed = parts(namespace).await.list(&Default::default()).await.unwrap();
    let state = |map: ConfigMap| Some((map.metadata.name?, map.data?.remove("STATE")?));
    listed.items.into_iter().filter_map(state).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_golden_that_changes_while_it_is_read_is_cloned_as_it_was_at_one_moment() {
    // D09
    let (count, policy) = (MANY, plain_policy().await);
    let name = crowded(count).await;
    let before = states(&name).await;
    assert_eq!(before.len(), count);
    let arguments = ["clone", &name, "--pr", "7", "--policy", &policy];
    let mut pages = 0;
    let ran = requests::run(
        stage().await.bed(),
        User::Developer,
        &arguments,
        async |request: Request| {
            if request.lists(&name, "configmaps") {
                pages += 1;
                // The first page was answered, and this is the second.
                if pages == 2 {
                    assert!(request.goes_on());
                    moves_on(&name, count).await;
                }
            }
            tokio::spawn(request.pass());
            ControlFlow::Continue(())
        },
    );
    let ran = ran.await.expect("it ran to its end").done();
    assert_eq!(
        pages,
        (count + 1).div_ceil(PAGE),
        "with the cluster's own, and no page twice"
    );
    assert!(
        ran.stderr.contains(&format!(": {count} created, 0 changed")),
        "{}",
        ran.stderr
    );
    assert_ne!(states(&name).await, before);
    assert_eq!(states(&format!("{name}-pr-7")).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_whose_moment_is_forgotten_begins_anew() {
    // D08, D09
    let (count, policy) = (PAGE + 100, plain_policy().await);
    let name = crowded(count).await;
    let arguments = [
        "clone",
        &name,
        "--pr",
        "7",
        "--policy",
        &policy,
        "--dry-run",
        "-o",
        "json",
    ];
    let mut pages = Vec::new();
    let ran = requests::run(
        stage().await.bed(),
        User::Developer,
        &arguments,
        async |request: Request| {
            if request.lists(&name, "configmaps") {
                pages.push(request.goes_on());
                if pages.len() == 2 {
                    moves_on(&name, count).await;
                    request.refuse(
                        &json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
                    "reason": "Expired", "message": "The provided continue parameter is too old" }),
                    );
                    return ControlFlow::Continue(());
                }
            }
            tokio::spawn(request.pass());
            ControlFlow::Continue(())
        },
    );
    let plan = ran.await.expect("it ran to its end").done().json();
    assert_eq!(pages, [false, true, false, true]);
    let items = plan["items"].as_array().unwrap().iter();
    let name_of = |item: &Value| item["name"].as_str().unwrap().to_owned();
    let planned: Vec<String> = items
        .filter(|item| item["kind"] == "ConfigMap")
        .map(name_of)
        .filter(|name| name != CLUSTERS_OWN)
        .collect();
    let now: Vec<String> = states(&name).await.into_keys().collect();
    assert_eq!(planned, now, "each once, as they are by now");
}
