//! The serving certificate: from the Secret that the leader keeps, or from files, followed while we serve.
//!
//! Failure: a pair that is no good is refused and counted, and the last good one stays.

use crate::metrics::Metrics;
use crate::pair::Pair;
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use rustls::sign::CertifiedKey;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use understudy::keys;

/// Between two looks at files. By content and not by inotify: a mounted Secret is replaced by swapping a symlink.
pub const LOOK: Duration = Duration::from_secs(1);

/// Where the pair comes from.
pub enum Source {
    /// The Secret `understudy-webhook-tls` in this namespace.
    Secret(Client, String),
    /// `tls.crt` and `tls.key` in this directory.
    Directory(PathBuf),
}

/// What `tls.crt` and `tls.key` hold.
#[derive(PartialEq, Eq)]
struct Found {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Found {
    fn is_nothing(&self) -> bool {
        self.certificate.is_empty() && self.key.is_empty()
    }
}

/// Follows `source`; the channel holds the last good pair, if there was one.
pub fn follow(source: Source, metrics: Arc<Metrics>) -> watch::Receiver<Option<Arc<CertifiedKey>>> {
    let (served, receiver) = watch::channel(None);
    let keeper = Keeper {
        last: None,
        served,
        metrics,
    };
    match source {
        Source::Secret(client, namespace) => tokio::spawn(follow_secret(client, namespace, keeper)),
        Source::Directory(directory) => tokio::spawn(follow_files(directory, keeper)),
    };
    receiver
}

/// Judges what is found, once each.
struct Keeper {
    last: Option<Found>,
    served: watch::Sender<Option<Arc<CertifiedKey>>>,
    metrics: Arc<Metrics>,
}

impl Keeper {
    fn consider(&mut self, found: Found) {
        if self.last.as_ref() == Some(&found) {
            return;
        }
        if found.is_nothing() && self.served.borrow().is_none() {
            tracing::info!("waiting for a serving certificate");
            self.last = Some(found);
            return;
        }
        match Pair::read(&found.certificate, &found.key, Timestamp::now()) {
            Ok(pair) => {
                tracing::info!(not_after = %pair.not_after, "took the serving certificate");
                self.metrics.serves_until(pair.not_after);
                self.served.send_replace(Some(pair.certified));
            }
            Err(error) => {
                self.metrics.refused_certificate();
                tracing::error!(%error, "refused the serving certificate; keeping the last good one");
            }
        }
        self.last = Some(found);
    }
}

async fn follow_secret(client: Client, namespace: String, mut keeper: Keeper) {
    let api: Api<Secret> = Api::namespaced(client, &namespace);
    let only = watcher::Config::default().fields(&format!("metadata.name={}", keys::SERVING_SECRET));
    let mut events = pin!(watcher(api, only).default_backoff().applied_objects());
    while let Some(event) = events.next().await {
        match event {
            Ok(secret) => {
                let mut data = secret.data.unwrap_or_default();
                let mut part = |key: &str| data.remove(key).unwrap_or_default().0;
                keeper.consider(Found {
                    certificate: part("tls.crt"),
                    key: part("tls.key"),
                });
            }
            Err(error) => {
                tracing::warn!(%error, "failed to watch the serving certificate; keeping the last one")
            }
        }
    }
}

async fn follow_files(directory: PathBuf, mut keeper: Keeper) {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        // A file that is not there is as good as an empty one.
        let read = async |name: &str| tokio::fs::read(directory.join(name)).await.unwrap_or_default();
        let (certificate, key) = tokio::join!(read("tls.crt"), read("tls.key"));
        keeper.consider(Found { certificate, key });
    }
}
