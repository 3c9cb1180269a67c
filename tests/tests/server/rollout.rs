//! A new replica takes the place of an old one under load, as a Deployment does it, and no admission fails.

use understudy_tests::rollout::{Replica, Service};

use crate::cluster::{Cluster, Makers};

#[tokio::test(flavor = "multi_thread")]
async fn three_rollouts_under_load_fail_no_admission() {
    // B08, by the API server and its way with connections.
    let Cluster { bed, understudy, .. } = &Cluster::take().await;
    let service = Service::bind(understudy.port()).await.unwrap();
    let mut old = Replica::start(bed).await.unwrap();
    service.lead_to(&[old.address]);
    let mut makers = Makers::start(bed).await;
    for _ in 0..3 {
        makers.make(50).await;
        let replaced = old.replaced(bed, &service, async || makers.make(20).await);
        old = replaced.await.unwrap();
    }
    makers.make(50).await;
    makers.finish().await;
}
