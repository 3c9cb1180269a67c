//! ConfigMaps: connections to golden databases go, since they hold a password in clear; references are rewritten.

use super::{Context, Notes};
use crate::clone::{embedded, golden};
use kube::core::DynamicObject;
use serde_json::Value;

/// ConfigMaps that a controller puts into every namespace.
pub(in crate::clone) const MADE_EVERYWHERE: [&str; 4] = [
    "kube-root-ca.crt",
    "openshift-service-ca.crt",
    "istio-ca-root-cert",
    "linkerd-identity-trust-roots",
];

pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, notes: &mut Notes) {
    let databases = &context.policy.databases;
    let id = format!("ConfigMap/{}", super::name_of(object));
    let mounted = context.mounted.contains(super::name_of(object));
    let Some(data) = object.data.get_mut("data").and_then(Value::as_object_mut) else {
        return;
    };
    data.retain(|key, value| {
        let value = value.as_str().unwrap_or_default();
        if let Some(database) = golden::meant(databases, value) {
            notes.change(format!(
                "key {key} is dropped: its variables now mean branch {}",
                database.name
            ));
            if mounted {
                notes.warnings.push(format!(
                    "{id}: key {key} is mounted as a file too; the clone has no such file"
                ));
            }
            return false;
        }
        if let Some(why) = embedded::leak(value, context.data, databases) {
            notes.refuse(format!("key {key} {why}"), "take the connection from a variable");
        }
        true
    });
}
