//! What of a clone is its own and not its golden's: images, variables and Secrets that somebody asked for.
//!
//! It is marked on the objects themselves, so that the clone can be planned again from what is there. An image that
//! somebody else set since then, such as `kubectl set image`, is the clone's own as well.

use super::given::GivenSecret;
use super::image::ImageOverride;
use super::snapshot::{Snapshot, controller, is_same, kind_of, name_of};
use super::spec::CloneSpec;
use super::templates::{containers, is_single, places, pod_templates};
use super::variables::VariableOverride;
use super::verdict::Item;
use crate::keys;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kube::core::DynamicObject;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The annotation [`keys::OWN`], compact JSON. Names only.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Own {
    /// Containers whose image was asked for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    images: BTreeSet<String>,
    /// `container:NAME` of variables that were asked for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    variables: BTreeSet<String>,
    /// Whether it is a Secret that was given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    given: bool,
}

/// What a clone has of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Its images.
    pub images: Vec<ImageOverride>,
    /// Its variables.
    pub variables: Vec<VariableOverride>,
    /// Its Secrets.
    pub secrets: BTreeMap<String, GivenSecret>,
}

/// Marks what of `items` was asked for.
pub(super) fn mark(items: &mut [Item], snapshot: &Snapshot, spec: &CloneSpec) {
    for item in items {
        let Some((_, object)) = &mut item.made else {
            continue;
        };
        let own = own(object, snapshot, spec);
        if own != Own::default() {
            let text = serde_json::to_string(&own).unwrap_or_default();
            let annotations = object.metadata.annotations.get_or_insert_default();
            annotations.insert(keys::OWN.to_owned(), text);
        }
    }
}

fn own(object: &DynamicObject, snapshot: &Snapshot, spec: &CloneSpec) -> Own {
    let workload = name_of(object);
    let mut own = Own {
        given: kind_of(object) == "Secret" && spec.secrets.contains_key(workload),
        ..Own::default()
    };
    let Some(original) = original(object, snapshot) else {
        return own;
    };
    let single = is_single(original);
    for container in pod_templates(original).flat_map(containers) {
        let (name, image) = (text(container, "name"), text(container, "image"));
        if spec
            .images
            .iter()
            .any(|wanted| wanted.means(workload, name, single, image).is_some())
        {
            own.images.insert(name.to_owned());
        }
        let set = spec
            .variables
            .iter()
            .filter(|wanted| wanted.means(workload, name));
        own.variables
            .extend(set.map(|wanted| format!("{name}:{}", wanted.name)));
    }
    own
}

/// What the clone that holds `live` has of its own and `golden` still has a place for; `manager` is whose fields are ours.
pub fn kept(live: &Snapshot, golden: &Snapshot, manager: &str) -> Kept {
    let mut kept = Kept::default();
    let (mut images, mut variables) = (BTreeMap::new(), BTreeMap::new());
    for object in &live.objects {
        let annotations = object.metadata.annotations.as_ref();
        let own: Own = annotations
            .and_then(|all| serde_json::from_str(all.get(keys::OWN)?).ok())
            .unwrap_or_default();
        let name = name_of(object);
        if own.given
            && let Some(data) = object.data["data"].as_object()
        {
            let decoded = |value: &Value| BASE64_STANDARD.decode(value.as_str()?).ok();
            let data = data
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), decoded(value)?)));
            kept.secrets
                .insert(name.to_owned(), GivenSecret::new(data.collect()));
        }
        let Some(original) = original(object, golden) else {
            continue;
        };
        for container in pod_templates(object).flat_map(containers) {
            let place = text(container, "name");
            let mut known = pod_templates(original).flat_map(containers);
            if !known.any(|original| text(original, "name") == place) {
                continue;
            }
            if own.images.contains(place) || was_set(object, place, manager) {
                images.insert(format!("{name}/{place}"), text(container, "image").to_owned());
            }
            for entry in container["env"].as_array().into_iter().flatten() {
                let variable = text(entry, "name");
                if own.variables.contains(&format!("{place}:{variable}")) && entry["valueFrom"].is_null() {
                    let key = (name.to_owned(), place.to_owned(), variable.to_owned());
                    variables.insert(key, text(entry, "value").to_owned());
                }
            }
        }
    }
    kept.images = images
        .into_iter()
        .map(|(name, image)| ImageOverride { name, image })
        .collect();
    kept.variables = variables
        .into_iter()
        .map(|((workload, container, name), value)| VariableOverride {
            workload,
            container: Some(container),
            name,
            value,
        })
        .collect();
    kept
}

/// What the workload `object` is in `golden`. Most objects are none, and a golden is searched for none.
fn original<'g>(object: &DynamicObject, golden: &'g Snapshot) -> Option<&'g DynamicObject> {
    if places(object).is_empty() {
        return None;
    }
    let mut originals = golden.objects.iter();
    originals.find(|original| is_same(original, object) && controller(original).is_none())
}

/// Whether somebody but `manager` says what image `container` runs.
fn was_set(object: &DynamicObject, container: &str, manager: &str) -> bool {
    let field = format!("k:{{\"name\":\"{container}\"}}");
    let lists = ["f:containers", "f:initContainers"];
    let specs: Vec<String> = places(object)
        .iter()
        .map(|place| format!("{}/f:spec", place.replace('/', "/f:")))
        .collect();
    let others = object.metadata.managed_fields.iter().flatten();
    others
        .filter(|entry| entry.manager.as_deref() != Some(manager))
        .filter_map(|entry| entry.fields_v1.as_ref())
        .any(|fields| {
            let specs = specs.iter().filter_map(|spec| fields.0.pointer(spec));
            specs
                .flat_map(|spec| lists.map(|list| &spec[list][&field]["f:image"]))
                .any(|image| !image.is_null())
        })
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}
