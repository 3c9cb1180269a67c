//! Other vendors' kinds: what stands in their fields by convention. Pod templates are rewritten as such, `spec.replicas` beside
//! one is a size, Secrets that are referred to count as used, connections to golden databases are refused.

use super::{Context, Notes, Sums, pod, workload};
use crate::clone::embedded;
use crate::clone::secrets::Usage;
use crate::clone::templates::{is_template, places};
use kube::core::DynamicObject;
use serde_json::Value;

pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, sums: &mut Sums, notes: &mut Notes) {
    let by = format!("{}/{}", super::kind_of(object), super::name_of(object));
    let name = super::name_of(object).to_owned();
    for place in places(object) {
        if place
            .rsplit_once('/')
            .is_some_and(|(beside, _)| beside == "/spec")
        {
            workload::size(object, context, notes);
        }
        if let Some(template) = object.data.pointer_mut(&place) {
            pod::rewrite(template, &name, &by, context, sums, notes);
        }
    }
    references(&object.data, "", &by, &mut sums.usage);
    refuse_leak(object, context, notes);
}

/// Refuses an object with a connection that must not stand in a clone.
pub(super) fn refuse_leak(object: &DynamicObject, context: &Context<'_>, notes: &mut Notes) {
    if let Some((path, why)) = leak(&object.data, "", context) {
        notes.refuse(format!("{path} {why}"), "take the connection from a variable");
    }
}

/// Counts the Secrets that fields name by convention; variables and volumes of Pod templates are counted with these.
fn references(value: &Value, path: &str, by: &str, usage: &mut Usage) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                let lower = key.to_ascii_lowercase();
                if is_template(key, inner) {
                    continue;
                }
                let mut count = |reference: &Value, path: &str| {
                    let text = |field: &str| reference.get(field).and_then(Value::as_str);
                    usage.uses(
                        text("name").unwrap_or_default(),
                        text("key"),
                        format!("{by}, {path}"),
                    );
                };
                match inner {
                    Value::String(name) if lower.ends_with("secretname") => {
                        usage.uses(name, None, format!("{by}, {path}"));
                    }
                    Value::Object(_)
                        if ["secretref", "secretkeyref", "secretkeyselector"]
                            .iter()
                            .any(|end| lower.ends_with(end)) =>
                    {
                        count(inner, &path);
                    }
                    Value::Array(items)
                        if lower.contains("secret")
                            && ["ref", "refs", "secrets"].iter().any(|end| lower.ends_with(end)) =>
                    {
                        items.iter().for_each(|item| count(item, &path));
                    }
                    inner => references(inner, &path, by, usage),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                references(item, &format!("{path}[{index}]"), by, usage);
            }
        }
        _ => {}
    }
}

/// The first string that holds a connection which must not stand in a clone.
fn leak(value: &Value, path: &str, context: &Context<'_>) -> Option<(String, String)> {
    match value {
        Value::String(text) => {
            let why = embedded::leak(text, context.data, &context.policy.databases)?;
            Some((path.to_owned(), why))
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| leak(item, &format!("{path}[{index}]"), context)),
        Value::Object(fields) => fields.iter().find_map(|(key, inner)| {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            leak(inner, &path, context)
        }),
        _ => None,
    }
}
