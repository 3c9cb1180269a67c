//! `serve`: the admission server. Reads, decides, answers; writes nothing.
//!
//! Flow: two reflectors fill the memory (namespaces, policies); the serving certificate is read from the Secret that the
//! leader keeps; the listener opens once both are there. Failure: while the memory cannot be refreshed it answers from
//! what it has, and a Pod whose facts are missing is held or refused, never waved through.

mod certificate;
mod handler;

use crate::args::Serve;
use crate::facts::{self, Live};
use crate::health::{self, Readiness};
use crate::metrics::Metrics;
use crate::shutdown;
use anyhow::Context;
use axum_server::Handle;
use kube::Client;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for reviews in flight when stopping; below the Pod's grace period.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs until the first signal, then drains.
pub async fn run(settings: Serve) -> anyhow::Result<()> {
    let stopping = shutdown::watch().context("failed to listen for signals")?;
    let metrics = Arc::new(Metrics::default());
    let readiness = Readiness::default();
    let (remembering, serving) = (readiness.handle("memory"), readiness.handle("certificate"));
    health::start(
        settings.health_listen,
        readiness,
        metrics.clone(),
        stopping.clone(),
    )
    .await
    .with_context(|| format!("failed to listen on {}", settings.health_listen))?;

    let client = Client::try_default()
        .await
        .context("failed to configure the Kubernetes client")?;
    let installation = Arc::new(settings.installed.installation());
    let memory = facts::start(client.clone(), installation.clone(), remembering);
    let reviewer = Arc::new(handler::Reviewer {
        memory,
        sources: Live::new(client.clone()),
        metrics,
    });
    let tls = tokio::select! {
        tls = certificate::watch(client, installation.namespace.clone()) => tls,
        () = shutdown::begun(stopping.clone()) => return Ok(()),
    };

    let handle = Handle::new();
    let server = axum_server::bind_rustls(settings.listen, tls)
        .handle(handle.clone())
        .serve(handler::router(reviewer).into_make_service());
    let drained = {
        let handle = handle.clone();
        async move {
            if let Some(address) = handle.listening().await {
                tracing::info!(%address, "answering reviews");
                serving.set(true);
            }
            shutdown::begun(stopping).await;
            handle.graceful_shutdown(Some(DRAIN));
        }
    };
    tokio::spawn(drained);
    server
        .await
        .with_context(|| format!("failed to serve on {}", settings.listen))
}
