//! A new replica takes the place of an old one under load, as a Deployment does it, and no admission fails.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use understudy_tests::testbed::{Signal, TestBed, eventually};

use crate::cluster::{Cluster, Makers, Service};
use crate::replica::{Options, SOON, addresses, get, launch};

/// A replica as the kubelet sees it.
pub struct Replica {
    name: String,
    health: SocketAddr,
    pub address: SocketAddr,
}

impl Replica {
    pub async fn start(bed: &TestBed) -> Self {
        let name = format!("rolled-{:08x}", rand::random::<u32>());
        // The default: on a busy machine an endpoint may take seconds to go.
        let arguments = vec!["--drain-delay=5".to_owned()];
        launch(bed, &name, arguments, &Options::default()).await.unwrap();
        let (health, address) = addresses(bed, &name).await.unwrap();
        let replica = Self {
            name,
            health,
            address,
        };
        eventually(SOON, "the replica is ready", || async {
            ensure!(replica.is_ready().await?, "not ready");
            Ok(())
        })
        .await
        .unwrap();
        replica
    }

    /// Another one takes its place, as a Deployment does it; returns that.
    pub async fn replaced(self, bed: &TestBed, service: &Service, meanwhile: impl AsyncFnOnce()) -> Self {
        let new = Self::start(bed).await;
        service.lead_to(&[self.address, new.address]);
        // For a while both answer, as in any rollout.
        meanwhile().await;
        bed.supervisor().signal(&self.name, Signal::SigTerm).unwrap();
        // Its endpoint goes when it is seen to be not ready, and it answers until then.
        eventually(SOON, "the old replica is not ready", || async {
            ensure!(!self.is_ready().await?, "it is");
            Ok(())
        })
        .await
        .unwrap();
        service.lead_to(&[new.address]);
        eventually(
            Duration::from_secs(20),
            "the old replica has ended well",
            || async {
                let states = bed.supervisor().states()?;
                let state = states.iter().find(|state| state.name == self.name);
                ensure!(
                    state.is_some_and(|state| state.exit == "exit status 0"),
                    "{state:?}"
                );
                Ok(())
            },
        )
        .await
        .unwrap();
        new
    }

    async fn is_ready(&self) -> Result<bool> {
        Ok(get(self.health, "/readyz").await?.0 == 200)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_rollouts_under_load_fail_no_admission() {
    // B08, by the API server and its way with connections.
    let Cluster { bed, understudy, .. } = &Cluster::take().await;
    let service = Service::bind(understudy.port()).await;
    let mut old = Replica::start(bed).await;
    service.lead_to(&[old.address]);
    let mut makers = Makers::start(bed).await;
    for _ in 0..3 {
        makers.make(50).await;
        old = old.replaced(bed, &service, async || makers.make(20).await).await;
    }
    makers.make(50).await;
    makers.finish().await;
}
