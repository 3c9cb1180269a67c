//! Server-side apply of one object, and whether it changed anything.

use super::write::MANAGER;
use super::{Cluster, PARALLEL, Resources, explain};
use crate::error::{Exit, Failure};
use crate::web::spread;
use futures::{StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use understudy::clone::stays_headless;

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
            return Err(Failure::new(Exit::Failed, what).caused_by("the server does not serve its kind"));
        };
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, resource);
        let params = params();
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(100);
        loop {
            match api.patch(&name, &params, &Patch::Apply(object)).await {
                Ok(applied) if stays_headless(&applied, object) => {
                    return Err(made_again(object, resource).caused_by(
                        "it has no address (clusterIP: None), and the API server gives it none while it is there",
                    ));
                }
                Ok(applied) => return Ok(outcome(known.get(&(types.kind, name)), &applied.metadata)),
                Err(error) if passes(&error) && Instant::now() < deadline => {
                    sleep(spread(pause)).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
                Err(error) if is_fixed(&error) => {
                    let failure = made_again(object, resource);
                    return Err(Failure {
                        hint: failure.hint,
                        ..explain(failure.what, &error)
                    });
                }
                Err(error) => return Err(explain(what, &error)),
            }
        }
    }
}

/// How objects are applied.
///
/// Forced: what somebody else set on a clone of ours gives way to the plan, or running again would not converge. Without the
/// search for fields that are there twice, for which the API server parses each object once more, as ours have none; one that
/// its schema does not know is an error of the apply itself. Source:
/// <https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/apiserver/pkg/endpoints/handlers/patch.go>,
/// `applyPatcher`.
pub(super) fn params() -> PatchParams {
    PatchParams::apply(MANAGER).force().validation_ignore()
}

/// Whether something of an object would have to change that is fixed while it is there.
///
/// Each kind has its own words: a Job's template and a Secret's type, a claim, a Service's address, a binding's role, and
/// what of a StatefulSet is neither its template nor its size. Source:
/// <https://github.com/kubernetes/kubernetes/tree/master/pkg/apis>, the files `validation.go`.
fn is_fixed(error: &kube::Error) -> bool {
    const WORDS: [&str; 4] = [
        "immutable",
        "may not change once set",
        "cannot change roleRef",
        "updates to statefulset spec",
    ];
    let kube::Error::Api(status) = error else {
        return false;
    };
    let message = status.message.as_str();
    status.code == 422
        && !message.contains("denied the request")
        && WORDS.iter().any(|words| message.contains(words))
}

/// What to do where that is so.
fn made_again(object: &DynamicObject, resource: &ApiResource) -> Failure {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let what = format!(
        "{}/{name} in {namespace} has to be made again: it cannot become what it is to be while it is there",
        resource.kind
    );
    let kind = resource.kind.to_lowercase();
    let kind = match resource.group.as_str() {
        group if group.contains('.') => format!("{kind}.{group}"),
        _ => kind,
    };
    Failure::new(Exit::Refused, what).hint(format!("kubectl delete {kind} {name} --namespace {namespace}"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::{GroupVersionKind, Status};

    fn invalid(message: &str) -> kube::Error {
        kube::Error::Api(Box::new(Status {
            code: 422,
            message: message.to_owned(),
            ..Status::default()
        }))
    }

    #[test]
    fn what_is_fixed_is_told_from_what_is_wrong() {
        for message in [
            "StatefulSet.apps \"db\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
            "Service \"web\" is invalid: spec.clusterIPs[0]: Invalid value: [\"None\"]: may not change once set",
            "Job.batch \"migrate\" is invalid: spec.template: Invalid value: {}: field is immutable",
            "PersistentVolumeClaim \"files\" is invalid: spec: Forbidden: spec is immutable after creation except resources.requests",
            "RoleBinding \"x\" is invalid: roleRef: Invalid value: {}: cannot change roleRef",
        ] {
            assert!(is_fixed(&invalid(message)), "{message}");
        }
        for message in [
            "Service \"web\" is invalid: spec.ports[0].port: Invalid value: 0: must be between 1 and 65535",
            "admission webhook \"objects.understudy.dev\" denied the request: field-reserved: it is immutable",
        ] {
            assert!(!is_fixed(&invalid(message)), "{message}");
        }
    }

    #[test]
    fn the_command_names_the_kind_as_kubectl_reads_it() {
        let hint = |group: &str, kind: &str| {
            let object =
                serde_json::from_value(serde_json::json!({ "metadata": { "name": "x", "namespace": "p" } }));
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
            made_again(&object.unwrap(), &resource).hint
        };
        let command = |kind: &str| Some(format!("kubectl delete {kind} x --namespace p"));
        assert_eq!(hint("apps", "StatefulSet"), command("statefulset"));
        assert_eq!(hint("example.com", "Widget"), command("widget.example.com"));
    }
}
