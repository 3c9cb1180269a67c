//! Looking over the whole golden before planning: who owns, sizes and mounts what, and which images can be meant.

use super::mistake::Mistake;
use super::rewrite;
use super::snapshot::{Snapshot, name_of};
use super::spec::CloneSpec;
use kube::core::DynamicObject;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Where each kind of workload keeps its Pod template.
const TEMPLATES: [(&str, &str); 4] = [
    ("Deployment", "/spec/template"),
    ("StatefulSet", "/spec/template"),
    ("CronJob", "/spec/jobTemplate/spec/template"),
    ("Job", "/spec/template"),
];

/// Every workload that nobody owns, with its Pod template.
fn templates(snapshot: &Snapshot) -> impl Iterator<Item = (&DynamicObject, &Value)> {
    TEMPLATES.iter().flat_map(move |(kind, pointer)| {
        let objects = snapshot.of(kind).filter(|object| controller(object).is_none());
        objects.map(|object| (object, object.data.pointer(pointer).unwrap_or(&Value::Null)))
    })
}

/// ConfigMaps that some Pod mounts as files.
pub(super) fn mounted(snapshot: &Snapshot) -> BTreeSet<String> {
    let volumes = templates(snapshot)
        .filter_map(|(_, template)| template.pointer("/spec/volumes").and_then(Value::as_array))
        .flatten();
    volumes
        .flat_map(|volume| {
            let projected = volume.pointer("/projected/sources").and_then(Value::as_array);
            std::iter::once(volume).chain(projected.into_iter().flatten())
        })
        .filter_map(|source| source.pointer("/configMap/name").and_then(Value::as_str))
        .map(str::to_owned)
        .collect()
}

/// What the golden's autoscalers size, as far as these are part of the clone.
pub(super) fn autoscaled(snapshot: &Snapshot, part: impl Fn(&str, &str) -> bool) -> BTreeSet<String> {
    const KIND: &str = "HorizontalPodAutoscaler";
    let scalers = snapshot.of(KIND).filter(|scaler| part(KIND, name_of(scaler)));
    let text = |scaler: &DynamicObject, field: &str| {
        let target = scaler.data.pointer(&format!("/spec/scaleTargetRef/{field}"));
        target.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    scalers
        .map(|scaler| format!("{}/{}", text(scaler, "kind"), text(scaler, "name")))
        .collect()
}

/// Kind and name of the controller that owns `object`.
pub(super) fn controller(object: &DynamicObject) -> Option<(&str, &str)> {
    let owners = object.metadata.owner_references.iter().flatten();
    owners
        .filter(|owner| owner.controller == Some(true))
        .map(|owner| (owner.kind.as_str(), owner.name.as_str()))
        .next()
}

/// Every `--image` must mean exactly one kind of container.
pub(super) fn check_images(snapshot: &Snapshot, spec: &CloneSpec) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut containers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (object, template) in templates(snapshot) {
        let names = rewrite::containers(template).filter_map(|c| c.get("name").and_then(Value::as_str));
        containers.entry(name_of(object)).or_default().extend(names);
    }
    let all: BTreeSet<&str> = containers.values().flatten().copied().collect();
    let mut seen = BTreeSet::new();
    for image in &spec.images {
        if !seen.insert(&image.name) {
            mistakes.push(Mistake::TwoImages(image.name.clone()));
        } else if !all.contains(image.name.as_str()) {
            let join = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
            match containers.get(image.name.as_str()) {
                Some(names) if names.len() == 1 => {}
                Some(names) => mistakes.push(Mistake::AmbiguousImage {
                    image: image.clone(),
                    known: join(names),
                }),
                None => mistakes.push(Mistake::UnknownImage {
                    image: image.clone(),
                    known: join(&all),
                }),
            }
        }
    }
    mistakes
}
