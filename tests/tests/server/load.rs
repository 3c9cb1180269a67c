//! More than can be done: some are sent away in time, and when it is over all is as before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;
use tokio::task::JoinSet;
use understudy_tests::testbed::{eventually, installed};

use crate::caller::post;
use crate::cluster::Cluster;
use crate::replica::{Options, Replica, SOON};
use crate::reviews::{config_map, creation, pod};

/// The webhook configurations' `timeoutSeconds`.
const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn twice_the_capacity_is_shed_early_and_a_second_later_all_is_as_before() {
    // B12: for 8 s and not 60. A review that reads takes half a second while the API server is silent, so the capacity is
    // that of the turns (256 at a time) whatever the machine, and 480 clients that ask again at once are twice that.
    // Beside the crowd of another test its five seconds are not the server's.
    let _alone = Cluster::take().await;
    let bed = installed().await.bed();
    let proxy = bed.proxy().unwrap();
    let replica = Arc::new(
        Replica::start(Options {
            through: Some(&proxy),
            ..Options::default()
        })
        .await,
    );
    let before = replica.resident();
    proxy.pause();
    let reading = json!([{ "name": "A", "valueFrom": { "secretKeyRef": { "name": "a", "key": "a" } } }]);
    let review = Arc::new(post("/mutate", pod("not-known", reading).to_string().as_bytes()));
    let (answered, shed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (mut load, started) = (JoinSet::new(), Instant::now());
    for _ in 0..480 {
        let (replica, review) = (replica.clone(), review.clone());
        let (answered, shed) = (answered.clone(), shed.clone());
        load.spawn(async move {
            let mut call = replica.caller().connect().await.unwrap();
            let mut longest = Duration::ZERO;
            while started.elapsed() < Duration::from_secs(8) {
                let asked = Instant::now();
                call.send(&review).await.unwrap();
                let answer = call.answer().await.unwrap();
                longest = longest.max(asked.elapsed());
                match answer.status {
                    200 => answered.fetch_add(1, Ordering::SeqCst),
                    429 if answer.head.contains("retry-after: 1") => shed.fetch_add(1, Ordering::SeqCst),
                    _ => panic!("{answer:?}"),
                };
            }
            longest
        });
    }
    let mut peak = 0;
    while started.elapsed() < Duration::from_secs(8) {
        assert_eq!(replica.get("/livez").await.unwrap().0, 200);
        peak = peak.max(replica.resident());
        assert!(replica.metric("understudy_reviews_in_flight").await <= 256.0);
    }
    let longest = load.join_all().await.into_iter().max().unwrap();
    proxy.resume();
    let (answered, shed) = (answered.load(Ordering::SeqCst), shed.load(Ordering::SeqCst));
    assert!(longest < LIMIT, "{longest:?}");
    assert!(answered > 500 && shed > 250, "{answered} answered, {shed} shed");
    assert!(peak < before + 150, "{before} MB before, {peak} MB at its peak");
    assert!(replica.metric("understudy_shed_reviews_total").await >= shed as f64);
    let asked = Instant::now();
    assert_eq!(
        replica
            .caller()
            .review("/mutate", &config_map("after"))
            .await
            .unwrap()["allowed"],
        true
    );
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(replica.metric("understudy_reviews_in_flight").await, 0.0);
    eventually(SOON, "all connections are closed", || async {
        let open = replica.metric("understudy_connections").await;
        ensure!(open == 0.0, "{open}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_was_never_seen_leaves_nothing_behind() {
    // B13: 10,000 names and not a million. Were 512 bytes kept of each, it would show.
    const NAMES: usize = 10_000;
    const CALLERS: usize = 8;
    let replica = Arc::new(Replica::start(Options::default()).await);
    let ask = async |names: usize| {
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let replica = replica.clone();
            callers.spawn(async move {
                let mut call = replica.caller().connect().await.unwrap();
                for _ in 0..names / CALLERS {
                    let name = format!("n-{:016x}", rand::random::<u64>());
                    let object =
                        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } });
                    let mut review = creation("ConfigMap", &name, object);
                    review["request"]["userInfo"]["username"] = json!(name);
                    review["request"]["resource"]["resource"] = json!(name);
                    call.review("/validate", &review).await.unwrap();
                }
            });
        }
        callers.join_all().await;
    };
    ask(NAMES / 4).await;
    let lines = async || replica.get("/metrics").await.unwrap().1.lines().count();
    let (before, told) = (replica.resident(), lines().await);
    ask(NAMES).await;
    let after = replica.resident();
    assert!(after <= before + 5, "{before} MB before, {after} MB after");
    assert_eq!(lines().await, told);
}
