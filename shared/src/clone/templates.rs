//! Pod templates: where each kind of workload keeps its own, and what is in one.
//!
//! Of Kubernetes' own kinds that is known. In those of other vendors a template is found by convention: a field called so,
//! whose `spec` has containers. One object may have several.
//!
//! Source of the convention: <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md>.

use super::snapshot::{Snapshot, controller, group_of, kind_of};
use crate::admission::is_vendors_group;
use kube::core::DynamicObject;
use serde_json::Value;
use std::borrow::Cow;

/// Where each of Kubernetes' own kinds keeps its Pod template.
const TEMPLATES: [(&str, &str); 4] = [
    ("Deployment", "/spec/template"),
    ("StatefulSet", "/spec/template"),
    ("CronJob", "/spec/jobTemplate/spec/template"),
    ("Job", "/spec/template"),
];

/// Where the containers of a Pod template stand, below its `spec`, in the order in which they are looked at.
const LISTS: [&str; 2] = ["initContainers", "containers"];

/// Where the Pod templates of `object` are, as pointers into it.
pub(super) fn places(object: &DynamicObject) -> Vec<Cow<'static, str>> {
    if is_vendors_group(group_of(object)) {
        let mut found = Vec::new();
        // What a controller reports is nobody's wish.
        let fields = object.data.as_object().into_iter().flatten();
        for (key, value) in fields.filter(|(key, _)| *key != "status") {
            search(key, value, String::new(), &mut found);
        }
        return found;
    }
    let mut known = TEMPLATES.iter().filter(|(kind, _)| *kind == kind_of(object));
    let place = known.find(|(_, place)| object.data.pointer(place).is_some());
    place
        .map(|(_, place)| Cow::Borrowed(*place))
        .into_iter()
        .collect()
}

fn search(key: &str, value: &Value, above: String, found: &mut Vec<Cow<'static, str>>) {
    let place = format!("{above}/{}", key.replace('~', "~0").replace('/', "~1"));
    if is_template(key, value) {
        found.push(Cow::Owned(place));
        return;
    }
    match value {
        Value::Object(fields) => {
            let fields = fields.iter();
            fields.for_each(|(key, value)| search(key, value, place.clone(), found));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(index, item)| search(&index.to_string(), item, place.clone(), found));
        }
        _ => {}
    }
}

/// Whether `value` in the field `key` of another vendor's kind is a Pod template. Operators fill in what is not written: the
/// image, mostly.
pub(super) fn is_template(key: &str, value: &Value) -> bool {
    let first = value.pointer("/spec/containers/0");
    key.to_ascii_lowercase().ends_with("template")
        && first.is_some_and(|container| container["name"].is_string() || container["image"].is_string())
}

/// The Pod templates of `object`; none where it is no workload.
pub fn pod_templates(object: &DynamicObject) -> impl Iterator<Item = &Value> {
    let places = places(object).into_iter();
    places.filter_map(|place| object.data.pointer(&place))
}

/// Every Pod template of every workload that nobody owns.
pub(super) fn templates(snapshot: &Snapshot) -> impl Iterator<Item = (&DynamicObject, &Value)> {
    let objects = snapshot
        .objects
        .iter()
        .filter(|object| controller(object).is_none());
    objects.flat_map(|object| pod_templates(object).map(move |template| (object, template)))
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

/// Whether `object` has one container, which may go by the workload's name then.
pub(super) fn is_single(object: &DynamicObject) -> bool {
    pod_templates(object).flat_map(containers).count() == 1
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
