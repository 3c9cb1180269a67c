//! The LimitRange of a preview, and what it does to a container.

use crate::policy::Limits;
use crate::quantity::Quantity;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a container gets that names nothing: limits and requests, with what the API server derives written out.
/// Source: `SetDefaults_LimitRangeItem`; <https://kubernetes.io/docs/concepts/policy/limit-range/>.
struct Defaults {
    limits: Map<String, Value>,
    requests: Map<String, Value>,
}

fn text(map: &BTreeMap<String, String>) -> Map<String, Value> {
    map.iter()
        .map(|(key, value)| (key.clone(), Value::String(value.clone())))
        .collect()
}

fn filled(mut map: Map<String, Value>, from: &Map<String, Value>) -> Map<String, Value> {
    for (key, value) in from {
        map.entry(key.clone()).or_insert_with(|| value.clone());
    }
    map
}

fn defaults(limits: &Limits) -> Defaults {
    let default = filled(text(&limits.default), &text(&limits.max));
    let requests = filled(text(&limits.default_request), &default);
    Defaults {
        limits: default,
        requests,
    }
}

/// Its spec, so that what comes back from the API server compares equal.
pub(super) fn limit_range(limits: &Limits) -> Value {
    let Defaults {
        limits: default,
        requests,
    } = defaults(limits);
    json!({ "limits": [{
        "type": "Container", "default": default, "defaultRequest": requests, "max": text(&limits.max)
    }] })
}

/// The `resources` of a container as the LimitRange would leave them; `None` where it would change nothing.
///
/// For a Pod that comes before the LimitRange is there: nothing fills them in later.
/// Source: `mergeContainerResources` of the LimitRanger admission plugin.
pub fn resources(container: &Value, limits: &Limits) -> Option<Value> {
    let given = |part: &str| {
        container["resources"][part]
            .as_object()
            .cloned()
            .unwrap_or_default()
    };
    let Defaults {
        limits: default,
        requests,
    } = defaults(limits);
    let mut limits = filled(given("limits"), &default);
    // A request above the default limit would make the Pod invalid; up to the maximum it is the container's to ask.
    for (resource, asked) in given("requests") {
        let above = |limit: &Value| {
            let amount = |value: &Value| value.as_str().and_then(|text| text.parse::<Quantity>().ok());
            amount(&asked) > amount(limit)
        };
        if !given("limits").contains_key(&resource) && limits.get(&resource).is_some_and(above) {
            limits.insert(resource, asked);
        }
    }
    // The API server takes a limit that was given for the request, before any LimitRange.
    let requests = filled(filled(given("requests"), &given("limits")), &requests);
    if limits == given("limits") && requests == given("requests") {
        return None;
    }
    let mut resources = container["resources"].as_object().cloned().unwrap_or_default();
    resources.insert("limits".to_owned(), Value::Object(limits));
    resources.insert("requests".to_owned(), Value::Object(requests));
    Some(Value::Object(resources))
}

/// The first resource of which a container of `pod` asks for more than `limits.max`.
pub fn exceeded<'l>(pod: &Value, limits: &'l Limits) -> Option<&'l str> {
    let lists = ["containers", "initContainers"];
    let containers = lists
        .iter()
        .flat_map(|list| pod["spec"][*list].as_array().into_iter().flatten());
    let asked: Vec<&Value> = containers
        .map(|container| &container["resources"]["limits"])
        .collect();
    let over = |(resource, max): &(&'l String, &'l String)| {
        let max = max.parse::<Quantity>().ok();
        let amount = |limits: &Value| limits[resource.as_str()].as_str()?.parse::<Quantity>().ok();
        asked
            .iter()
            .any(|limits| amount(limits).zip(max).is_some_and(|(asked, max)| asked > max))
    };
    limits
        .max
        .iter()
        .find(over)
        .map(|(resource, _)| resource.as_str())
}
