//! Live reads for a review: exactly the objects the core names, the preview's own namespace, and whether there are Pods; by
//! name, in parallel, within a deadline.
//!
//! Names come from whoever made the object under review, and become part of a path: what can be nobody's name is not asked for.

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Api, Client};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use understudy::environment::{Data, Fact, Kind, Reference};
use understudy::names;

/// For all reads of one review together.
const DEADLINE: Duration = Duration::from_millis(500);

/// Reads in flight for one review.
const AT_ONCE: usize = 16;
/// The same for all reviews: an answer may take a mebibyte and more.
const ALL_AT_ONCE: usize = 64;
/// Most bytes that are kept for one review; what goes beyond counts as unread. Few Pods read a hundredth of that.
const KEPT: usize = 4 * 1024 * 1024;

/// Reads from the API server, caches nothing.
#[derive(Clone)]
pub struct Live {
    client: Client,
    free: Arc<Semaphore>,
}

impl Live {
    /// Reads with `client`'s rights.
    pub fn new(client: Client) -> Self {
        let free = Arc::new(Semaphore::new(ALL_AT_ONCE));
        Live { client, free }
    }

    /// The data of each of `references` in `namespace`.
    pub async fn read(
        &self,
        namespace: &str,
        references: BTreeSet<Reference>,
    ) -> BTreeMap<Reference, Fact<Data>> {
        let deadline = Instant::now() + DEADLINE;
        let mut facts: BTreeMap<_, _> = references
            .iter()
            .map(|reference| (reference.clone(), Fact::Unknown))
            .collect();
        let reads = references.into_iter().map(async |reference| {
            let _turn = self.free.acquire().await.expect("turns are never closed");
            (self.one(namespace, &reference).await, reference)
        });
        let mut reads = pin!(futures::stream::iter(reads).buffer_unordered(AT_ONCE));
        let mut room = KEPT;
        loop {
            match timeout_at(deadline, reads.next()).await {
                Ok(Some((fact, reference))) => {
                    let Some(left) = room.checked_sub(fact.size()) else {
                        tracing::warn!(namespace, "a Pod refers to more than is read for one");
                        continue;
                    };
                    room = left;
                    facts.insert(reference, fact);
                }
                Ok(None) => return facts,
                Err(_) => {
                    tracing::warn!(namespace, "timed out reading what a Pod refers to");
                    return facts;
                }
            }
        }
    }

    /// The metadata of a namespace as it is now; `None` where there is none, or it could not be read in time.
    pub async fn namespace(&self, name: &str) -> Option<ObjectMeta> {
        if !names::is_dns_label(name) {
            return None;
        }
        let api: Api<Namespace> = Api::all(self.client.clone());
        match timeout(DEADLINE, api.get_metadata_opt(name)).await {
            Ok(Ok(found)) => Some(found?.metadata),
            Ok(Err(error)) => {
                tracing::warn!(namespace = name, %error, "cannot read the namespace");
                None
            }
            Err(_) => {
                tracing::warn!(namespace = name, "timed out reading the namespace");
                None
            }
        }
    }

    /// Whether there is any Pod in `namespace`.
    pub async fn has_pods(&self, namespace: &str) -> Fact<bool> {
        if !names::is_dns_label(namespace) {
            return Fact::Unknown;
        }
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        match timeout(DEADLINE, api.list_metadata(&ListParams::default().limit(1))).await {
            Ok(Ok(found)) => Fact::Present(!found.items.is_empty()),
            Ok(Err(error)) => {
                tracing::warn!(namespace, %error, "cannot see whether there are Pods");
                Fact::Unknown
            }
            Err(_) => {
                tracing::warn!(namespace, "timed out looking for Pods");
                Fact::Unknown
            }
        }
    }

    async fn one(&self, namespace: &str, reference: &Reference) -> Fact<Data> {
        if !names::is_dns_label(namespace) || !names::is_dns_subdomain(&reference.name) {
            return Fact::Absent;
        }
        let found = match reference.kind {
            Kind::ConfigMap => {
                let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
                api.get_opt(&reference.name)
                    .await
                    .map(|found| found.map(Data::from))
            }
            Kind::Secret => {
                let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
                api.get_opt(&reference.name)
                    .await
                    .map(|found| found.map(Data::from))
            }
        };
        match found {
            Ok(Some(data)) => Fact::Present(data),
            Ok(None) => Fact::Absent,
            // Not sealed yet, so no right to read; or the API server is away.
            Err(error) => {
                tracing::debug!(namespace, kind = reference.kind.name(), name = reference.name, %error, "cannot read");
                Fact::Unknown
            }
        }
    }
}
