//! Looking over the whole golden before planning: who owns, sizes and mounts what, and which images can be meant.

use super::image::ImageOverride;
use super::mistake::Mistake;
use super::snapshot::{Snapshot, controller, kind_of, name_of};
use super::spec::CloneSpec;
use super::templates::{self, pod_templates, templates};
use super::variables;
use kube::core::DynamicObject;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

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
    templates(snapshot)
        .flat_map(|(_, template)| templates::mounted(template))
        .map(str::to_owned)
        .collect()
}

/// ServiceAccounts that Pods run as, as far as what makes these is part of the clone.
pub(super) fn accounts(snapshot: &Snapshot, part: impl Fn(&DynamicObject) -> bool) -> BTreeSet<String> {
    let mut accounts = BTreeSet::new();
    let makers = snapshot.objects.iter().filter(|object| {
        let is_instance = kind_of(object) == "Pod" || controller(object).is_some();
        !is_instance && part(object)
    });
    for object in makers {
        let mut named = BTreeSet::new();
        accounts_in(&object.data, &mut named);
        if named.is_empty() && pod_templates(object).next().is_some() {
            named.insert("default".to_owned());
        }
        accounts.append(&mut named);
    }
    accounts
}

/// Collects the ServiceAccounts that fields name, in whichever kind.
fn accounts_in(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                match inner {
                    Value::String(name)
                        if ["serviceAccountName", "serviceAccount"].contains(&key.as_str()) =>
                    {
                        found.insert(name.clone());
                    }
                    inner => accounts_in(inner, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| accounts_in(item, found)),
        _ => {}
    }
}

/// The golden's autoscalers, Kubernetes' own and KEDA's.
pub(super) fn scalers(snapshot: &Snapshot) -> impl Iterator<Item = &DynamicObject> {
    snapshot.objects.iter().filter(|object| is_scaler(object))
}

/// Whether `object` sizes others.
pub(super) fn is_scaler(object: &DynamicObject) -> bool {
    ["HorizontalPodAutoscaler", "ScaledObject"].contains(&kind_of(object))
}

/// `Kind/name` of what an autoscaler sizes.
pub(super) fn scaled(scaler: &DynamicObject) -> Option<String> {
    let target = scaler.data.pointer("/spec/scaleTargetRef")?;
    // KEDA takes a Deployment where no kind is written.
    let kind = target["kind"].as_str().unwrap_or("Deployment");
    Some(format!("{kind}/{}", target["name"].as_str()?))
}

/// What the golden's autoscalers size, as far as these are part of the clone.
pub(super) fn autoscaled(snapshot: &Snapshot, part: impl Fn(&DynamicObject) -> bool) -> BTreeSet<String> {
    scalers(snapshot)
        .filter(|scaler| part(scaler))
        .filter_map(scaled)
        .collect()
}

/// Every `--image` must mean exactly one kind of container, every `--set-env` some.
pub(super) fn check(snapshot: &Snapshot, spec: &CloneSpec) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut containers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (object, template) in templates(snapshot) {
        let names = templates::containers(template).filter_map(|c| c.get("name").and_then(Value::as_str));
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
        let single = templates::is_single(object);
        templates::containers(template).any(|container| {
            let text = |field: &str| container[field].as_str().unwrap_or_default();
            image
                .means(name_of(object), text("name"), single, text("image"))
                .is_some()
        })
    })
}
