//! RoleBindings: those by which the environment's own ServiceAccounts get the environment's own Roles.

use super::{Context, Notes};
use kube::core::DynamicObject;
use serde_json::Value;

pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, notes: &mut Notes) {
    let text = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let subjects = object
        .data
        .get("subjects")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let own = |subject: &Value| {
        let namespace = text(subject, "namespace");
        text(subject, "kind") == "ServiceAccount" && (namespace.is_empty() || namespace == context.golden)
    };
    if !subjects.iter().all(own) {
        notes.skip = Some(format!(
            "policy {} decides who gets into a preview",
            context.policy_name
        ));
    } else if text(&object.data["roleRef"], "kind") != "Role" {
        notes.refuse(
            format!(
                "it gives a ServiceAccount the cluster's role {}",
                text(&object.data["roleRef"], "name")
            ),
            format!(
                "leave it out with --exclude RoleBinding/{}",
                super::name_of(object)
            ),
        );
    }
}
