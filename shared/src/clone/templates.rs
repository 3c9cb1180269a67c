//! Pod templates: where each kind of workload keeps its own, and what is in one.

use super::snapshot::{Snapshot, controller, kind_of};
use kube::core::DynamicObject;
use serde_json::Value;

/// Where each kind of workload keeps its Pod template.
const TEMPLATES: [(&str, &str); 4] = [
    ("Deployment", "/spec/template"),
    ("StatefulSet", "/spec/template"),
    ("CronJob", "/spec/jobTemplate/spec/template"),
    ("Job", "/spec/template"),
];

/// Where the containers of a Pod template stand, below its `spec`, in the order in which they are looked at.
const LISTS: [&str; 2] = ["initContainers", "containers"];

/// Every workload that nobody owns, with its Pod template.
pub(super) fn templates(snapshot: &Snapshot) -> impl Iterator<Item = (&DynamicObject, &Value)> {
    TEMPLATES.iter().flat_map(move |(kind, pointer)| {
        let objects = snapshot.of(kind).filter(|object| controller(object).is_none());
        objects.map(|object| (object, object.data.pointer(pointer).unwrap_or(&Value::Null)))
    })
}

/// The Pod template of a workload; null where it is none.
pub(super) fn template(object: &DynamicObject) -> &Value {
    let known = TEMPLATES.iter().find(|(kind, _)| *kind == kind_of(object));
    known
        .and_then(|(_, pointer)| object.data.pointer(pointer))
        .unwrap_or(&Value::Null)
}

/// The containers of a Pod template.
pub(super) fn containers(template: &Value) -> impl Iterator<Item = &Value> {
    LISTS
        .iter()
        .filter_map(|list| {
            template
                .pointer(&format!("/spec/{list}"))
                .and_then(Value::as_array)
        })
        .flatten()
}

/// The same, to be changed.
pub(super) fn containers_mut(template: &mut Value) -> impl Iterator<Item = &mut Value> {
    let spec = template.get_mut("spec").and_then(Value::as_object_mut);
    let lists = spec.into_iter().flatten();
    let mut lists: Vec<_> = lists
        .filter_map(|(key, list)| Some((LISTS.iter().position(|known| known == key)?, list.as_array_mut()?)))
        .collect();
    lists.sort_by_key(|(at, _)| *at);
    lists.into_iter().flat_map(|(_, list)| list)
}

/// Names of the ConfigMaps that the Pods of a template mount as files.
pub(super) fn mounted(template: &Value) -> impl Iterator<Item = &str> {
    let volumes = template.pointer("/spec/volumes").and_then(Value::as_array);
    let sources = volumes.into_iter().flatten().flat_map(|volume| {
        let projected = volume.pointer("/projected/sources").and_then(Value::as_array);
        std::iter::once(volume).chain(projected.into_iter().flatten())
    });
    sources.filter_map(|source| source.pointer("/configMap/name").and_then(Value::as_str))
}
