//! Server-side apply of one object, and whether it changed anything.

use super::write::MANAGER;
use super::{Cluster, PARALLEL, Resources, explain};
use crate::error::Failure;
use crate::web::spread;
use futures::{StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::core::DynamicObject;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What applying an object did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was not there.
    Created,
    /// It was there, and different.
    Changed,
    /// It was right.
    Unchanged,
}

impl Outcome {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Created => "created",
            Outcome::Changed => "changed",
            Outcome::Unchanged => "unchanged",
        }
    }
}

/// Metadata of what is there already, by kind and name.
pub type Known = BTreeMap<(String, String), ObjectMeta>;

/// How long passing trouble is waited out: a quota without status. A busy server is waited for by every request.
const PATIENCE: Duration = Duration::from_secs(30);

impl Cluster {
    /// What is there already of the kinds in `resources`.
    pub async fn known(&self, namespace: &str, resources: &Resources) -> Result<Known, Failure> {
        let lists =
            stream::iter(resources.values().cloned().collect::<Vec<_>>()).map(|resource| async move {
                let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
                let list = api.list_metadata(&ListParams::default()).await;
                let what = format!("cannot list {} in {namespace}", resource.plural);
                let list = list.map_err(|error| explain(what, &error))?;
                Ok::<_, Failure>(list.items.into_iter().map(move |object| {
                    let name = object.metadata.name.clone().unwrap_or_default();
                    ((resource.kind.clone(), name), object.metadata)
                }))
            });
        let lists: Vec<_> = lists.buffer_unordered(PARALLEL).collect().await;
        let lists: Vec<_> = lists.into_iter().collect::<Result<_, _>>()?;
        Ok(lists.into_iter().flatten().collect())
    }

    /// Applies `object`; `known` tells what was there before.
    pub async fn apply(
        &self,
        object: &DynamicObject,
        resources: &Resources,
        known: &Known,
    ) -> Result<Outcome, Failure> {
        let types = object.types.clone().unwrap_or_default();
        let name = object.metadata.name.clone().unwrap_or_default();
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        let what = format!("cannot apply {}/{name} in {namespace}", types.kind);
        let Some(resource) = resources.get(&(types.api_version.clone(), types.kind.clone())) else {
            return Err(Failure::new(crate::error::Exit::Failed, what)
                .caused_by("the server does not serve its kind"));
        };
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, resource);
        // Forced: what somebody else set on a clone of ours gives way to the plan, or running again would not converge.
        let params = PatchParams::apply(MANAGER).force();
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(100);
        loop {
            match api.patch(&name, &params, &Patch::Apply(object)).await {
                Ok(applied) => return Ok(outcome(known.get(&(types.kind, name)), &applied.metadata)),
                Err(error) if passes(&error) && Instant::now() < deadline => {
                    sleep(spread(pause)).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
                Err(error) => return Err(explain(what, &error)),
            }
        }
    }
}

/// Trouble that goes away by itself.
fn passes(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let message = status.message.as_str();
    match status.code {
        // The quota admission of the API server has not seen the quota's status yet.
        403 => message.contains("status unknown for quota"),
        // The API server lost a race against itself.
        409 => message.contains("object has been modified") || message.contains("AlreadyExists"),
        500 => message.contains("failed calling webhook") && message.contains("EOF"),
        _ => false,
    }
}

/// Whether anything changed: controllers raise the version of what is right by writing its status.
fn outcome(before: Option<&ObjectMeta>, after: &ObjectMeta) -> Outcome {
    let Some(before) = before else {
        return Outcome::Created;
    };
    let ours = |metadata: &ObjectMeta| {
        let entries = metadata.managed_fields.iter().flatten();
        entries
            .filter(|entry| {
                entry.manager.as_deref() == Some(MANAGER) && entry.operation.as_deref() == Some("Apply")
            })
            .map(|entry| entry.time.clone())
            .next()
    };
    let same_version = before.resource_version == after.resource_version;
    let same_content =
        after.generation.is_some() && before.generation == after.generation && ours(before) == ours(after);
    if same_version || same_content {
        Outcome::Unchanged
    } else {
        Outcome::Changed
    }
}
