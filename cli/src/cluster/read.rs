//! Reading: goldens, policies, previews, snapshots.

use super::{Cluster, PARALLEL, Resources, explain};
use crate::error::{Exit, Failure};
use futures::{StreamExt, stream};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Namespace, Pod, Secret};
use kube::Resource;
use kube::api::{Api, ListParams};
use kube::core::{DynamicObject, TypeMeta};
use kube::discovery::{ApiCapabilities, ApiGroup, ApiResource, Discovery, Scope, verbs};
use std::collections::{BTreeMap, BTreeSet};
use understudy::clone::{Snapshot, Unreadable};
use understudy::keys;
use understudy::policy::{PreviewPolicy, PreviewPolicySpec};
use understudy::preview::{Preview, is_golden};

/// Objects of one page of a list.
const PAGE: u32 = 500;

/// What the cluster serves, once it is known that Understudy is installed in it.
pub struct Installed {
    /// Every namespaced resource that can be listed.
    pub listable: Vec<ApiResource>,
    /// Everything that is served, in every version.
    pub served: Resources,
    /// `apiVersion` and kind of what belongs to no namespace.
    pub cluster_wide: BTreeSet<(String, String)>,
    /// Every policy by name.
    pub policies: BTreeMap<String, PreviewPolicySpec>,
}

/// A preview's namespace as it is.
pub struct Existing {
    /// The namespace.
    pub namespace: Namespace,
    /// What its metadata says.
    pub preview: Preview,
}

/// What runs in a preview.
#[derive(Default)]
pub struct Workloads {
    /// Its Deployments.
    pub deployments: Vec<Deployment>,
    /// Its StatefulSets.
    pub stateful_sets: Vec<StatefulSet>,
    /// Its Jobs.
    pub jobs: Vec<Job>,
    /// Its Pods.
    pub pods: Vec<Pod>,
    /// Warnings about any of them, the newest last.
    pub warnings: Vec<Event>,
}

impl Cluster {
    /// Discovery and policies; fails where Understudy is not installed.
    pub async fn installed(&self) -> Result<Installed, Failure> {
        let (discovery, policies) = futures::join!(self.discover(), self.policies());
        let discovery = discovery?;
        if !discovery.has_group(keys::GROUP) {
            return Err(Failure::new(Exit::NotInstalled, "Understudy is not installed in this cluster")
                .caused_by(format!("{} serves no PreviewPolicy", self.url))
                .hint("helm install understudy charts/understudy --namespace understudy-system --create-namespace"));
        }
        let ours = discovery.groups().find(|group| group.name() == keys::GROUP);
        let served: Vec<&str> = ours.iter().flat_map(|group| group.versions()).collect();
        let known = PreviewPolicy::version(&());
        if !served.contains(&known.as_ref()) {
            let served = served.join(", ");
            return Err(
                other_age("the cluster's Understudy is not of this command line's age".to_owned())
                    .caused_by(format!("it speaks {served}, and this command line {known}")),
            );
        }
        let listable = discovery
            .groups()
            .flat_map(preferred)
            // The same Events are served by the core group as well.
            .filter(|(resource, capabilities)| resource.group != "events.k8s.io" && is_listable(capabilities))
            .map(|(resource, _)| resource)
            .collect();
        let (mut served, mut cluster_wide) = (Resources::new(), BTreeSet::new());
        for group in discovery.groups() {
            for version in group.versions() {
                for (resource, capabilities) in group.versioned_resources(version) {
                    let types = (resource.api_version.clone(), resource.kind.clone());
                    match capabilities.scope {
                        Scope::Namespaced => drop(served.insert(types, resource)),
                        Scope::Cluster => drop(cluster_wide.insert(types)),
                    }
                }
            }
        }
        Ok(Installed {
            listable,
            served,
            cluster_wide,
            policies: policies?,
        })
    }

