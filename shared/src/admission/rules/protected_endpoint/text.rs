//! Kinds that nobody here knows: any text in them may be a host.

use super::violation;
use crate::protected::{Bounds, Place};
use crate::violation::Violation;
use serde_json::Value;

/// Every text below `spec` (or beside it) that would reach out of bounds.
pub(super) fn anywhere(object: &Value, bounds: &Bounds<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (key, value) in object.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
            search(value, key, bounds, &mut found);
        }
    }
    found
}

fn search(value: &Value, path: &str, bounds: &Bounds<'_>, found: &mut Vec<Violation>) {
    match value {
        Value::String(text) => {
            if let Some((host, why)) = bounds.reached(text, Place::File) {
                found.push(violation(path, format!("host {host} is {why}")));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                search(item, &format!("{path}[{index}]"), bounds, found);
            }
        }
        Value::Object(fields) => {
            for (key, inner) in fields {
                search(inner, &format!("{path}.{key}"), bounds, found);
            }
        }
        _ => {}
    }
}
