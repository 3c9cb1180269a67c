//! Taking the original's identity off an object.
//!
//! What each program marks objects with stands in one table per place. A mark that survives is worse than a missing
//! label: Argo CD prunes what carries its stale tracking id, Helm and Flux take what carries their names for theirs.

use crate::keys;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Annotations that go, by whole key or by prefix (ending in `/`).
const ANNOTATIONS: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    "kubectl.kubernetes.io/restartedAt",
    "deployment.kubernetes.io/",
    "deprecated.daemonset.template.generation",
    "autoscaling.alpha.kubernetes.io/",
    "control-plane.alpha.kubernetes.io/leader",
    "argocd.argoproj.io/",
    "meta.helm.sh/",
    "helm.sh/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "resourceset.fluxcd.controlplane.io/",
    "fluxcd.controlplane.io/",
    "pv.kubernetes.io/",
    "volume.kubernetes.io/",
    "volume.beta.kubernetes.io/storage-provisioner",
    "downscaler/",
    "janitor/",
    "k8s-ttl-controller.twin.sh/",
    "autoscaling.keda.sh/",
    "endpoints.kubernetes.io/",
    "understudy.dev/",
];

/// Labels that go, by whole key or by prefix (ending in `/`).
const LABELS: &[&str] = &[
    "argocd.argoproj.io/",
    "helm.sh/chart",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "resourceset.fluxcd.controlplane.io/",
    "cleanup.kyverno.io/ttl",
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/",
    "pod-template-hash",
    "understudy.dev/",
];

/// Who a label says manages the object; nobody but us manages a clone's.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Labels by which Argo CD and Helm tell releases apart; selectors use them, so they are renamed, not removed.
const INSTANCES: [&str; 2] = ["app.kubernetes.io/instance", "argocd.argoproj.io/instance"];

fn listed(table: &[&str], key: &str) -> bool {
    table.iter().any(|entry| match entry.strip_suffix('/') {
        Some(prefix) => key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/')),
        None => *entry == key,
    })
}

/// Takes the identity off objects of one golden.
#[derive(Clone, Debug)]
pub(super) struct Sanitizer {
    golden: String,
    clone: String,
    /// Label keys that a selector of the golden uses: they stay on Pods, or the selector would miss them.
    selecting: BTreeSet<String>,
}

impl Sanitizer {
    pub(super) fn new(golden: &str, clone: &str, objects: &[DynamicObject]) -> Self {
        let mut selecting = BTreeSet::new();
        objects
            .iter()
            .for_each(|object| selector_keys(&object.data, &mut selecting));
        Sanitizer {
            golden: golden.to_owned(),
            clone: clone.to_owned(),
            selecting,
        }
    }

    /// `object` as one of the clone's, with nothing left that says it was the golden's.
    pub(super) fn object(&self, object: &DynamicObject) -> DynamicObject {
        let mut data = object.data.clone();
        if let Value::Object(fields) = &mut data {
            fields.remove("status");
        }
        self.rename_instances(&mut data);
        let labels = object.metadata.labels.clone().unwrap_or_default();
        let labels: BTreeMap<String, String> = labels
            .into_iter()
            .filter(|(key, value)| keeps_label(key, value))
            .map(|(key, value)| {
                let value = if INSTANCES.contains(&key.as_str()) {
                    self.instance(&value)
                } else {
                    value
                };
                (key, value)
            })
            .collect();
        let mut annotations = object.metadata.annotations.clone().unwrap_or_default();
        annotations.retain(|key, _| !listed(ANNOTATIONS, key));
        let metadata = ObjectMeta {
            name: object.metadata.name.clone(),
            namespace: Some(self.clone.clone()),
            labels: (!labels.is_empty()).then_some(labels),
            annotations: (!annotations.is_empty()).then_some(annotations),
            ..ObjectMeta::default()
        };
        DynamicObject {
            types: object.types.clone(),
            metadata,
            data,
        }
    }

