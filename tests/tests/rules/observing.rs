//! `enforcement: warn`: everything is said and nothing is done, and the way to enforcing ends nothing by surprise.

use anyhow::ensure;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use kube::client::Body;
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::previews::{
    SOON, assert_refused, client, create, make, objects, pod, preview, settled, stage, unique,
};
use understudy_tests::testbed::{Role, User, eventually};

async fn policy(name: &str, enforcement: &str) {
    let bed = stage().await.bed();
    understudy_tests::shop::policy(bed, |policy| {
        policy["metadata"]["name"] = json!(name);
        policy["spec"]["creators"] = json!({ "users": ["developer"] });
        policy["spec"]["enforcement"] = json!(enforcement);
    })
    .await
    .unwrap();
}

/// What the API server says beside its answer to whoever would make this Pod.
async fn warnings(namespace: &str, pod: &Value) -> Vec<String> {
    let request = http::Request::post(format!("/api/v1/namespaces/{namespace}/pods?dryRun=All"))
        .header("content-type", "application/json")
        .body(Body::from(pod.to_string().into_bytes()))
        .unwrap();
    let answer = client(User::Admin).await.send(request).await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    let warnings = answer.headers().get_all("warning").into_iter();
    warnings
        .map(|warning| warning.to_str().unwrap().to_owned())
        .collect()
}

/// How often admission has let something pass that it would have changed or refused.
async fn observed() -> u64 {
    let (_, metrics) = stage().await.get(Role::Serve, "/metrics").await.unwrap();
    let counter = r#"understudy_reviews_total{stage="mutate",verdict="observe"} "#;
    let count = metrics.lines().find_map(|line| line.strip_prefix(counter));
    count.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_only_observes_changes_holds_and_ends_nothing() {
    let (policy_name, name) = (unique("observing"), unique("observed"));
    policy(&policy_name, "warn").await;
    let mut manifest = preview(&name, json!({ keys::TTL: "2s" }));
    manifest["metadata"]["labels"][keys::POLICY] = json!(policy_name);
    eventually(SOON, "admission knows the policy", || async {
        make(User::Developer, manifest.clone()).await.map(|_| ())
    })
    .await
    .unwrap();
    settled(&name, |metadata| {
        let (labels, annotations) = (
            metadata.labels.unwrap_or_default(),
            metadata.annotations.unwrap_or_default(),
        );
        ensure!(
            labels.get(keys::ENFORCEMENT).is_some_and(|value| value == "warn"),
            "{labels:?}"
        );
        ensure!(
            annotations
                .get(keys::GUARDRAILS)
                .is_some_and(|value| value == "observed"),
            "{annotations:?}"
        );
        Ok(())
    })
    .await;
    let env = json!([{ "name": "DATABASE_URL", "value": "postgres://u:p@db.shop/shop" }]);
    let made = create(User::Admin, &name, "pods", pod("web", env.clone()))
        .await
        .unwrap();
    assert_eq!(made["spec"]["containers"][0]["env"], env);
    assert!(made["spec"]["schedulingGates"].is_null());
    let before = observed().await;
    let said = warnings(&name, &pod("warned", env.clone())).await;
    let change = "would change /spec/containers/0/env/0 (database-rewritten)";
    assert!(said.iter().any(|warning| warning.contains(change)), "{said:?}");
    assert!(observed().await > before);
    let quotas = objects(User::Admin, &name, "v1", "ResourceQuota", "resourcequotas").await;
    assert!(
        quotas
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    // The contract on the namespace holds all the same.
    let all: Api<Namespace> = Api::all(client(User::Admin).await);
    let mut forged = manifest.clone();
    forged["metadata"]["name"] = json!(unique("observed"));
    forged["metadata"]["annotations"] = json!({ keys::OWNER: "boss" });
    assert_refused(
        make(User::Developer, forged).await,
        "namespaces.understudy.dev",
        &["owner-forged"],
    );
    // Its lease ran out long ago when the policy begins to enforce: what is there is reviewed first, and it lives on.
    policy(&policy_name, "enforce").await;
    eventually(SOON, "what was there is named", || async {
        let metadata = all.get(&name).await?.metadata;
        let (labels, annotations) = (
            metadata.labels.unwrap_or_default(),
            metadata.annotations.unwrap_or_default(),
        );
        let message = annotations.get(keys::MESSAGE).cloned().unwrap_or_default();
        ensure!(
            labels.get(keys::PHASE).is_some_and(|phase| phase == "Failed"),
            "{labels:?} {message}"
        );
        ensure!(message.contains("database-rewritten"), "{message}");
        ensure!(!labels.contains_key(keys::ENFORCEMENT), "{labels:?}");
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
    let pods = objects(User::Admin, &name, "v1", "Pod", "pods").await;
    pods.delete("web", &Default::default()).await.unwrap();
    settled(&name, |metadata| {
        let annotations = metadata.annotations.unwrap_or_default();
        ensure!(
            annotations
                .get(keys::GUARDRAILS)
                .is_some_and(|seal| seal.len() == 16),
            "{annotations:?}"
        );
        Ok(())
    })
    .await;
    let made = create(User::Admin, &name, "pods", pod("again", env))
        .await
        .unwrap();
    assert!(made.to_string().contains("understudy-db-app"));
}
