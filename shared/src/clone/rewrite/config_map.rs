//! ConfigMaps: connections to golden databases go, since they hold a password in clear; references are rewritten.

use super::{Context, Notes};
use crate::clone::golden;
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
    let Some(data) = object.data.get_mut("data").and_then(Value::as_object_mut) else {
        return;
    };
    data.retain(
        |key, value| match value.as_str().and_then(|value| golden::meant(databases, value)) {
            Some(database) => {
                notes.change(format!(
                    "key {key} is dropped: its variables now mean branch {}",
                    database.name
                ));
                false
            }
            None => true,
        },
    );
}
