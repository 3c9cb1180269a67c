//! One-off Jobs: the policy says whether they run once more.

use super::{Context, Notes, Sums, pod};
use crate::policy::Jobs;
use kube::core::DynamicObject;
use serde_json::Value;

pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, sums: &mut Sums, notes: &mut Notes) {
    if context.policy.jobs == Jobs::Skip {
        notes.skip = Some(format!("policy {} skips one-off Jobs", context.policy_name));
        return;
    }
    let (by, name) = (
        format!("Job/{}", super::name_of(object)),
        super::name_of(object).to_owned(),
    );
    if let Some(spec) = object.data.get_mut("spec") {
        release(spec);
        if let Some(template) = spec.get_mut("template") {
            pod::rewrite(template, &name, &by, context, sums, notes);
            let labels = template
                .pointer_mut("/metadata/labels")
                .and_then(Value::as_object_mut);
            if let Some(labels) = labels {
                labels.retain(|key, _| !GENERATED.contains(&key.as_str()));
            }
        }
    }
    notes.change("it runs once more");
}

/// Labels that the Job controller puts on a template, and selects by.
/// Source: <https://kubernetes.io/docs/concepts/workloads/controllers/job/#specifying-your-own-pod-selector>.
const GENERATED: [&str; 4] = [
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
];

/// Takes the generated selector out; the clone's Job gets its own.
pub(super) fn release(spec: &mut Value) {
    if let Value::Object(fields) = spec {
        fields.remove("selector");
        fields.remove("manualSelector");
    }
}
