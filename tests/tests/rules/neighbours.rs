//! Other mutating webhooks: what they add after us is reviewed as well, and what they undo is not let through.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use understudy_tests::previews::{SOON, assert_refused, create, pod, ready_preview, stage, unique};
use understudy_tests::testbed::{Neighbour, Role, User, eventually};

const GOLDEN: &str = "postgres://u:p@db.shop/shop";

fn labelled(neighbour: &str) -> Value {
    let mut manifest = pod(
        &unique("web"),
        json!([{ "name": "DATABASE_URL", "value": GOLDEN }]),
    );
    manifest["metadata"]["labels"] = json!({ "neighbour": neighbour });
    manifest
}

/// Adds a container once, as an injector does.
fn inject(object: &Value) -> Vec<Value> {
    let containers = object["spec"]["containers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    if containers.iter().any(|container| container["name"] == "sidecar") {
        return Vec::new();
    }
    let sidecar = json!({ "name": "sidecar", "image": "registry.example.com/sidecar:1", "env": [{ "name": "DATABASE_URL", "value": GOLDEN }] });
    vec![json!({ "op": "add", "path": "/spec/containers/-", "value": sidecar })]
}

/// Writes the golden's connection back, each time it is asked.
fn undo(object: &Value) -> Vec<Value> {
    if object["spec"]["containers"][0]["env"][0]["value"] == GOLDEN {
        return Vec::new();
    }
    vec![
        json!({ "op": "replace", "path": "/spec/containers/0/env/0", "value": { "name": "DATABASE_URL", "value": GOLDEN } }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_another_webhook_adds_after_us_is_rewritten_too() {
    // C02
    let namespace = ready_preview("sidecar").await;
    let neighbour = Neighbour::serve(Ipv4Addr::LOCALHOST, inject).await.unwrap();
    neighbour
        .register(stage().await.bed(), "zz-inject")
        .await
        .unwrap();
    let made = eventually(SOON, "the API server asks the neighbour", || async {
        let made = create(User::Developer, &namespace, "pods", labelled("zz-inject")).await?;
        anyhow::ensure!(
            made["spec"]["containers"].as_array().map(Vec::len) == Some(2),
            "not injected"
        );
        anyhow::Ok(made)
    })
    .await
    .unwrap();
    for container in made["spec"]["containers"].as_array().unwrap() {
        let reference = &container["env"][0]["valueFrom"]["secretKeyRef"]["name"];
        assert_eq!(reference, "understudy-db-app", "{}", container["name"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_webhook_undoes_is_refused_in_its_final_state() {
    // C03
    let namespace = ready_preview("undone").await;
    let neighbour = Neighbour::serve(Ipv4Addr::LOCALHOST, undo).await.unwrap();
    neighbour.register(stage().await.bed(), "zz-undo").await.unwrap();
    let refused = eventually(SOON, "the API server asks the neighbour", || async {
        let answer = create(User::Developer, &namespace, "pods", labelled("zz-undo")).await;
        anyhow::ensure!(answer.is_err(), "let in: {answer:?}");
        anyhow::Ok(answer)
    })
    .await
    .unwrap();
    let message = assert_refused(refused, "objects.understudy.dev", &["database-rewritten"]);
    assert!(
        message.contains("was changed after Understudy had reviewed it"),
        "{message}"
    );
    assert!(!message.contains("u:p@"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_changed_after_us_is_let_in_without_reading_it_again() {
    let namespace = ready_preview("unchanged").await;
    let url = json!([{ "name": "DATABASE_URL", "value": GOLDEN }]);
    let (own, generated) = (unique("own"), unique("generated"));
    let mut nameless = pod("", url.clone());
    nameless["metadata"] = json!({ "generateName": format!("{generated}-") });
    for manifest in [pod(&own, url), nameless] {
        create(User::Developer, &namespace, "pods", manifest)
            .await
            .unwrap();
    }
    let logs = stage().await.bed().logs();
    let log = std::fs::read_to_string(logs.join(format!("{}.log", Role::Serve.name()))).unwrap();
    let reviews: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    for name in [&own, &generated] {
        let of_it = |review: &&Value| {
            review["namespace"] == namespace.as_str()
                && review["stage"] == "Validate"
                && review["name"]
                    .as_str()
                    .is_some_and(|found| found.starts_with(name))
        };
        let found: Vec<&Value> = reviews.iter().filter(of_it).collect();
        assert!(
            found.len() == 1 && found[0]["vouched"] == true && found[0]["verdict"] == "allow",
            "{name}: {found:?}"
        );
    }
}
