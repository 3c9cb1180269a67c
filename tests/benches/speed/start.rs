//! Cold start: from the start of the process until it says that it is ready, and until it has answered its first review.

use anyhow::{Result, ensure};
use understudy_bench::{Outcome, Sample, Size};

use crate::client::{Caller, post};
use crate::cluster::Cluster;
use crate::figures::Figures;

const TIMES: usize = 10;

/// Measures and prints.
pub async fn measure(cluster: &Cluster) -> Result<()> {
    let request = post(&Sample::new(Size::Usual, Outcome::NotOurs).review);
    let (mut ready, mut answered) = (Figures::default(), Figures::default());
    for number in 0..TIMES {
        let serve = cluster.serve(&format!("start-{number}")).await?;
        ready.took(serve.ready().await?);
        let mut call = Caller::to(serve.address, &serve.authority)?.connect().await?;
        ensure!(call.ask(&request).await? == 200, "not answered");
        answered.took(serve.started.elapsed());
    }
    println!("\n# Cold start, ms; median (least–greatest) of {TIMES}\n");
    println!("ready {ready:.0}, first review answered {answered:.0}");
    Ok(())
}
