//! What differs between a clone and a plan of it that was made again.
//!
//! What an object would become is the API server's answer to a trial, so that defaults and quantities are no differences.

use super::claims;
use super::kinds::{Treatment, treatment};
use super::plan::Plan;
use super::rewrite;
use super::sanitize::is_guardrail;
use super::snapshot::{Snapshot, group_of, kind_of, name_of};
use crate::keys;
use crate::policy::PreviewPolicySpec;
use kube::core::DynamicObject;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    /// Where it stands.
    pub path: String,
    /// What is there; null where nothing is, or where it is not to be shown.
    pub from: Value,
    /// What it would become; likewise.
    pub to: Value,
}

/// An object that no plan makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Extra<'s> {
    /// The object.
    pub object: &'s DynamicObject,
    /// Whether a clone made it, and the golden has it no longer: what may be pruned.
    pub ours: bool,
}

/// Fields that change by themselves.
const PASSING: [&str; 6] = [
    "managedFields",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "uid",
    "ownerReferences",
];

/// What `would_be` changes of `live`. Of Secrets, ConfigMaps and variables the names, never the values.
pub fn changes(live: &DynamicObject, would_be: &DynamicObject) -> Vec<FieldChange> {
    let mut found = Vec::new();
    walk(&content(live), &content(would_be), "", &mut found);
    let secret = kind_of(live) == "Secret";
    for change in found
        .iter_mut()
        .filter(|change| secret || is_content(&change.path))
    {
        (change.from, change.to) = (Value::Null, Value::Null);
    }
    found
}

/// Whether `live`, a Service without an address, is to have one as `planned`: the API server keeps what was allocated, `None`
/// too, and says nothing of it.
/// Source: <https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/core/service/storage/alloc.go>, and
/// `patchAllocatedValues` beside it.
pub fn stays_headless(live: &DynamicObject, planned: &DynamicObject) -> bool {
    let is_headless = |object: &DynamicObject| object.data["spec"]["clusterIP"] == "None";
    let has_none = planned.data["spec"]["type"] == "ExternalName";
    kind_of(live) == "Service" && is_headless(live) && !is_headless(planned) && !has_none
}

/// Whether a program reads what stands there: connection strings and tokens may be among it.
fn is_content(path: &str) -> bool {
    let places = [".env", ".args", ".command"];
    path.starts_with("data")
        || path.starts_with("binaryData")
        || places.iter().any(|place| path.contains(place))
}

fn content(object: &DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|field, _| !matches!(field.as_str(), "status" | "apiVersion" | "kind"));
    }
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.retain(|field, _| !PASSING.contains(&field.as_str()));
        // A note of ours on what is the clone's own, and nothing that runs.
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(keys::OWN);
        }
        metadata.retain(|_, value| value.as_object().is_none_or(|fields| !fields.is_empty()));
    }
    value
}

fn walk(from: &Value, to: &Value, path: &str, found: &mut Vec<FieldChange>) {
    if from == to {
        return;
    }
    match (from, to) {
        (Value::Object(left), Value::Object(right)) => fields(left, right, path, found),
        (Value::Array(left), Value::Array(right)) if named(left) && named(right) => {
            let names = left.iter().chain(right).filter_map(|item| item["name"].as_str());
            for name in names.collect::<BTreeSet<_>>() {
                let of = |list: &[Value]| list.iter().find(|item| item["name"] == name).cloned();
                let pair = (of(left).unwrap_or_default(), of(right).unwrap_or_default());
                walk(&pair.0, &pair.1, &format!("{path}[{name}]"), found);
            }
            let order = |list: &[Value]| list.iter().map(|item| item["name"].clone()).collect::<Vec<_>>();
            if left.len() == right.len() && order(left) != order(right) && found.is_empty() {
                push(
                    &Value::Array(order(left)),
                    &Value::Array(order(right)),
                    path,
                    found,
                );
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                walk(left, right, &format!("{path}[{index}]"), found);
            }
        }
        _ => push(from, to, path, found),
    }
}

fn fields(left: &Map<String, Value>, right: &Map<String, Value>, path: &str, found: &mut Vec<FieldChange>) {
    for key in left.keys().chain(right.keys()).collect::<BTreeSet<_>>() {
        let dotted = key.contains(['.', '/']);
        let path = match (path.is_empty(), dotted) {
            (true, _) => key.clone(),
            (false, true) => format!("{path}[{key}]"),
            (false, false) => format!("{path}.{key}"),
        };
        let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
        walk(&of(left), &of(right), &path, found);
    }
}

