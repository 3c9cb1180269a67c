//! Looking over the whole golden before planning: who owns, sizes and mounts what, and which images can be meant.

use super::image::ImageOverride;
use super::mistake::Mistake;
use super::rewrite;
use super::snapshot::{Snapshot, kind_of, name_of};
use super::spec::CloneSpec;
use super::variables;
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

/// What the default ServiceAccount pulls images by, where that is anything.
pub(super) fn default_pull(snapshot: &Snapshot) -> Option<&Value> {
    let mut accounts = snapshot.of("ServiceAccount");
    let default = accounts.find(|account| name_of(account) == "default")?;
    let secrets = default.data.get("imagePullSecrets")?;
    secrets
        .as_array()
        .is_some_and(|list| !list.is_empty())
        .then_some(secrets)
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
pub(super) fn autoscaled(snapshot: &Snapshot, part: impl Fn(&DynamicObject) -> bool) -> BTreeSet<String> {
    let scalers = ["HorizontalPodAutoscaler", "ScaledObject"]
        .into_iter()
        .flat_map(|kind| snapshot.of(kind));
    let text = |scaler: &DynamicObject, field: &str| {
        let target = scaler.data.pointer(&format!("/spec/scaleTargetRef/{field}"));
        target.and_then(Value::as_str).map(str::to_owned)
    };
    scalers
        .filter(|scaler| part(scaler))
        .filter_map(|scaler| {
            // KEDA takes a Deployment where no kind is written.
            let kind = text(scaler, "kind").unwrap_or_else(|| "Deployment".to_owned());
            Some(format!("{kind}/{}", text(scaler, "name")?))
        })
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

/// Every `--image` must mean exactly one kind of container, every `--set-env` some.
pub(super) fn check(snapshot: &Snapshot, spec: &CloneSpec) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut containers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (object, template) in templates(snapshot) {
        let names = rewrite::containers(template).filter_map(|c| c.get("name").and_then(Value::as_str));
        containers.entry(name_of(object)).or_default().extend(names);
    }
    mistakes.extend(variables::check(&containers, &spec.variables));
    let mut seen = BTreeSet::new();
    for image in &spec.images {
        if !seen.insert(&image.name) {
            mistakes.push(Mistake::TwoImages(image.name.clone()));
        } else if !is_meant(image, snapshot) {
            let join = |names: &mut dyn Iterator<Item = &str>| {
                names
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            mistakes.push(match containers.get(image.name.as_str()) {
                Some(names) => Mistake::AmbiguousImage {
                    image: image.clone(),
                    known: join(&mut names.iter().copied()),
                },
                None => Mistake::UnknownImage {
                    image: image.clone(),
                    known: join(&mut containers.values().flatten().copied()),
                },
            });
        }
    }
    mistakes
}

/// Whether `image` means a container of the golden.
fn is_meant(image: &ImageOverride, snapshot: &Snapshot) -> bool {
    templates(snapshot).any(|(object, template)| {
        let single = rewrite::containers(template).count() == 1;
        let text = |container: &Value, field: &str| container[field].as_str().unwrap_or_default().to_owned();
        rewrite::containers(template).any(|container| {
            let (name, golden) = (text(container, "name"), text(container, "image"));
            image.means(name_of(object), &name, single, &golden).is_some()
        })
    })
}
