//! The plan before admission's own rules: what the cluster would refuse is said before anything is written.

use super::golden::decoded;
use super::selection::plural;
use super::snapshot::{group_of, kind_of, name_of};
use super::spec::Rules;
use super::verdict::Item;
use crate::admission::{Decision, Facts, Installation, Request, User, review};
use crate::environment::{Data, Fact, Kind, Reference};
use crate::preview::Preview;
use crate::reason::Reason;
use crate::violation::Violation;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Turns what admission would refuse into refusals, and returns what it would say besides.
pub(super) fn apply(
    items: &mut [Item],
    namespace: &Namespace,
    rules: Rules<'_>,
    now: Timestamp,
) -> Vec<String> {
    let facts = facts(items, namespace, rules, now);
    let mut warnings = Vec::new();
    for item in items.iter_mut() {
        let Some((_, object)) = &item.made else { continue };
        let Decision::Deny(violations) = review(&request(object), &facts) else {
            continue;
        };
        // The golden has the same gap: its Pods wait for what is missing, and so will the clone's.
        let (gaps, violations): (Vec<_>, Vec<_>) = violations
            .into_iter()
            .partition(|violation| violation.reason == Reason::EnvironmentUnresolved);
        // Secrets have verdicts of their own.
        let gaps = gaps.iter().filter(|gap| !gap.message.contains(": Secret "));
        warnings.extend(
            gaps.map(|gap| format!("{}: {}; it is not in the golden either", item.id(), gap.message)),
        );
        if !violations.is_empty() {
            refuse(item, &violations);
        }
    }
    warnings
}

fn refuse(item: &mut Item, violations: &[Violation]) {
    let causes = violations.iter().map(|violation| {
        format!(
            "{}: {} ({})",
            violation.reason, violation.message, violation.field
        )
    });
    let reason = causes.collect::<Vec<_>>().join("; ");
    let remedies = violations.iter().map(|violation| violation.remedy.clone());
    item.refuse(reason, remedies);
}

/// The preview as it will be once it is sealed, with the clone's own ConfigMaps and Secrets.
fn facts(items: &[Item], namespace: &Namespace, rules: Rules<'_>, now: Timestamp) -> Facts {
    let made = items
        .iter()
        .filter_map(|item| item.made.as_ref())
        .map(|(_, object)| object.as_ref());
    let mut sources: BTreeMap<Reference, Fact<Data>> = made
        .filter_map(|object| {
            let (kind, data) = match kind_of(object) {
                "ConfigMap" => (Kind::ConfigMap, texts(&object.data["data"])),
                "Secret" => (Kind::Secret, decoded(&object.data["data"])),
                _ => return None,
            };
            Some((
                Reference {
                    kind,
                    name: name_of(object).to_owned(),
                },
                Fact::Present(data),
            ))
        })
        .collect();
    for item in items.iter().filter_map(|item| item.made.as_ref()) {
        for container in pod(&item.1).iter().flat_map(super::templates::containers) {
            for reference in crate::environment::references(container) {
                sources.entry(reference).or_insert(Fact::Absent);
            }
        }
    }
    Facts {
        now,
        installation: Arc::new(Installation::default()),
        policies: Arc::new([(rules.policy_name.to_owned(), rules.policy.clone())].into()),
        protected: Arc::new(rules.protected.clone()),
        // What only a cluster knows is said by it.
        services: Arc::default(),
        fingerprints: Arc::default(),
        pods: Fact::Unknown,
        wanted_seal: None,
        preview: Preview::of(&namespace.metadata),
        sources,
    }
}

fn texts(data: &Value) -> Data {
    let fields = data.as_object().into_iter().flatten();
    fields
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// The Pod that a workload makes.
fn pod(object: &DynamicObject) -> Option<Value> {
    let pointer = match kind_of(object) {
        "Deployment" | "StatefulSet" | "Job" => "/spec/template",
        "CronJob" => "/spec/jobTemplate/spec/template",
        _ => return None,
    };
    object.data.pointer(pointer).cloned()
}

/// The creation of `object`, or of the Pod it makes.
fn request(object: &DynamicObject) -> Request {
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let (group, resource, reviewed) = match pod(object) {
        Some(mut pod) => {
            pod["apiVersion"] = json!("v1");
            pod["kind"] = json!("Pod");
            (String::new(), "pods".to_owned(), pod)
        }
        None => {
            let group = group_of(object).to_owned();
            (
                group,
                plural(kind_of(object)),
                serde_json::to_value(object).unwrap_or_default(),
            )
        }
    };
    Request {
        namespace,
        group,
        name: String::new(),
        uid: String::new(),
        ..Request::creation(reviewed, &resource, User::default())
    }
}
