//! What both programs begin with: signals, health, a client, and a memory that fills.

use crate::args::Installed;
use crate::facts::{self, Freshness, Memory};
use crate::health::{self, Handle, Health, Readiness};
use crate::metrics::Metrics;
use crate::shutdown;
use anyhow::Context;
use kube::Client;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;
use understudy::admission::Installation;

/// A process that answers health and fills its memory, and does nothing else yet.
pub struct Started {
    /// Becomes `true` at the first signal.
    pub stopping: watch::Receiver<bool>,
    /// Counted by everything.
    pub metrics: Arc<Metrics>,
    /// With the rights of the process's ServiceAccount.
    pub client: Client,
    /// What the chart says.
    pub installation: Arc<Installation>,
    /// Namespaces, policies, where Services lead, what is known of secret values.
    pub memory: Memory,
    /// For the program's own work: not ready until it says so.
    pub working: Handle,
}

/// Starts; ready once the memory has filled and the program's `work` is up.
pub async fn start(
    health_listen: SocketAddr,
    installed: &Installed,
    work: &'static str,
) -> anyhow::Result<Started> {
    let stopping = shutdown::watch().context("failed to listen for signals")?;
    let metrics = Arc::new(Metrics::default());
    let readiness = Readiness::default();
    let (remembering, working) = (readiness.handle("memory"), readiness.handle(work));
    let freshness = Arc::new(Freshness::default());
    let health = Health {
        readiness,
        metrics: metrics.clone(),
        freshness: freshness.clone(),
        stopping: stopping.clone(),
    };
    health::start(health_listen, health)
        .await
        .with_context(|| format!("failed to listen on {health_listen}"))?;
    let client = Client::try_default()
        .await
        .context("failed to configure the Kubernetes client")?;
    let installation = Arc::new(installed.installation());
    let memory = facts::start(client.clone(), installation.clone(), remembering, freshness);
    Ok(Started {
        stopping,
        metrics,
        client,
        installation,
        memory,
        working,
    })
}
