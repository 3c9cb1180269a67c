//! KEDA's scalers: no larger than the policy's size, never paused as the golden's are.
//!
//! Source: <https://keda.sh/docs/latest/reference/scaledobject-spec/>.

use super::{Context, Notes, Sums, custom};
use kube::core::DynamicObject;
use serde_json::{Value, json};

pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, sums: &mut Sums, notes: &mut Notes) {
    let most = i64::from(context.policy.size.replicas);
    if let Some(spec) = object.data.get_mut("spec").and_then(Value::as_object_mut) {
        let count =
            |spec: &serde_json::Map<String, Value>, field: &str| spec.get(field).and_then(Value::as_i64);
        for (field, default) in [("minReplicaCount", 0), ("maxReplicaCount", 100)] {
            let wanted = count(spec, field).unwrap_or(default);
            if wanted > most {
                spec.insert(field.to_owned(), json!(most));
                notes.change(format!("{field} {wanted} becomes {most}"));
            }
        }
        // KEDA refuses an idle count that is not below the minimum.
        let least = count(spec, "minReplicaCount").unwrap_or(0);
        if count(spec, "idleReplicaCount").is_some_and(|idle| idle >= least) {
            spec.remove("idleReplicaCount");
        }
        if let Some(fallback) = spec
            .get_mut("fallback")
            .and_then(|fallback| fallback.get_mut("replicas"))
            && fallback.as_i64().is_some_and(|replicas| replicas > most)
        {
            *fallback = json!(most);
        }
    }
    custom::rewrite(object, context, sums, notes);
}
