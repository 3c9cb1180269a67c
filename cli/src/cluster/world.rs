//! What a check with the facts of a cluster reads, with the caller's own rights.

use super::{Cluster, PARALLEL, Seen, explain};
use crate::check::{Catalogue, Served};
use crate::error::Failure;
use futures::{StreamExt, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service as Object};
use kube::Resource;
use kube::api::{Api, ListParams};
use kube::core::{DynamicObject, NamespaceResourceScope};
use kube::discovery::{ApiResource, Scope};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use understudy::admission::{Exempt, Installation};
use understudy::environment::{Data, Fact, Kind, Reference};
use understudy::fingerprints::{Fingerprints, Origin};
use understudy::keys;
use understudy::names;
use understudy::services::{Service, Services};

impl Cluster {
    /// The namespace of the kubeconfig's context.
    pub fn default_namespace(&self) -> &str {
        self.client.default_namespace()
    }

    /// What the cluster serves.
    pub async fn catalogue(&self) -> Result<Catalogue, Failure> {
        let discovery = self.discover().await?;
        let mut catalogue = Catalogue::new();
        for group in discovery.groups() {
            for version in group.versions() {
                for (resource, capabilities) in group.versioned_resources(version) {
                    let served = Served {
                        resource: resource.plural,
                        namespaced: capabilities.scope == Scope::Namespaced,
                    };
                    catalogue.insert((resource.api_version, resource.kind), served);
                }
            }
        }
        Ok(catalogue)
    }

    /// How Understudy was installed, as far as its Deployment may be read; else as the chart does by default.
    pub async fn installation(&self, namespace: &str) -> Installation {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let deployment = api.get_opt(keys::ADMISSION_ACCOUNT).await.ok().flatten();
        let template = deployment.and_then(|deployment| deployment.spec.and_then(|spec| spec.template.spec));
        let containers = template.map(|spec| spec.containers).unwrap_or_default();
        let arguments: Vec<String> = containers
            .into_iter()
            .flat_map(|container| container.args.unwrap_or_default())
            .collect();
        if arguments.is_empty() {
            return as_charted(namespace);
        }
        let given = |flag: &str| {
            let values = arguments
                .iter()
                .filter_map(|argument| argument.strip_prefix(flag)?.strip_prefix('='));
            values.map(str::to_owned).collect()
        };
        Installation {
            namespace: namespace.to_owned(),
            exempt: Exempt {
                users: given("--exempt-user"),
                groups: given("--exempt-group"),
            },
            system_service_accounts: given("--system-service-account"),
            system_users: given("--system-user"),
        }
    }

    /// Every namespace that may be listed.
    pub async fn namespaces(&self) -> Result<Vec<Namespace>, Failure> {
        let list = Api::<Namespace>::all(self.client.clone())
            .list(&ListParams::default())
            .await;
        list.map(|list| list.items)
            .map_err(|error| explain("cannot list namespaces", &error))
    }

    /// Where Services lead: everywhere, or in `namespaces` where one may not list them everywhere; and why those of some are not
    /// known.
    pub async fn services(&self, namespaces: &[String]) -> (Services, Vec<String>) {
        let mut services = Services::default();
        let all = Api::<Object>::all(self.client.clone())
            .list(&ListParams::default())
            .await;
        let (found, hidden) = match all {
            Ok(list) => (list.items, Vec::new()),
            Err(_) => self.listed::<Object>(namespaces).await,
        };
        for object in found {
            let metadata = &object.metadata;
            let (Some(namespace), Some(name)) = (&metadata.namespace, &metadata.name) else {
                continue;
            };
            services.put(namespace, name, leads(&object));
        }
        (services, hidden)
    }

    /// The fingerprints of the Secrets of `namespaces` that may be read, and why those of some are not known.
    pub async fn fingerprints(&self, namespaces: &[String]) -> (Fingerprints, Vec<String>) {
        let (secrets, hidden) = self.listed::<Secret>(namespaces).await;
        let mut prints = Fingerprints::default();
        for secret in secrets {
            let (namespace, name) = (
                secret.metadata.namespace.unwrap_or_default(),
                secret.metadata.name.unwrap_or_default(),
            );
            for (key, value) in secret.data.into_iter().flatten() {
                let origin = Origin {
                    namespace: namespace.clone(),
                    name: name.clone(),
                    key,
                };
                prints.add(origin, &value.0);
            }
        }
        (prints, hidden)
    }

