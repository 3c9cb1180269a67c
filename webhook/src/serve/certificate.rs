//! The serving certificate: read from the Secret the leader keeps, followed while we serve.
//!
//! Failure: a pair that rustls refuses is logged and the last good one stays.

use axum_server::tls_rustls::RustlsConfig;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use std::pin::pin;
use tokio::sync::oneshot;
use understudy::keys;

/// Waits for the first good pair and keeps following the Secret.
pub async fn watch(client: Client, namespace: String) -> RustlsConfig {
    let (first, ready) = oneshot::channel();
    tokio::spawn(follow(client, namespace, first));
    ready
        .await
        .expect("the follower sends before it ends, and it never ends")
}

async fn follow(client: Client, namespace: String, first: oneshot::Sender<RustlsConfig>) {
    let api: Api<Secret> = Api::namespaced(client, &namespace);
    let only = watcher::Config::default().fields(&format!("metadata.name={}", keys::SERVING_SECRET));
    let mut events = pin!(watcher(api, only).default_backoff().applied_objects());
    let (mut first, mut serving): (_, Option<RustlsConfig>) = (Some(first), None);
    while let Some(event) = events.next().await {
        let secret = match event {
            Ok(secret) => secret,
            Err(error) => {
                tracing::warn!(%error, "failed to watch the serving certificate; keeping the last one");
                continue;
            }
        };
        let part = |key: &str| secret.data.as_ref()?.get(key).map(|value| value.0.clone());
        let Some((certificate, key)) = part("tls.crt").zip(part("tls.key")) else {
            continue;
        };
        let result = match &serving {
            Some(config) => config.reload_from_pem(certificate, key).await,
            None => RustlsConfig::from_pem(certificate, key).await.map(|config| {
                serving = Some(config.clone());
                if let Some(first) = first.take() {
                    let _ = first.send(config);
                }
            }),
        };
        match result {
            Ok(()) => tracing::info!("took the serving certificate"),
            Err(error) => {
                tracing::error!(%error, "refused the serving certificate; keeping the last good one")
            }
        }
    }
    // A watcher's stream has no end; keep the sender's promise anyway.
    std::future::pending::<()>().await;
}