fn push(from: &Value, to: &Value, path: &str, found: &mut Vec<FieldChange>) {
    found.push(FieldChange {
        path: path.to_owned(),
        from: from.clone(),
        to: to.clone(),
    });
}

fn named(list: &[Value]) -> bool {
    !list.is_empty() && list.iter().all(|item| item["name"].is_string())
}

/// What is in the clone and in no plan of it. `made` are the objects that the clone was born with, as its lineage lists
/// them; `manager` is whose fields are ours. What came later is ours where the golden has nothing of its name any more;
/// where it has, somebody asked for it beside what the clone was born with.
pub fn extras<'s>(
    plan: &Plan,
    live: &'s Snapshot,
    policy: &PreviewPolicySpec,
    made: &BTreeSet<String>,
    manager: &str,
) -> Vec<Extra<'s>> {
    let planned: BTreeSet<String> = plan
        .items
        .iter()
        .filter(|item| item.made.is_some())
        .map(|item| item.id())
        .collect();
    // What something in the plan makes again is expected.
    let expected = plan
        .items
        .iter()
        .filter(|item| item.verdict == super::Verdict::ReCreate);
    let expected: BTreeSet<String> = expected.map(|item| item.id()).collect();
    let in_golden: BTreeSet<String> = plan.items.iter().map(|item| item.id()).collect();
    let extra = live.objects.iter().filter(|object| {
        let id = id(object);
        // Of a kind that could not be listed nobody knows what the golden has.
        let unknown = plan.unreadable.iter().any(|kind| kind.kind == kind_of(object));
        !unknown && !planned.contains(&id) && !expected.contains(&id) && is_somebodys(object, live, policy)
    });
    extra
        .map(|object| Extra {
            object,
            ours: is_applied(object, manager)
                && (made.contains(&id(object)) || !in_golden.contains(&id(object))),
        })
        .collect()
}

/// Whether a clone might have made the object: of a kind that clones make, and not by itself, the cluster or the controller.
fn is_somebodys(object: &DynamicObject, live: &Snapshot, policy: &PreviewPolicySpec) -> bool {
    let name = name_of(object);
    let made_for_it = match kind_of(object) {
        "Secret" => {
            let ours = name.starts_with(keys::BRANCH_SECRET_PREFIX) || name == keys::SEED_SECRET.0;
            ours || policy.secrets.fans_out(name)
        }
        "PersistentVolumeClaim" => claims::maker(live, name).is_some(),
        _ => rewrite::is_made_everywhere(object),
    };
    let owned = object.metadata.owner_references.iter().flatten().next().is_some();
    let makeable = matches!(
        treatment(group_of(object), kind_of(object), policy),
        Treatment::Make(_)
    );
    let leaving = object.metadata.deletion_timestamp.is_some();
    makeable && !made_for_it && !owned && !is_guardrail(object) && !leaving
}

fn is_applied(object: &DynamicObject, manager: &str) -> bool {
    let entries = object.metadata.managed_fields.iter().flatten();
    entries
        .filter(|entry| entry.operation.as_deref() == Some("Apply"))
        .any(|entry| entry.manager.as_deref() == Some(manager))
}

fn id(object: &DynamicObject) -> String {
    crate::violation::printable(&format!("{}/{}", kind_of(object), name_of(object)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_container_is_compared_by_its_name() {
        let web = |image: &str, env: Value| {
            object(
                json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "resourceVersion": image },
                "spec": { "containers": [{ "name": "side", "image": "s:1" }, { "name": "web", "image": image, "env": env }] } }),
            )
        };
        let found = changes(
            &web("a:1", json!([])),
            &web("a:2", json!([{ "name": "X", "value": "y" }])),
        );
        let paths: Vec<_> = found.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths, ["spec.containers[web].env", "spec.containers[web].image"]);
        assert_eq!((&found[1].from, &found[1].to), (&json!("a:1"), &json!("a:2")));
        assert!(changes(&web("a:1", json!([])), &web("a:1", json!([]))).is_empty());
    }

    #[test]
    fn no_value_of_a_secret_is_ever_shown() {
        // F06
        let secret = |value: &str| {
            object(
                json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "data": { "key": value } }),
            )
        };
        let found = changes(&secret("aHVudGVyMg=="), &secret("b3RoZXI="));
        assert_eq!(found[0].path, "data.key");
        assert!(!serde_json::to_string(&found).unwrap().contains("aHVudGVyMg"));
    }
}
