//! Killed under load and started again, in a cluster with many namespaces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;
use tokio::task::JoinSet;
use understudy_tests::testbed::{Signal, User, eventually, installed};

use crate::replica::{Options, Replica, SOON};
use crate::reviews::config_map;

const NAMESPACES: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_only_what_was_in_flight_is_lost_and_a_thousand_namespaces_are_known_at_once() {
    // B09
    let bed = installed().await.bed();
    let namespaces: Api<Namespace> = Api::all(bed.client(User::Admin).await.unwrap());
    let made = stream::iter(0..NAMESPACES).for_each_concurrent(16, |number| {
        let namespaces = &namespaces;
        async move {
            let name = format!("many-{number}");
            let namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
            namespaces
                .create(&PostParams::default(), &namespace)
                .await
                .unwrap();
        }
    });
    made.await;

    let replica = Arc::new(Replica::start(Options::default()).await);
    let answered = Arc::new(AtomicU64::new(0));
    let mut load = JoinSet::new();
    for _ in 0..8 {
        let (replica, answered) = (replica.clone(), answered.clone());
        load.spawn(async move {
            let mut call = replica.caller().connect().await.unwrap();
            let review = config_map("x");
            // Each loses at most the one that is under way.
            while call.review("/mutate", &review).await.is_ok() {
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    eventually(SOON, "the load runs", || async {
        ensure!(answered.load(Ordering::SeqCst) > 100, "not yet");
        Ok(())
    })
    .await
    .unwrap();
    replica.signal(Signal::SigKill);
    load.join_all().await;
    assert!(replica.end().await.contains("killed"));

    let started = Instant::now();
    let again = Replica::start(Options::default()).await;
    let took = started.elapsed();
    assert_eq!(
        again.caller().review("/mutate", &config_map("x")).await.unwrap()["allowed"],
        true
    );
    // A second is for a release build; this one is not optimised, and shares two cores with the other tests.
    assert!(took < Duration::from_secs(5), "{took:?}");
}
