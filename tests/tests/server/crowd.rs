//! Five hundred previews at once while admission is rolled out three times; the bench makes ten thousand.

use understudy_tests::crowd::{Pods, gather};

use crate::cluster::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_previews_comes_through_three_restarts_reviewed_and_sealed() {
    const PREVIEWS: usize = 500;
    let Cluster { understudy, .. } = &Cluster::take().await;
    let crowd = gather(understudy, PREVIEWS).await.expect("none failed");
    let all = Pods {
        count: PREVIEWS,
        ..Pods::default()
    };
    assert_eq!(crowd.pods, all);
}
