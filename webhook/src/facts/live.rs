//! Live reads for a review: exactly the objects the core names, by name, in parallel, within a deadline.

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Api, Client};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use understudy::environment::{Data, Fact, Kind, Reference};

/// For all reads of one review together.
const DEADLINE: Duration = Duration::from_millis(500);

/// Reads in flight for one review.
const AT_ONCE: usize = 16;

/// Reads from the API server, caches nothing.
#[derive(Clone)]
pub struct Live {
    client: Client,
}

impl Live {
    /// Reads with `client`'s rights.
    pub fn new(client: Client) -> Self {
        Live { client }
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
        let reads = references
            .into_iter()
            .map(async |reference| (self.one(namespace, &reference).await, reference));
        let mut reads = pin!(futures::stream::iter(reads).buffer_unordered(AT_ONCE));
        loop {
            match timeout_at(deadline, reads.next()).await {
                Ok(Some((fact, reference))) => drop(facts.insert(reference, fact)),
                Ok(None) => return facts,
                Err(_) => {
                    tracing::warn!(namespace, "timed out reading what a Pod refers to");
                    return facts;
                }
            }
        }
    }

    /// The metadata of a namespace that memory does not hold yet.
    pub async fn namespace(&self, name: &str) -> Option<ObjectMeta> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let found = timeout(DEADLINE, api.get_metadata_opt(name)).await.ok()?.ok()??;
        Some(found.metadata)
    }

    /// Whether there is any Pod in `namespace`.
    pub async fn has_pods(&self, namespace: &str) -> Fact<bool> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        match timeout(DEADLINE, api.list_metadata(&ListParams::default().limit(1))).await {
            Ok(Ok(found)) => Fact::Present(!found.items.is_empty()),
            Ok(Err(error)) => {
                tracing::warn!(namespace, %error, "cannot see whether there are Pods");
                Fact::Unknown
            }
            Err(_) => Fact::Unknown,
        }
    }

    async fn one(&self, namespace: &str, reference: &Reference) -> Fact<Data> {
        let found = match reference.kind {
            Kind::ConfigMap => {
                let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
                api.get_opt(&reference.name).await.map(|found| found.map(texts))
            }
            Kind::Secret => {
                let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
                api.get_opt(&reference.name).await.map(|found| found.map(decoded))
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

/// Both parts: as a file `binaryData` is text like any other.
fn texts(map: ConfigMap) -> Data {
    let binary = map.binary_data.unwrap_or_default().into_iter();
    let binary = binary.map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned()));
    binary.chain(map.data.unwrap_or_default()).collect()
}

fn decoded(secret: Secret) -> Data {
    let data = secret.data.unwrap_or_default();
    data.into_iter()
        .map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned()))
        .collect()
}
