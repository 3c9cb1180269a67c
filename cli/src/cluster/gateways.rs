//! The Gateways that routes are attached to, as far as the caller may read them.

use super::{Cluster, Resources};
use kube::api::Api;
use kube::core::DynamicObject;
use std::collections::BTreeSet;
use understudy::clone::GatewayName;

impl Cluster {
    /// Those of the Gateways `wanted` that may be read; `resources` are what is served.
    pub async fn gateways(
        &self,
        wanted: &BTreeSet<GatewayName>,
        resources: &Resources,
    ) -> Vec<DynamicObject> {
        let reads = wanted.iter().filter_map(|gateway| {
            let resource = resources.get(&(gateway.api_version.clone(), "Gateway".to_owned()))?;
            let api: Api<DynamicObject> =
                Api::namespaced_with(self.client.clone(), &gateway.namespace, resource);
            Some(async move { api.get(&gateway.name).await.ok() })
        });
        let found = futures::future::join_all(reads).await;
        found.into_iter().flatten().collect()
    }
}
