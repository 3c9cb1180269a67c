//! `serve`: the admission server. Reads, decides, answers; writes nothing.
//!
//! Flow: two reflectors fill the memory (namespaces, policies); the serving certificate is read from the Secret that the
//! leader keeps; the listener opens once both are there. Failure: while the memory cannot be refreshed it answers from
//! what it has, and a Pod whose facts are missing is held or refused, never waved through.

mod certificate;
mod handler;

use crate::args::Serve;
use crate::facts::Live;
use crate::shutdown;
use crate::start::{self, Started};
use anyhow::Context;
use axum_server::Handle;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for reviews in flight when stopping; below the Pod's grace period.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs until the first signal, then drains.
pub async fn run(settings: Serve) -> anyhow::Result<()> {
    let Started {
        stopping,
        metrics,
        client,
        installation,
        memory,
        working,
    } = start::start(settings.health_listen, &settings.installed, "certificate").await?;
    let ready = async {
        // An empty memory would call every policy missing.
        anyhow::ensure!(memory.filled().await, "failed to list namespaces and policies");
        Ok(certificate::watch(client.clone(), installation.namespace.clone()).await)
    };
    let tls = tokio::select! {
        tls = ready => tls?,
        () = shutdown::begun(stopping.clone()) => return Ok(()),
    };
    let reviewer = Arc::new(handler::Reviewer {
        memory,
        sources: Live::new(client),
        metrics,
    });
    let handle = Handle::new();
    let server = axum_server::bind_rustls(settings.listen, tls)
        .handle(handle.clone())
        .serve(handler::router(reviewer).into_make_service());
    let drained = {
        let handle = handle.clone();
        async move {
            if let Some(address) = handle.listening().await {
                tracing::info!(%address, "answering reviews");
                working.set(true);
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
