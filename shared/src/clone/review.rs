//! The plan before admission's own rules: what the cluster would refuse is said before anything is written.

use super::golden::{decoded, texts};
use super::selection::plural;
use super::snapshot::{Snapshot, group_of, kind_of, name_of};
use super::spec::Rules;
use super::templates::{containers, pod_templates};
use super::verdict::Item;
use crate::admission::{Decision, Facts, Installation, Request, User, is_vendors_group, review};
use crate::environment::{Data, Fact, Kind, Reference};
use crate::preview::Preview;
use crate::reason::Reason;
use crate::violation::Violation;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Turns what admission would refuse into refusals, and returns what it would say besides.
pub(super) fn apply(
    items: &mut [Item],
    snapshot: &Snapshot,
    namespace: &Namespace,
    rules: Rules<'_>,
    now: Timestamp,
) -> Vec<String> {
    let facts = facts(items, namespace, rules, now);
    let unmade = items
        .iter()
        .filter(|item| item.kind == "ConfigMap" && item.made.is_none());
    let unmade: BTreeSet<String> = unmade.map(|item| format!(": ConfigMap {}", item.name)).collect();
    let golden = match snapshot.could_read("ConfigMap") {
        true => "it is not in the golden either",
        false => "whether the golden has it could not be read",
    };
    let mut warnings = Vec::new();
    for item in items.iter_mut() {
        let Some((_, object)) = &item.made else { continue };
        let refused = requests(object)
            .into_iter()
            .filter_map(|request| match review(&request, &facts) {
                Decision::Deny(violations) => Some(violations),
                _ => None,
            });
        let violations: Vec<Violation> = refused.flatten().collect();
        // The golden has the same gap: its Pods wait for what is missing, and so will the clone's.
        let (gaps, violations): (Vec<_>, Vec<_>) = violations
            .into_iter()
            .partition(|violation| violation.reason == Reason::EnvironmentUnresolved);
        // Secrets have verdicts of their own, and what the clone lacks of the golden is said where it is named.
        let told = |message: &str| {
            let missing = message.strip_suffix(" cannot be read").unwrap_or(message);
            let named = |map: &String| missing.ends_with(map) || missing.contains(&format!("{map},"));
            missing.contains(": Secret ") || unmade.iter().any(named)
        };
        let gaps = gaps.iter().filter(|gap| !told(&gap.message));
        warnings.extend(gaps.map(|gap| format!("{}: {}; {golden}", item.id(), gap.message)));
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
        for container in pod_templates(&item.1).flat_map(containers) {
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

/// The creation of `object` or, of what makes Pods, that of each Pod. Another vendor's kind is reviewed as itself, too: more
/// than its Pods may be in it.
fn requests(object: &DynamicObject) -> Vec<Request> {
    let pods = pod_templates(object).cloned().map(|mut pod| {
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        ("", "pods".to_owned(), pod)
    });
    let mut reviewed: Vec<(&str, String, Value)> = pods.collect();
    if reviewed.is_empty() || is_vendors_group(group_of(object)) {
        let itself = serde_json::to_value(object).unwrap_or_default();
        reviewed.push((group_of(object), plural(kind_of(object)), itself));
    }
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let request = |(group, resource, reviewed): (&str, String, Value)| Request {
        namespace: namespace.clone(),
        group: group.to_owned(),
        name: String::new(),
        uid: String::new(),
        ..Request::creation(reviewed, &resource, User::default())
    };
    reviewed.into_iter().map(request).collect()
}
