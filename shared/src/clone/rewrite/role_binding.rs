//! RoleBindings: those by which the environment's own ServiceAccounts get the environment's own Roles.
//!
//! A role of the cluster may give more than a preview allows. Where nothing of the clone runs by it, nobody misses it.

use super::{Context, Notes};
use kube::core::DynamicObject;
use serde_json::{Value, json};

pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, notes: &mut Notes) {
    let policy = context.policy_name;
    let subjects = object.data["subjects"].as_array().cloned().unwrap_or_default();
    let (own, others): (Vec<Value>, Vec<Value>) =
        subjects.into_iter().partition(|subject| is_own(subject, context));
    if own.is_empty() {
        notes.skip = Some(format!("policy {policy} decides who gets into a preview"));
        return;
    }
    if object.data["roleRef"]["kind"] != "Role" {
        let role = text(&object.data["roleRef"], "name");
        let names: Vec<&str> = own.iter().map(|subject| text(subject, "name")).collect();
        let what = format!("it gives {} the cluster's role {role}", names.join(", "));
        if own.iter().any(|subject| runs(subject, context)) {
            notes.refuse(
                format!("{what}, which may be more than a preview allows, and Pods of the clone run by it"),
                "give them a Role of the golden instead",
            );
        } else {
            notes.skip = Some(format!("{what}, and no Pod of the clone runs by it"));
        }
        return;
    }
    if !others.is_empty() {
        notes.change(format!(
            "it is for ServiceAccounts alone: policy {policy} decides who gets into a preview"
        ));
    }
    let group = everybody(&context.spec.name);
    let subjects = own.into_iter().map(|mut subject| {
        if subject["kind"] == "Group" {
            subject["name"] = json!(group);
        }
        subject
    });
    object.data["subjects"] = subjects.collect();
}

/// Whether it is a ServiceAccount of the golden, or all of them.
fn is_own(subject: &Value, context: &Context<'_>) -> bool {
    let namespace = text(subject, "namespace");
    match text(subject, "kind") {
        "ServiceAccount" => namespace.is_empty() || namespace == context.golden,
        "Group" => text(subject, "name") == everybody(context.golden),
        _ => false,
    }
}

/// Whether Pods of the clone run as `subject`.
fn runs(subject: &Value, context: &Context<'_>) -> bool {
    subject["kind"] == "Group" || context.accounts.contains(text(subject, "name"))
}

/// The group of a namespace's ServiceAccounts.
/// Source: <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-subjects>.
fn everybody(namespace: &str) -> String {
    format!("system:serviceaccounts:{namespace}")
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}