    /// Takes marks off the metadata of a Pod template or claim template.
    pub(super) fn template_metadata(&self, metadata: &mut Value) {
        let Value::Object(fields) = metadata else { return };
        for field in [
            "creationTimestamp",
            "uid",
            "resourceVersion",
            "generation",
            "managedFields",
            "ownerReferences",
            "finalizers",
            "selfLink",
            "namespace",
        ] {
            fields.remove(field);
        }
        if let Some(labels) = fields.get_mut("labels").and_then(Value::as_object_mut) {
            labels.retain(|key, value| {
                self.selecting.contains(key) || keeps_label(key, value.as_str().unwrap_or_default())
            });
        }
        if let Some(annotations) = fields.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|key, _| !listed(ANNOTATIONS, key));
        }
    }

    /// What the instance label `value` of the golden is called in the clone; distinct values stay distinct.
    fn instance(&self, value: &str) -> String {
        if value == self.golden {
            self.clone.clone()
        } else {
            crate::names::fit(&format!("{}-{value}", self.clone), 63, '-')
        }
    }

    /// Renames instance labels wherever they stand: labels, selectors, affinities.
    fn rename_instances(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                let selects = fields
                    .get("key")
                    .and_then(Value::as_str)
                    .is_some_and(|key| INSTANCES.contains(&key));
                if selects && let Some(Value::Array(values)) = fields.get_mut("values") {
                    for value in values {
                        if let Value::String(text) = value {
                            *text = self.instance(text);
                        }
                    }
                }
                for (key, inner) in fields.iter_mut() {
                    match inner {
                        Value::String(text) if INSTANCES.contains(&key.as_str()) => {
                            *text = self.instance(text)
                        }
                        inner => self.rename_instances(inner),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.rename_instances(item)),
            _ => {}
        }
    }
}

fn keeps_label(key: &str, value: &str) -> bool {
    let tool = matches!(
        value.to_ascii_lowercase().as_str(),
        "helm" | "flux-operator" | "argocd" | "kustomize"
    );
    !(listed(LABELS, key) || (key == MANAGED_BY && tool))
}

/// Label keys that any selector in `value` uses.
fn selector_keys(value: &Value, found: &mut BTreeSet<String>) {
    let Value::Object(fields) = value else {
        if let Value::Array(items) = value {
            items.iter().for_each(|item| selector_keys(item, found));
        }
        return;
    };
    for (key, inner) in fields {
        match (key.as_str(), inner) {
            ("matchLabels", Value::Object(labels)) => found.extend(labels.keys().cloned()),
            ("selector", Value::Object(labels)) if only_texts(labels) => found.extend(labels.keys().cloned()),
            ("matchExpressions", Value::Array(expressions)) => {
                let keys = expressions
                    .iter()
                    .filter_map(|e| e.get("key").and_then(Value::as_str));
                found.extend(keys.map(str::to_owned));
            }
            (_, inner) => selector_keys(inner, found),
        }
        if key == "selector" {
            selector_keys(inner, found);
        }
    }
}

fn only_texts(fields: &Map<String, Value>) -> bool {
    fields.values().all(Value::is_string)
}

/// Hooks of Helm and Argo CD that do not run when an environment comes up: making them would run them.
/// Sources: <https://helm.sh/docs/topics/charts_hooks/#the-available-hooks>,
/// <https://argo-cd.readthedocs.io/en/stable/user-guide/resource_hooks/>.
const OF_ANOTHER_TIME: [(&str, &[&str]); 2] = [
    (
        "helm.sh/hook",
        &[
            "pre-delete",
            "post-delete",
            "pre-rollback",
            "post-rollback",
            "test",
            "test-success",
            "test-failure",
        ],
    ),
    (
        "argocd.argoproj.io/hook",
        &["PreDelete", "PostDelete", "SyncFail", "Skip"],
    ),
];

/// When the hook `object` runs, where that is at no time of a clone.
pub(super) fn hook_of_another_time(object: &DynamicObject) -> Option<&str> {
    let annotations = object.metadata.annotations.as_ref()?;
    OF_ANOTHER_TIME.iter().find_map(|(key, times)| {
        let hooks = annotations.get(*key)?;
        let of_another = |hook: &str| times.contains(&hook.trim());
        hooks.split(',').all(of_another).then_some(hooks.as_str())
    })
}

/// Whether the object is one of the guardrails that a policy puts into a namespace.
pub(super) fn is_guardrail(object: &DynamicObject) -> bool {
    object
        .metadata
        .labels
        .as_ref()
        .is_some_and(|labels| labels.contains_key(keys::GUARDRAIL))
}
