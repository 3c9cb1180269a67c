//! `control`: the leader. Seals previews, makes branches, lifts gates, ends leases, keeps the certificates.
//!
//! Flow: acquire the Lease; keep certificates and the caBundle; reconcile every preview whenever it, its guardrails, its
//! Pods and what they read, its routes or its policy change; sweep for branches whose preview is gone. Guarantees: only the
//! leader writes; a reconcile is idempotent and may end anywhere; what ends a preview is decided on a fresh read. Failure:
//! losing the Lease ends the process, and another one goes on.

mod adoption;
mod before;
mod belonging;
mod branches;
mod certificates;
mod context;
mod environments;
mod error;
mod fan_out;
mod fanned_out;
mod finish;
mod observe;
mod pace;
mod pods;
mod reconcile;
mod removal;
mod routes;
mod seal;
mod seals;
mod status;
mod survey;
mod surveys;
mod sweep;
mod watches;

use crate::args::{Certificates, Control};
use crate::shutdown;
use crate::start::{self, Started};
use anyhow::Context as _;
use context::Context;
use environments::Environments;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube_lease_manager::LeaseManagerBuilder;
use std::sync::Arc;
use std::time::Duration;

/// Name of the Lease.
const LEASE: &str = "understudy-controller";

/// Runs until the first signal or until the Lease is lost.
pub async fn run(settings: Control) -> anyhow::Result<()> {
    let Started {
        stopping,
        metrics,
        client,
        installation,
        memory,
        working,
    } = start::start(settings.health_listen, &settings.installed, "election").await?;
    let manager = LeaseManagerBuilder::new(client.clone(), LEASE)
        .with_namespace(&installation.namespace)
        .with_duration(15)
        .with_grace(5)
        .build()
        .await
        .context("failed to set up leader election")?;
    let (mut leads, election) = manager.watch().await;
    // Standing by is ready: a second replica must not hold a rollout up.
    working.set(true);
    tokio::select! {
        won = leads.wait_for(|leads| *leads) => { won.context("leader election ended")?; }
        () = shutdown::begun(stopping.clone()) => return Ok(()),
    }
    // A policy that is not in memory yet must not look like one that is gone.
    tokio::select! {
        filled = memory.filled() => anyhow::ensure!(filled, "failed to list namespaces, policies and Services"),
        () = shutdown::begun(stopping.clone()) => return Ok(()),
    }
    metrics.leads(true);
    tracing::info!("leading");

    let namespaces: Api<Namespace> = Api::all(client.clone());
    let cluster = namespaces
        .get_metadata("kube-system")
        .await
        .context("failed to identify the cluster")?;
    let cluster = cluster.metadata.uid.unwrap_or_default();
    let (environments, changed) = Environments::new();
    let context = Arc::new(Context::new(
        pace::considerate(client.clone()),
        installation,
        memory,
        metrics,
        cluster,
        environments,
    ));
    let often = Duration::from_secs(settings.certificate_seconds);
    let certificates = certificates::keep(client.clone(), settings.names(), often);
    let belonging = belonging::keep(client, &settings.installed.namespace, &settings.configuration);
    let sweeping = sweep::keep(context.clone(), Duration::from_secs(settings.sweep_seconds));
    let result = tokio::select! {
        () = watches::run(context, changed) => Ok(()),
        () = certificates => Ok(()),
        () = belonging => Ok(()),
        () = sweeping => Ok(()),
        _ = leads.wait_for(|leads| !*leads) => Err(anyhow::anyhow!("lost the Lease {LEASE}; another process leads now")),
        () = shutdown::begun(stopping) => Ok(()),
    };
    // Closing the channel lets the election release the Lease, so that the next leader need not wait for it to run out.
    drop(leads);
    let _ = tokio::time::timeout(Duration::from_secs(5), election).await;
    result
}

impl Control {
    /// For whom to keep certificates, unless somebody else does.
    fn names(&self) -> Option<certificates::Names> {
        (self.certificates == Certificates::Own).then(|| certificates::Names {
            namespace: self.installed.namespace.clone(),
            service: self.service.clone(),
            configuration: self.configuration.clone(),
        })
    }
}
