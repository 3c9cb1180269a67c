//! Few descriptors, and none left.

use std::time::Duration;

use anyhow::ensure;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, interval};
use understudy_tests::testbed::eventually;

use crate::replica::{Options, Replica, SOON};
use crate::reviews::config_map;

const FILES: u32 = 160;

#[tokio::test(flavor = "multi_thread")]
async fn with_few_descriptors_fewer_connections_are_taken_and_health_answers_throughout() {
    // B02
    let options = Options {
        files: Some(FILES),
        ..Options::default()
    };
    let replica = Replica::start(options).await;
    let mut idle = Vec::new();
    for _ in 0..5 {
        for _ in 0..100 {
            idle.push(TcpStream::connect(replica.address).await.unwrap());
        }
        assert_eq!(replica.get("/livez").await.unwrap().0, 200);
        assert_eq!(replica.get("/readyz").await.unwrap().0, 200);
        let response = replica
            .caller()
            .review("/mutate", &config_map("next"))
            .await
            .unwrap();
        assert_eq!(response["allowed"], true);
    }
    assert!(!replica.log().contains("failed to accept"), "descriptors ran out");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_none_is_left_whoever_was_of_use_is_answered_and_afterwards_all_are() {
    // B02: no number of clients takes the last one, so what takes it here is the limit itself.
    let options = Options {
        files: Some(FILES),
        ..Options::default()
    };
    let replica = Replica::start(options).await;
    let mut kept = replica.caller().connect().await.unwrap();
    kept.review("/mutate", &config_map("first")).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(replica.address).await.unwrap());
    }
    eventually(SOON, "all of them are taken in", || async {
        let open = replica.metric("understudy_connections").await;
        ensure!(open > 20.0, "{open}");
        Ok(())
    })
    .await
    .unwrap();

    replica.limit_files(3);
    let caller = replica.caller();
    let waiting = tokio::spawn(async move { caller.review("/mutate", &config_map("waiting")).await });
    for mut stream in silent {
        // Closed, or reset with it: they gave theirs up, and it was no use.
        let _ = stream.read(&mut [0]).await;
    }
    let (started, before) = (Instant::now(), replica.processor_time());
    let mut ticks = interval(Duration::from_millis(50));
    for number in 0..40 {
        ticks.tick().await;
        let review = config_map(&format!("x{number}"));
        assert_eq!(kept.review("/mutate", &review).await.unwrap()["allowed"], true);
    }
    let (took, spent) = (started.elapsed(), replica.processor_time() - before);
    assert!(spent < took / 2, "it spins: {spent:?} of {took:?}");
    assert!(!waiting.is_finished(), "there was a descriptor left");
    let said = replica.log().matches("failed to accept connections").count();
    assert!((1..10).contains(&said), "said {said} times");

    replica.limit_files(FILES);
    assert_eq!(waiting.await.unwrap().unwrap()["allowed"], true);
    assert_eq!(replica.get("/readyz").await.unwrap().0, 200);
    kept.review("/mutate", &config_map("last")).await.unwrap();
}
