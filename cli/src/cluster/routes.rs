//! Routes of a preview and the Gateways that routes are attached to, as far as the caller may read them.

use super::Cluster;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, ListParams};
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use std::collections::BTreeSet;
use understudy::routes::{self, GatewayName, Routes};

impl Cluster {
    /// Where the hosts of `namespace` are reached, the main one first.
    pub async fn urls(&self, namespace: &str) -> Vec<String> {
        let (mut found, http_routes) = futures::join!(
            self.routes(namespace, ApiResource::erase::<Ingress>(&())),
            self.routes(namespace, routes::http_route())
        );
        found.extend(http_routes);
        let routes = Routes::new(&found);
        let mut hosts: Vec<&str> = routes.hosts().into_iter().collect();
        // The main host is the preview's name and nothing before it.
        hosts.sort_by_key(|host| host.split('.').next() != Some(namespace));
        let wanted = hosts.iter().flat_map(|host| routes.gateways(host)).collect();
        let gateways = self.gateways(&wanted).await;
        hosts
            .into_iter()
            .map(|host| routes.url(host, &gateways))
            .collect()
    }

    /// The routes of one kind in `namespace`.
    pub(super) async fn routes(&self, namespace: &str, resource: ApiResource) -> Vec<DynamicObject> {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let found = api.list(&ListParams::default()).await;
        found.map_or_else(|_| Vec::new(), |found| routes::typed(found.items, &resource))
    }

    /// Those of the Gateways `wanted` that may be read.
    pub async fn gateways(&self, wanted: &BTreeSet<GatewayName>) -> Vec<DynamicObject> {
        let reads = wanted.iter().map(async |gateway| {
            let api: Api<DynamicObject> =
                Api::namespaced_with(self.client.clone(), &gateway.namespace, &gateway.resource());
            api.get(&gateway.name).await.ok()
        });
        let found = futures::future::join_all(reads).await;
        found.into_iter().flatten().collect()
    }
}
