//! `serve`: the admission server. Reads, decides, answers; writes nothing.
//!
//! Flow: watches fill the memory (namespaces, policies, Services); the serving certificate is read from the Secret that
//! the leader keeps, or from files; the listener opens once both are there. Failure: while the memory cannot be refreshed it
//! answers from what it has, and a Pod whose facts are missing is held or refused, never waved through.
//! End: at the first signal it is no longer ready, but still found; so it goes on answering for the drain delay, and asks
//! its clients not to stay. Then it takes nobody in, finishes what has begun and ends.

mod body;
mod certificate;
mod client;
mod handler;
mod refusal;
mod tls;
mod turn;
mod vouched;

use crate::args::Serve;
use crate::facts::Live;
use crate::http::{Limits, Listener, Season};
use crate::shutdown;
use crate::start::{self, Started};
use anyhow::Context;
use certificate::Source;
use handler::Cluster;
pub use handler::{Gather, Reviewer};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Longest wait for reviews in flight when stopping; with the drain delay it stays below the Pod's grace period.
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
    let checks = match settings.client_ca {
        Some(file) => Some(client::follow(file, settings.client_names, metrics.clone()).await?),
        None => {
            tracing::warn!("no --client-ca: whoever reaches the port is answered, not the API server alone");
            None
        }
    };
    let source = match settings.tls_dir {
        Some(directory) => Source::Directory(directory),
        None => Source::Secret(client.clone(), installation.namespace.clone()),
    };
    let pairs = certificate::follow(source, metrics.clone());
    let ready = async {
        // An empty memory would call every policy missing.
        anyhow::ensure!(
            memory.filled().await,
            "failed to list namespaces, policies and Services"
        );
        tls::keep(pairs, checks).await.context("failed to set up TLS")
    };
    let tls = tokio::select! {
        tls = ready => tls?,
        () = shutdown::begun(stopping.clone()) => return Ok(()),
    };
    let limits = Limits::default().within_open_files();
    let listener = Listener::bind(settings.listen, limits, metrics.connections.clone())
        .await
        .with_context(|| format!("failed to listen on {}", settings.listen))?;
    tracing::info!(address = %listener.address()?, connections = limits.connections, "answering reviews");
    working.set(true);

    let reviewer = Reviewer::new(
        Cluster {
            memory,
            sources: Live::new(client),
        },
        metrics,
    );
    let (season, seasons) = watch::channel(Season::Open);
    let mut serving = tokio::spawn(listener.serve(reviewer, Some(tls), seasons));
    tokio::select! {
        ended = &mut serving => return ended.context("the server ended"),
        () = shutdown::begun(stopping) => {}
    }
    season.send_replace(Season::Leaving);
    sleep(Duration::from_secs(settings.drain_delay)).await;
    season.send_replace(Season::Closing);
    match timeout(DRAIN, serving).await {
        Ok(ended) => ended.context("failed to drain"),
        Err(_) => {
            tracing::warn!("some clients did not finish in time");
            Ok(())
        }
    }
}
