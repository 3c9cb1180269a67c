//! Secrets that the policy lists for copying, or that manifests hold. What is said about them never holds a value.

use super::{Context, Notes};
use crate::clone::references::Found;
use crate::clone::{golden, outside};
use crate::connection;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kube::core::DynamicObject;
use serde_json::{Value, json};

pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, notes: &mut Notes) {
    let (databases, name) = (&context.policy.databases, super::name_of(object).to_owned());
    let Some(data) = object.data.get_mut("data").and_then(Value::as_object_mut) else {
        return;
    };
    let (mut found, mut new) = (Found::default(), Vec::new());
    // What the policy lists its author has judged.
    if !context.policy.secrets.copy.contains(&name) {
        let texts = golden::decoded(&Value::Object(data.clone()));
        let outside = outside::passwords((&json!(*texts), "data"), &name, context).into_keys();
        let remedy = outside::remedy("a server");
        notes
            .warnings
            .extend(outside.map(|path| format!("Secret/{name}: {path} {remedy}")));
    }
    data.retain(|key, encoded| {
        let bytes = encoded
            .as_str()
            .and_then(|text| BASE64_STANDARD.decode(text).ok());
        let Some(mut text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) else {
            return connection::marked(databases, &name, key).is_none();
        };
        let database = golden::meant(databases, &text).or_else(|| connection::marked(databases, &name, key));
        if let Some(database) = database {
            notes.change(format!(
                "key {key} is dropped: its variables now mean branch {}",
                database.name
            ));
            return false;
        }
        let (id, path) = (format!("Secret/{name}"), format!("data[{key}]"));
        let renewal = context.credentials.renew(&format!("{id}/{key}"), &text);
        notes
            .warnings
            .extend(renewal.warnings.iter().map(|why| format!("{id}: {path} {why}")));
        let mut changed = renewal.text.is_some();
        if let Some(renewed) = renewal.text {
            text = renewed;
            new.push(key.clone());
        }
        let before = found.rewritten.len();
        context.references.place(&mut text, &path, &mut found);
        changed |= found.rewritten.len() > before;
        if changed {
            *encoded = Value::String(BASE64_STANDARD.encode(text));
        }
        true
    });
    if !new.is_empty() {
        notes.change(format!(
            "the environment's own passwords are new in {}",
            new.join(", ")
        ));
    }
    // What stands there is a Secret's: only its place is told.
    notes.warnings.extend(found.dangling.iter().map(|(path, _)| {
        format!("Secret/{name}: {path} names a Service that is no part of the clone; what uses it will not reach anything")
    }));
    notes.warnings.extend(found.doubtful.iter().map(|(path, _)| {
        format!(
            "Secret/{name}: {path} holds what looks like a reference to {} and was left as it is",
            context.golden
        )
    }));
    notes.warnings.extend(found.outside.iter().map(|outside| {
        format!(
            "Secret/{name}: {} names the golden host {} or what stands below it, and was left as it is",
            outside.path, outside.host
        )
    }));
    if !found.rewritten.is_empty() {
        notes.change(format!(
            "references to {} in {} now mean the clone",
            context.golden,
            found.rewritten.join(", ")
        ));
    }
}

/// Changes the text that `value` encodes; what is no text stays.
pub(in crate::clone) fn in_base64(value: &mut Value, change: impl FnOnce(&mut String)) {
    let bytes = value.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
    if let Some(mut text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
        change(&mut text);
        *value = Value::String(BASE64_STANDARD.encode(text));
    }
}
