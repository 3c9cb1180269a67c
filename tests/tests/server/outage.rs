//! The API server is slow: admission answers in time from what it has, and says what it could not know.

use std::time::{Duration, Instant};

use anyhow::ensure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::previews::ready_preview;
use understudy_tests::shop;
use understudy_tests::testbed::{eventually, installed};

use crate::replica::{Options, Replica, SOON};
use crate::reviews::{config_map, pod, preview};

/// The webhook configurations' `timeoutSeconds`.
const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_api_server_makes_no_review_late_and_readiness_says_what_is_old() {
    // B11
    let bed = installed().await.bed();
    let proxy = bed.proxy().unwrap();
    let replica = Replica::start(Options {
        through: Some(&proxy),
        ..Options::default()
    })
    .await;
    let mut call = replica.caller().connect().await.unwrap();
    proxy.pause();

    let reading = json!([{ "name": "A", "valueFrom": { "configMapKeyRef": { "name": "a", "key": "a" } } }]);
    let bare = pod("not-known", reading.clone());
    let mut owned = pod("not-known", reading);
    owned["request"]["object"]["metadata"]["ownerReferences"] = json!([{ "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "name": "web", "uid": "1", "controller": true, "blockOwnerDeletion": true }]);
    let mut answered = async |review: &Value| {
        let asked = Instant::now();
        let response = call.review("/mutate", review).await.unwrap();
        assert!(asked.elapsed() < LIMIT, "{:?}", asked.elapsed());
        response
    };
    // From memory: the policy is known, so a preview gets its lease.
    let born = answered(&preview("born-meanwhile")).await;
    assert!(born["allowed"] == true && born["patch"].is_string(), "{born}");
    assert_eq!(answered(&config_map("x")).await["allowed"], true);
    // By the review gate: somebody makes another one when this one is replaced.
    let held = answered(&owned).await;
    assert!(held["allowed"] == true && held["patch"].is_string(), "{held}");
    // By a denial that says so.
    let refused = answered(&bare).await;
    let message = refused["status"]["message"].as_str().unwrap_or_default();
    assert!(
        refused["allowed"] == false && message.contains("environment-unresolved: "),
        "{refused}"
    );

    eventually(SOON, "readiness says what is old", || async {
        let (status, text) = replica.get("/readyz").await?;
        ensure!(status == 200, "who is ready stays so: {status} {text}");
        ensure!(
            text.starts_with("ok, from memory: namespaces not confirmed for "),
            "{text}"
        );
        Ok(())
    })
    .await
    .unwrap();
    // Each is confirmed at a time of its own.
    eventually(SOON, "the metric says so, too", || async {
        let age = replica
            .metric(r#"understudy_facts_age_seconds{facts="policies"}"#)
            .await;
        ensure!(age >= 15.0, "{age}");
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(answered(&config_map("y")).await["allowed"], true);
    proxy.resume();
    eventually(SOON, "all is confirmed again", || async {
        let (_, text) = replica.get("/readyz").await?;
        ensure!(text == "ok", "{text}");
        Ok(())
    })
    .await
    .unwrap();
    for facts in ["namespaces", "policies", "services"] {
        let age = replica
            .metric(&format!("understudy_facts_age_seconds{{facts=\"{facts}\"}}"))
            .await;
        assert!(age < 15.0, "{facts} {age}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_can_be_read_a_pod_of_a_sealed_preview_is_held_after_one_refusal() {
    let bed = shop::stage().await.bed();
    let preview = ready_preview("silent").await;
    let proxy = bed.proxy().unwrap();
    let replica = Replica::start(Options {
        through: Some(&proxy),
        ..Options::default()
    })
    .await;
    let mut call = replica.caller().connect().await.unwrap();
    let mut review = pod(&preview, json!([]));
    review["request"]["object"]["metadata"]["ownerReferences"] = json!([{ "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "name": "web", "uid": "1", "controller": true, "blockOwnerDeletion": true }]);
    let mut made = async || {
        let mutated = call.review("/mutate", &review).await.unwrap();
        let mut object = review["request"]["object"].clone();
        let patch = STANDARD.decode(mutated["patch"].as_str().unwrap()).unwrap();
        let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
        let mut completed = review.clone();
        completed["request"]["object"] = object.clone();
        let validated = call.review("/validate", &completed).await.unwrap();
        (
            object["spec"]["schedulingGates"].clone(),
            validated["allowed"] == true,
        )
    };
    assert_eq!(made().await, (Value::Null, true), "nothing is in the way");
    proxy.pause();
    // Nobody can tell whether it is still the same preview.
    assert_eq!(made().await, (Value::Null, false));
    let (gates, allowed) = made().await;
    let names: Vec<&Value> = gates
        .as_array()
        .into_iter()
        .flatten()
        .map(|gate| &gate["name"])
        .collect();
    assert!(allowed && names.contains(&&json!(keys::GATE_REVIEW)), "{gates}");
}
