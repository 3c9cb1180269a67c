//! HorizontalPodAutoscalers: clamped to the policy's size.

use super::{Context, Notes};
use kube::core::DynamicObject;
use serde_json::{Value, json};

pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, notes: &mut Notes) {
    let most = i64::from(context.policy.size.replicas);
    for field in ["minReplicas", "maxReplicas"] {
        if let Some(value) = object.data.pointer_mut(&format!("/spec/{field}"))
            && let Some(count) = value.as_i64().filter(|count| *count > most)
        {
            *value = Value::from(most);
            notes.change(format!("{field} {count} becomes {most}"));
        }
    }
    // Scaling to zero needs metrics that a preview may not have; one is the least that can be clamped to.
    if object.data.pointer("/spec/maxReplicas") == Some(&json!(0)) {
        object.data["spec"]["maxReplicas"] = json!(1);
    }
}
