//! Routes of a preview and the Gateways that routes are attached to, as far as the caller may read them.

use super::Cluster;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, ListParams};
use kube::core::{DynamicObject, GroupVersionKind, TypeMeta};
use kube::discovery::ApiResource;
use std::collections::BTreeSet;
use understudy::routes::{GatewayName, Routes};

impl Cluster {
    /// Where the hosts of `namespace` are reached, the main one first.
    pub async fn urls(&self, namespace: &str) -> Vec<String> {
        let http_route = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute");
        let (mut found, http_routes) = futures::join!(
            self.routes(namespace, ApiResource::erase::<Ingress>(&())),
            self.routes(namespace, ApiResource::from_gvk(&http_route))
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

    async fn routes(&self, namespace: &str, resource: ApiResource) -> Vec<DynamicObject> {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let mut found = match api.list(&ListParams::default()).await {
            Ok(found) => found.items,
            Err(_) => Vec::new(),
        };
        // Objects of a list do not repeat what they are.
        for route in &mut found {
            route.types = Some(TypeMeta {
                api_version: resource.api_version.clone(),
                kind: resource.kind.clone(),
            });
        }
        found
    }

    /// Those of the Gateways `wanted` that may be read.
    pub async fn gateways(&self, wanted: &BTreeSet<GatewayName>) -> Vec<DynamicObject> {
        let reads = wanted.iter().filter_map(|gateway| {
            let (group, version) = gateway.api_version.split_once('/')?;
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, "Gateway"));
            let api: Api<DynamicObject> =
                Api::namespaced_with(self.client.clone(), &gateway.namespace, &resource);
            Some(async move { api.get(&gateway.name).await.ok() })
        });
        let found = futures::future::join_all(reads).await;
        found.into_iter().flatten().collect()
    }
}
