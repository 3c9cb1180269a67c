//! `--wait`: every workload with what holds it back, and Jobs until they are done.

use serde_json::json;
use understudy_tests::testbed::eventually;

use crate::run::{Ran, SOON, developer, policy};
use crate::terminal::on_a_terminal;

/// Makes the policy `name` and the clone `pr` under it, without waiting for that.
async fn cloned(name: &str, pr: &str, change: impl FnOnce(&mut serde_json::Value)) {
    policy(name, change).await;
    eventually(SOON, "admission knows the policy", || async {
        let ran = developer(&["clone", "shop", "--pr", pr, "--policy", name]).await;
        anyhow::ensure!(ran.code == 0, "{}", ran.stderr);
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_workload_is_shown_with_what_holds_it_back() {
    cloned("held", "306", |policy| {
        policy["spec"]["databases"][0]["branch"]["postgres"]["template"] = json!("no_such_template");
    })
    .await;
    let line = "clone shop --pr 306 --policy held --wait --timeout 3s";
    let ran: Ran = developer(&line.split(' ').collect::<Vec<_>>()).await;
    assert_eq!(ran.code, 9, "{ran:?}");
    let terminal = on_a_terminal(&format!("{line} 2>&1"), &[]).await;
    for said in [
        "Deployment/api: 0 of 1 ready; ",
        "Deployment/web: ",
        "Deployment/worker: ",
        "StatefulSet/redis: ",
        " workloads ready",
    ] {
        assert!(ran.stderr.contains(said), "{said:?} is missing: {}", ran.stderr);
    }
    for id in ["Deployment/api: 0 of 1", "Deployment/worker: 0 of"] {
        assert!(terminal.contains(id), "{id:?} is missing: {terminal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_made_again_is_waited_for_until_it_is_done() {
    let change = |policy: &mut serde_json::Value| policy["spec"]["jobs"] = json!("recreate");
    cloned("recreating", "307", change).await;
    let ran = developer(&["clone", "shop", "--pr", "307", "--policy", "recreating", "--wait"])
        .await
        .done();
    assert!(ran.stderr.contains("Job/migrate: 1 of 1 done"), "{}", ran.stderr);
}
