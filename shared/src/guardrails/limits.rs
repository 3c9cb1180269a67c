//! The LimitRange of a preview.

use crate::policy::Limits;
use serde_json::{Map, Value, json};

/// Its spec, with the defaults that the API server would fill in written out, so that what comes back compares equal.
/// Source: `SetDefaults_LimitRangeItem`; <https://kubernetes.io/docs/concepts/policy/limit-range/>.
pub(super) fn limit_range(limits: &Limits) -> Value {
    let text = |map: &std::collections::BTreeMap<String, String>| -> Map<String, Value> {
        map.iter()
            .map(|(key, value)| (key.clone(), Value::String(value.clone())))
            .collect()
    };
    let max = text(&limits.max);
    let filled = |mut map: Map<String, Value>, from: &Map<String, Value>| {
        for (key, value) in from {
            map.entry(key.clone()).or_insert_with(|| value.clone());
        }
        map
    };
    let default = filled(text(&limits.default), &max);
    let default_request = filled(text(&limits.default_request), &default);
    json!({ "limits": [{ "type": "Container", "default": default, "defaultRequest": default_request, "max": max }] })
}
