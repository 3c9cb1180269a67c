//! Deployments and StatefulSets: size, Pods, claims.

use super::{Context, Notes, Sums, claim, pod};
use kube::core::DynamicObject;
use serde_json::{Value, json};

pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, sums: &mut Sums, notes: &mut Notes) {
    let by = format!("{}/{}", super::kind_of(object), super::name_of(object));
    size(object, context, notes);
    let name = super::name_of(object).to_owned();
    if let Some(template) = object.data.pointer_mut("/spec/template") {
        pod::rewrite(template, &name, &by, context, sums, notes);
    }
    let claims = object
        .data
        .pointer_mut("/spec/volumeClaimTemplates")
        .and_then(Value::as_array_mut);
    let Some(claims) = claims.filter(|claims| !claims.is_empty()) else {
        return;
    };
    for template in claims {
        if let Some(metadata) = template.get_mut("metadata") {
            context.sanitizer.template_metadata(metadata);
        }
        if let Value::Object(fields) = template {
            fields.remove("status");
        }
        claim::empty(template, notes);
    }
    notes.change("its volumes come up empty");
}

/// Its autoscaler's business where it has one, else no more than the policy's size; a workload at rest stays at rest.
pub(super) fn size(object: &mut DynamicObject, context: &Context<'_>, notes: &mut Notes) {
    let by = format!("{}/{}", super::kind_of(object), super::name_of(object));
    if context.autoscaled.contains(&by) {
        // Two that set one field would undo each other at every run.
        if let Some(spec) = object.data.get_mut("spec").and_then(Value::as_object_mut) {
            spec.remove("replicas");
        }
        notes.change("its autoscaler decides about replicas");
        return;
    }
    let most = i64::from(context.policy.size.replicas);
    if let Some(replicas) = object.data.pointer_mut("/spec/replicas")
        && let Some(count) = replicas.as_i64().filter(|count| *count > most)
    {
        *replicas = json!(most);
        notes.change(format!("{count} replicas become {most}"));
    }
}