    /// The objects of one kind in `namespaces`, and why those of some cannot be listed.
    async fn listed<K>(&self, namespaces: &[String]) -> (Vec<K>, Vec<String>)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let lists = stream::iter(namespaces).map(|namespace| async move {
            let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
            (namespace, api.list(&ListParams::default()).await)
        });
        let mut lists = lists.buffered(PARALLEL);
        let (mut objects, mut hidden) = (Vec::new(), Vec::new());
        while let Some((namespace, list)) = lists.next().await {
            let kind = K::kind(&());
            match list.map(|list| Some(list.items)).into() {
                Seen::There(items) => objects.extend::<Vec<K>>(items),
                Seen::Absent => {}
                Seen::Hidden => hidden.push(format!("{namespace}: you may not list {kind}")),
                Seen::Unread(why) => hidden.push(format!("{namespace}: {kind}: {why}")),
            }
        }
        (objects, hidden)
    }

    /// The data of `reference` in `namespace`.
    pub async fn source(&self, namespace: &str, reference: &Reference) -> Fact<Data> {
        let name = reference.name.as_str();
        // It becomes part of a path.
        if !names::is_dns_subdomain(name) {
            return Fact::Absent;
        }
        let seen: Seen<Data> = match reference.kind {
            Kind::ConfigMap => {
                let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
                let found: Seen<ConfigMap> = api.get_opt(name).await.into();
                found.map(Data::from)
            }
            Kind::Secret => {
                let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
                let found: Seen<Secret> = api.get_opt(name).await.into();
                found.map(Data::from)
            }
        };
        match seen {
            Seen::There(data) => Fact::Present(data),
            Seen::Absent => Fact::Absent,
            Seen::Hidden | Seen::Unread(_) => Fact::Unknown,
        }
    }

    /// Whether there is any Pod in `namespace`; `None` where one may not see.
    pub async fn holds_pods(&self, namespace: &str) -> Option<bool> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let found = api.list_metadata(&ListParams::default().limit(1)).await;
        found.ok().map(|found| !found.items.is_empty())
    }

    /// Every object in `namespace` that may be listed, and the kinds that may not.
    pub async fn contents(
        &self,
        namespace: &str,
        kinds: &[ApiResource],
    ) -> (Vec<DynamicObject>, Vec<String>) {
        let lists = stream::iter(kinds.to_vec()).map(|resource| async move {
            let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
            (api.list(&ListParams::default()).await, resource)
        });
        let mut lists = lists.buffered(PARALLEL);
        let (mut objects, mut hidden) = (Vec::new(), Vec::new());
        while let Some((list, resource)) = lists.next().await {
            match list {
                Ok(list) => objects.extend(list.items.into_iter().map(|object| DynamicObject {
                    types: Some(kube::core::TypeMeta {
                        api_version: resource.api_version.clone(),
                        kind: resource.kind.clone(),
                    }),
                    ..object
                })),
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 405) => {}
                Err(_) => hidden.push(resource.plural),
            }
        }
        (objects, hidden)
    }
}

/// The chart's defaults.
pub fn as_charted(namespace: &str) -> Installation {
    Installation {
        namespace: namespace.to_owned(),
        exempt: Exempt {
            users: Vec::new(),
            groups: ["system:masters", "kubeadm:cluster-admins"]
                .map(str::to_owned)
                .to_vec(),
        },
        system_users: vec!["eks:network-policy-controller".to_owned()],
        ..Installation::default()
    }
}

fn leads(object: &Object) -> Service {
    let Some(spec) = &object.spec else {
        return Service::default();
    };
    let alias = spec.type_.as_deref() == Some("ExternalName");
    let addresses = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip);
    let mut cluster_ips: Vec<_> = addresses.filter_map(|address| address.parse().ok()).collect();
    cluster_ips.dedup();
    Service {
        cluster_ips,
        external_name: spec.external_name.clone().filter(|_| alias),
    }
}