    pub(super) async fn discover(&self) -> Result<Discovery, Failure> {
        let what = format!("cannot ask {} what it serves", self.url);
        match Discovery::new(self.client.clone()).run_aggregated().await {
            Ok(discovery) => Ok(discovery),
            // A server from before 1.30 has no aggregated form.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 406) => {
                Discovery::new(self.client.clone())
                    .run()
                    .await
                    .map_err(|error| explain(what, &error))
            }
            Err(error) => Err(explain(what, &error)),
        }
    }

    /// Every policy; all of them, since protection is their union.
    pub async fn policies(&self) -> Result<BTreeMap<String, PreviewPolicySpec>, Failure> {
        let resource = ApiResource::erase::<PreviewPolicy>(&());
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        match api.list(&ListParams::default()).await {
            Ok(list) => list.items.into_iter().map(policy).collect(),
            Err(error) if super::not_found(&error) => Err(Failure::new(
                Exit::NotInstalled,
                "Understudy is not installed in this cluster",
            )
            .caused_by(format!("{} serves no PreviewPolicy", self.url))
            .hint(
                "helm install understudy charts/understudy --namespace understudy-system --create-namespace",
            )),
            Err(error) => Err(explain("cannot read the policies", &error)),
        }
    }

    /// The golden `name`; fails where there is none, or it is no golden.
    pub async fn golden(&self, name: &str) -> Result<Namespace, Failure> {
        let choose = "kubectl get namespaces --selector understudy.dev/golden=true";
        let Some(namespace) = self.namespace(name).await? else {
            let goldens = self.goldens().await.unwrap_or_default();
            let known = if goldens.is_empty() {
                "there is none".to_owned()
            } else {
                goldens.join(", ")
            };
            return Err(
                Failure::new(Exit::NotFound, format!("there is no namespace {name}"))
                    .caused_by(format!("goldens in this cluster: {known}"))
                    .hint(choose),
            );
        };
        let labels = namespace.metadata.labels.as_ref();
        if labels.is_some_and(|labels| labels.contains_key(keys::PREVIEW)) {
            return Err(Failure::new(Exit::Refused, format!("{name} is a preview itself"))
                .caused_by("clones are made of goldens")
                .hint(choose));
        }
        if !is_golden(labels) {
            return Err(Failure::new(Exit::Refused, format!("{name} is no golden"))
                .caused_by("an administrator has to say which namespaces may be cloned")
                .hint(format!("kubectl label namespace {name} {}=true", keys::GOLDEN)));
        }
        Ok(namespace)
    }

    /// Names of all goldens.
    pub async fn goldens(&self) -> Result<Vec<String>, Failure> {
        let params = ListParams::default().labels(&format!("{}=true", keys::GOLDEN));
        let list = Api::<Namespace>::all(self.client.clone()).list(&params).await;
        let list = list.map_err(|error| explain("cannot list the goldens", &error))?;
        Ok(list
            .items
            .into_iter()
            .filter_map(|namespace| namespace.metadata.name)
            .collect())
    }

    /// The namespace `name`, where there is one.
    pub async fn namespace(&self, name: &str) -> Result<Option<Namespace>, Failure> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        api.get_opt(name)
            .await
            .map_err(|error| explain(format!("cannot read namespace {name}"), &error))
    }

    /// The preview `name`.
    pub async fn preview(&self, name: &str) -> Result<Existing, Failure> {
        let missing =
            || Failure::new(Exit::NotFound, format!("there is no preview {name}")).hint("understudy list");
        let namespace = self.namespace(name).await?.ok_or_else(missing)?;
        match Preview::of(&namespace.metadata) {
            Some(preview) => Ok(Existing { namespace, preview }),
            None => Err(missing().caused_by(format!(
                "the namespace {name} is there, but does not carry {}",
                keys::PREVIEW
            ))),
        }
    }

    /// Every preview that may be listed.
    pub async fn previews(&self, parent: Option<&str>) -> Result<Vec<Existing>, Failure> {
        let mut selector = format!("{}=true", keys::PREVIEW);
        if let Some(parent) = parent {
            selector.push_str(&format!(",{}={parent}", keys::PARENT));
        }
        let params = ListParams::default().labels(&selector);
        let list = Api::<Namespace>::all(self.client.clone()).list(&params).await;
        let list = list.map_err(|error| explain("cannot list previews", &error))?;
        let existing = |namespace: Namespace| {
            Preview::of(&namespace.metadata).map(|preview| Existing { namespace, preview })
        };
        Ok(list.items.into_iter().filter_map(existing).collect())
    }

    /// The golden as it may be read: one consistent list per kind, in parallel.
    ///
    /// Where Secrets may not be listed, those in `copied` are read by name: an administrator may have granted just these.
    pub async fn snapshot(
        &self,
        golden: Namespace,
        installed: &Installed,
        copied: &[String],
    ) -> Result<(Snapshot, Resources), Failure> {
        let name = golden.metadata.name.clone().unwrap_or_default();
        let lists = stream::iter(installed.listable.clone()).map(|resource| {
            let (client, name) = (self.client.clone(), name.clone());
            async move {
                let api: Api<DynamicObject> = Api::namespaced_with(client, &name, &resource);
                (pages(&api).await, resource)
            }
        });
        let mut snapshot = Snapshot {
            golden: golden.metadata,
            ..Snapshot::default()
        };
        let mut resources = Resources::new();
        let mut lists = lists.buffer_unordered(PARALLEL);
        while let Some((list, resource)) = lists.next().await {
            let types = TypeMeta {
                api_version: resource.api_version.clone(),
                kind: resource.kind.clone(),
            };
            match list {
                // Items of a list carry no type of their own.
                Ok(list) => snapshot
                    .objects
                    .extend(list.into_iter().map(|object| DynamicObject {
                        types: Some(types.clone()),
                        ..object
                    })),
                // What is served by nobody, or cannot be listed after all, holds no objects.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 405) => {}
                Err(kube::Error::Api(status)) if matches!(status.code, 403 | 503) => {
                    let why = if status.code == 403 {
                        "you may not list them".to_owned()
                    } else {
                        status.message
                    };
                    snapshot.unreadable.push(Unreadable {
                        kind: resource.kind.clone(),
                        why,
                    });
                }
                Err(error) => {
                    return Err(explain(
                        format!("cannot list {} in {name}", resource.plural),
                        &error,
                    ));
                }
            }
            resources.insert((types.api_version, types.kind), resource);
        }
        if !snapshot.could_read("Secret") {
            snapshot.objects.extend(self.secrets(&name, copied).await?);
        }
        // Every namespace holds something: whoever sees nothing in it may not look.
        if snapshot.objects.is_empty() && !snapshot.unreadable.is_empty() {
            return Err(
                Failure::new(Exit::NoRights, format!("you may read nothing in {name}"))
                    .caused_by("a clone is made with your own rights, and nobody lends you theirs")
                    .hint(format!("kubectl auth can-i --list --namespace {name}")),
            );
        }
        snapshot.objects.sort_by(|a, b| key(a).cmp(&key(b)));
        snapshot.unreadable.sort_by(|a, b| a.kind.cmp(&b.kind));
        Ok((snapshot, resources))
    }

    /// The Secrets of `names` that may be read.
    async fn secrets(&self, namespace: &str, names: &[String]) -> Result<Vec<DynamicObject>, Failure> {
        let resource = ApiResource::erase::<Secret>(&());
        let reads = names.iter().map(|name| {
            let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
            async move {
                match api.get_opt(name).await {
                    Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
                    Err(error) => Err(explain(
                        format!("cannot read Secret {name} of {namespace}"),
                        &error,
                    )),
                    Ok(found) => Ok(found),
                }
            }
        });
        let found: Vec<_> = futures::future::join_all(reads)
            .await
            .into_iter()
            .collect::<Result<_, _>>()?;
        Ok(found.into_iter().flatten().collect())
    }

    /// What runs in `namespace`; what may not be read is empty.
    pub async fn workloads(&self, namespace: &str) -> Result<Workloads, Failure> {
        let (client, params) = (self.client.clone(), ListParams::default());
        let warnings = params.clone().fields("type=Warning");
        let (deployments, sets, jobs, pods, events) = (
            Api::<Deployment>::namespaced(client.clone(), namespace),
            Api::<StatefulSet>::namespaced(client.clone(), namespace),
            Api::<Job>::namespaced(client.clone(), namespace),
            Api::<Pod>::namespaced(client.clone(), namespace),
            Api::<Event>::namespaced(client, namespace),
        );
        let (deployments, stateful_sets, jobs, pods, warnings) = futures::join!(
            deployments.list(&params),
            sets.list(&params),
            jobs.list(&params),
            pods.list(&params),
            events.list(&warnings)
        );
        let what = |kind: &str| format!("cannot read the {kind} of {namespace}");
        Ok(Workloads {
            deployments: deployments
                .map_err(|error| explain(what("Deployments"), &error))?
                .items,
            stateful_sets: stateful_sets
                .map_err(|error| explain(what("StatefulSets"), &error))?
                .items,
            jobs: jobs.map_err(|error| explain(what("Jobs"), &error))?.items,
            pods: pods.map_err(|error| explain(what("Pods"), &error))?.items,
            // Events only make an explanation better.
            warnings: warnings.map(|list| list.items).unwrap_or_default(),
        })
    }
}

