//! Ten thousand previews with a Pod each, 24 at a time, while admission is rolled out three times. One that is let in
//! unreviewed, is bound to a node before the seal or fails, fails the bench.

use anyhow::{Context, Result, ensure};
use understudy_tests::crowd::{Pods, gather};
use understudy_tests::testbed::{InstallOptions, Options, Role, TestBed};

const PREVIEWS: usize = 10_000;

/// Measures and prints. `UNDERSTUDY_BENCH_PREVIEWS=500` measures another number.
pub async fn measure() -> Result<()> {
    let asked = std::env::var("UNDERSTUDY_BENCH_PREVIEWS").ok();
    let asked = asked.map(|number| number.parse().context("UNDERSTUDY_BENCH_PREVIEWS is a number"));
    let previews = asked.transpose()?.unwrap_or(PREVIEWS);
    let bed = TestBed::start(Options {
        postgres: false,
        ..Options::default()
    })
    .await?;
    let understudy = bed.install(InstallOptions::default()).await?;
    understudy.stop(Role::Serve).await?;
    let crowd = gather(&understudy, previews).await?;
    let Pods {
        count,
        held,
        unreviewed,
        early,
    } = &crowd.pods;
    let [made, ready] = [crowd.made, crowd.ready].map(|time| time.as_secs_f64());
    let [made_rate, ready_rate] = [made, ready].map(|seconds| previews as f64 / seconds);
    println!("\n# Previews with a Pod each, while admission is rolled out three times\n");
    println!(
        "| previews | all made after s | a second | all sealed and ready after s | a second | failed | unreviewed | bound before the seal |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|");
    println!(
        "| {previews} | {made:.0} | {made_rate:.1} | {ready:.0} | {ready_rate:.1} | 0 | {unreviewed} | {} |",
        early.len()
    );
    ensure!(*count == previews, "{count} Pods are there of {previews}");
    ensure!(
        *unreviewed == 0 && *held == 0 && early.is_empty(),
        "{:?}",
        crowd.pods
    );
    Ok(())
}
