//! Memory of `serve` with 100 and with 1,000 previews: when it has just become ready, and after it has worked.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;
use understudy::keys;
use understudy_bench::{Outcome, Sample, Size};

use crate::client::{Caller, post};
use crate::cluster::{Cluster, Serve};

/// How long it works on each size.
const WORK: Duration = Duration::from_secs(5);

/// Measures and prints.
pub async fn measure(cluster: &Cluster) -> Result<()> {
    // It would seal them all.
    cluster.without_control().await?;
    println!("\n# Memory of `serve`, MB resident\n");
    println!(
        "| previews | ready | after {0} s of 7 KB Pods | after {0} s of 1 MB ones | after {0} s of 7 KB ones again |",
        WORK.as_secs()
    );
    println!("|--:|--:|--:|--:|--:|");
    let mut there = 0;
    for previews in [100, 1000] {
        make(cluster, there..previews).await?;
        there = previews;
        let serve = cluster.serve(&format!("memory-{previews}")).await?;
        serve.ready().await?;
        let mut sizes = vec![serve.resident()?];
        for (size, clients) in [(Size::Usual, 8), (Size::Huge, 2), (Size::Usual, 8)] {
            work(&serve, size, clients, WORK).await?;
            sizes.push(serve.resident()?);
        }
        let sizes = sizes.iter().map(|size| format!("{:.1}", *size as f64 / 1024.0));
        println!("| {previews} | {} |", sizes.collect::<Vec<_>>().join(" | "));
    }
    Ok(())
}

/// Previews as the controller leaves them, but for the objects in them, which `serve` does not remember.
async fn make(cluster: &Cluster, numbers: std::ops::Range<usize>) -> Result<()> {
    let api: Api<Namespace> = Api::all(cluster.bed.client(understudy_tests::testbed::User::Admin).await?);
    let one = async |number: usize| {
        let manifest = json!({ "metadata": {
            "name": format!("shop-pr-{number}"),
            "labels": { keys::PREVIEW: "true", "app.kubernetes.io/part-of": "shop" },
            "annotations": {
                keys::OWNER: format!("developer-{number}"), keys::CREATOR: format!("developer-{number}"),
                keys::EXPIRES_AT: "2099-01-01T00:00:00Z", keys::GUARDRAILS: "0123456789abcdef0123456789abcdef",
                keys::database_state("app"): "ready",
            },
        } });
        api.create(&PostParams::default(), &serde_json::from_value(manifest)?)
            .await?;
        anyhow::Ok(())
    };
    futures::stream::iter(numbers.map(one))
        .buffer_unordered(8)
        .try_collect()
        .await
}

async fn work(serve: &Serve, size: Size, clients: usize, time: Duration) -> Result<()> {
    let request = post(&Sample::new(size, Outcome::Rewrite).review);
    let (request, end) = (request.as_slice(), Instant::now() + time);
    let caller = Caller::to(serve.address, &serve.authority)?;
    let clients = (0..clients).map(|_| async {
        let mut call = caller.connect().await?;
        while Instant::now() < end {
            ensure!(call.ask(request).await? == 200, "not answered");
        }
        anyhow::Ok(())
    });
    try_join_all(clients).await?;
    Ok(())
}