/// Name and content of a policy. One that cannot be read is not left out: what it protects would be forgotten.
fn policy(mut object: DynamicObject) -> Result<(String, PreviewPolicySpec), Failure> {
    let name = object.metadata.name.unwrap_or_default();
    serde_json::from_value(object.data["spec"].take())
        .map(|spec| (name.clone(), spec))
        .map_err(|error| {
            other_age(format!(
                "PreviewPolicy {name} is of a newer Understudy than this command line"
            ))
            .caused_by(error.to_string())
        })
}

/// Command line and installation do not belong together.
pub fn other_age(what: String) -> Failure {
    Failure::new(Exit::OtherAge, what)
        .hint("install the understudy of the cluster's version: cargo install --locked --path cli")
}

/// Every object of one kind, page by page. All pages show one moment: the API server keeps it, and where it no longer can,
/// the list begins anew.
/// Source: <https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks>.
async fn pages(api: &Api<DynamicObject>) -> Result<Vec<DynamicObject>, kube::Error> {
    let mut begun_anew = 0;
    let (mut objects, mut next) = (Vec::new(), None::<String>);
    loop {
        let mut params = ListParams::default().limit(PAGE);
        params.continue_token = next.take();
        match api.list(&params).await {
            Ok(page) => {
                objects.extend(page.items);
                next = page.metadata.continue_.filter(|token| !token.is_empty());
                if next.is_none() {
                    return Ok(objects);
                }
            }
            Err(kube::Error::Api(status)) if status.code == 410 && begun_anew < 3 => {
                begun_anew += 1;
                objects.clear();
            }
            Err(error) => return Err(error),
        }
    }
}

/// Every resource of `group`, in the version that the server prefers of those that serve it: not each is there in the group's
/// own.
fn preferred(group: &ApiGroup) -> Vec<(ApiResource, ApiCapabilities)> {
    let versions = std::iter::once(group.preferred_version_or_latest()).chain(group.versions());
    let mut resources: Vec<(ApiResource, ApiCapabilities)> = Vec::new();
    for (resource, capabilities) in versions.flat_map(|version| group.versioned_resources(version)) {
        if resources.iter().all(|(known, _)| known.plural != resource.plural) {
            resources.push((resource, capabilities));
        }
    }
    resources
}

fn is_listable(capabilities: &ApiCapabilities) -> bool {
    capabilities.scope == Scope::Namespaced
        && capabilities.supports_operation(verbs::LIST)
        // What cannot be made is somebody's report, such as metrics.
        && capabilities.supports_operation(verbs::CREATE)
}

fn key(object: &DynamicObject) -> (Option<&str>, Option<&str>, Option<&str>) {
    let types = object.types.as_ref();
    (
        types.map(|types| types.kind.as_str()),
        object.metadata.name.as_deref(),
        types.map(|types| types.api_version.as_str()),
    )
}
