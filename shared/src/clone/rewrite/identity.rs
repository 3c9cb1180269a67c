//! Cloud identities: nothing of a clone acts as the golden in a cloud account.
//!
//! By the tables of admission, which would take the same off each Pod; here it is said, and gone from what makes the Pods.

use super::Notes;
use crate::admission::{CLOUD_IDENTITIES, cloud};
use crate::clone::templates::containers_mut;
use serde_json::Value;
use std::collections::BTreeSet;

/// Annotations that only tell a cloud's webhook how to give an identity.
const SETTINGS: [&str; 2] = ["eks.amazonaws.com/", "azure.workload.identity/"];

/// Whether a label or annotation `key` gives an identity.
pub(super) fn is_mark(key: &str) -> bool {
    CLOUD_IDENTITIES.iter().any(|(_, mark)| *mark == key)
        || SETTINGS.iter().any(|prefix| key.starts_with(prefix))
}

/// Takes the identity off a Pod template: its marks, and volumes of nothing but tokens for a cloud. One that holds more is
/// refused by admission's own rule.
pub(super) fn drop_from(template: &mut Value, notes: &mut Notes) {
    let mut dropped = false;
    for map in ["labels", "annotations"] {
        let marks = template.pointer_mut(&format!("/metadata/{map}"));
        if let Some(marks) = marks.and_then(Value::as_object_mut) {
            let before = marks.len();
            marks.retain(|key, _| !is_mark(key));
            dropped |= marks.len() < before;
        }
    }
    let mut gone = BTreeSet::new();
    let volumes = template
        .pointer_mut("/spec/volumes")
        .and_then(Value::as_array_mut);
    if let Some(volumes) = volumes {
        volumes.retain(|volume| {
            let sources = volume.pointer("/projected/sources").and_then(Value::as_array);
            let tokens = sources.is_some_and(|sources| {
                !sources.is_empty() && sources.iter().all(|source| cloud(source).is_some())
            });
            if tokens {
                gone.extend(volume["name"].as_str().map(str::to_owned));
            }
            !tokens
        });
    }
    for container in containers_mut(template) {
        if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
            mounts.retain(|mount| !mount["name"].as_str().is_some_and(|name| gone.contains(name)));
        }
    }
    if dropped || !gone.is_empty() {
        notes.change("the cloud identity is dropped");
    }
}
