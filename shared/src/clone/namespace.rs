//! The clone's namespace, born with the labels that make it a preview.

use super::spec::CloneSpec;
use crate::keys;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// Keys on a namespace by which meshes decide about sidecars; a clone behaves as its golden does.
const MESH: [&str; 5] = [
    "istio-injection",
    "istio.io/rev",
    "istio.io/dataplane-mode",
    "linkerd.io/inject",
    "kuma.io/sidecar-injection",
];

/// The manifest of the clone's namespace.
pub(super) fn manifest(
    golden: &ObjectMeta,
    spec: &CloneSpec,
    policy_name: &str,
    lineage: String,
) -> Namespace {
    let mesh = |keys: &Option<BTreeMap<String, String>>| -> BTreeMap<String, String> {
        let kept = keys
            .iter()
            .flatten()
            .filter(|(key, _)| MESH.contains(&key.as_str()));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let mut labels = mesh(&golden.labels);
    let mut annotations = mesh(&golden.annotations);
    labels.insert(keys::PREVIEW.to_owned(), "true".to_owned());
    labels.insert(keys::POLICY.to_owned(), policy_name.to_owned());
    labels.insert(keys::PARENT.to_owned(), golden.name.clone().unwrap_or_default());
    if let Some(pr) = spec.pr {
        labels.insert(keys::PR.to_owned(), pr.to_string());
    }
    if let Some(ttl) = spec.ttl {
        annotations.insert(keys::TTL.to_owned(), ttl.to_string());
    }
    annotations.insert(keys::LINEAGE.to_owned(), lineage);
    Namespace {
        metadata: ObjectMeta {
            name: Some(spec.name.clone()),
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}
