//! Rollouts of `serve` as a Deployment does them: replicas that take each other's place behind a Service.
//!
//! The installed `serve` has to be stopped: the Service listens where the API server believes it to be.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::net::{TcpListener, TcpStream};

use crate::previews::SOON;
use crate::replica::{Options, addresses, get, launch};
use crate::testbed::{Signal, TestBed, eventually};

/// Where the API server believes admission to be.
pub struct Service(Arc<Mutex<Vec<SocketAddr>>>);

impl Service {
    /// Listens for as long as the runtime it is called in.
    pub async fn bind(port: u16) -> Result<Self> {
        let endpoints = Arc::new(Mutex::new(Vec::new()));
        // Whoever had it before may be about to let go of it.
        let listener = eventually(SOON, "the port is free", || {
            TcpListener::bind(("127.0.0.1", port))
        });
        tokio::spawn(spread(listener.await?, endpoints.clone()));
        Ok(Self(endpoints))
    }

    /// New connections go to each of these in turn.
    pub fn lead_to(&self, replicas: &[SocketAddr]) {
        *self.0.lock().expect("no panic while held") = replicas.to_vec();
    }
}

async fn spread(listener: TcpListener, endpoints: Arc<Mutex<Vec<SocketAddr>>>) {
    let mut next = 0;
    while let Ok((mut client, _)) = listener.accept().await {
        next += 1;
        let replica = {
            let endpoints = endpoints.lock().expect("no panic while held");
            endpoints.get(next % endpoints.len().max(1)).copied()
        };
        let Some(replica) = replica else { continue };
        tokio::spawn(async move {
            if let Ok(mut server) = TcpStream::connect(replica).await {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

/// A replica as the kubelet sees it.
pub struct Replica {
    name: String,
    health: SocketAddr,
    /// Where it answers reviews.
    pub address: SocketAddr,
}

impl Replica {
    /// Starts one and waits until it is ready.
    pub async fn start(bed: &TestBed) -> Result<Self> {
        let name = format!("rolled-{:08x}", rand::random::<u32>());
        let options = Options {
            // The default: on a busy machine an endpoint may take seconds to go.
            arguments: vec!["--drain-delay=5".to_owned()],
            ..Options::default()
        };
        launch(bed, &name, &options).await?;
        let (health, address) = addresses(bed, &name).await?;
        let replica = Self {
            name,
            health,
            address,
        };
        eventually(SOON, "the replica is ready", || async {
            ensure!(replica.is_ready().await?, "not ready");
            Ok(())
        })
        .await?;
        Ok(replica)
    }

    /// Another one takes its place; returns that. Both answer while `meanwhile` is done.
    pub async fn replaced(
        self,
        bed: &TestBed,
        service: &Service,
        meanwhile: impl AsyncFnOnce(),
    ) -> Result<Self> {
        let new = Self::start(bed).await?;
        service.lead_to(&[self.address, new.address]);
        meanwhile().await;
        bed.supervisor().signal(&self.name, Signal::SigTerm)?;
        // Its endpoint goes when it is seen to be not ready, and it answers until then.
        eventually(SOON, "the old replica is not ready", || async {
            ensure!(!self.is_ready().await?, "it is");
            Ok(())
        })
        .await?;
        service.lead_to(&[new.address]);
        let end = Duration::from_secs(20);
        eventually(end, "the old replica has ended well", || async {
            let states = bed.supervisor().states()?;
            let state = states.iter().find(|state| state.name == self.name);
            ensure!(
                state.is_some_and(|state| state.exit == "exit status 0"),
                "{state:?}"
            );
            Ok(())
        })
        .await?;
        Ok(new)
    }

    async fn is_ready(&self) -> Result<bool> {
        Ok(get(self.health, "/readyz").await?.0 == 200)
    }
}
