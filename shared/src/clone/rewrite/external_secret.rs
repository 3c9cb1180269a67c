//! ExternalSecrets: copied, asking a store of the policy for keys made for previews. The Secret they make is never copied.
//!
//! Source: <https://external-secrets.io/latest/api/externalsecret/>.

use super::{Context, Notes, custom};
use crate::clone::secrets;
use crate::policy::Secrets;
use kube::core::DynamicObject;
use serde_json::{Value, json};

pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, notes: &mut Notes) {
    let secrets = &context.policy.secrets;
    let mut unmapped = Vec::new();
    if let Some(spec) = object.data.get_mut("spec") {
        walk(spec, secrets, notes, &mut unmapped);
    }
    if !unmapped.is_empty() {
        notes.refuse(
            unmapped.join("; "),
            format!(
                "add the store to secrets.stores, or a prefix of the key to secrets.keyMap, of PreviewPolicy {}, or give the Secret with --secret {}=FILE",
                context.policy_name,
                secrets::target(object),
            ),
        );
    }
    custom::refuse_leak(object, context, notes);
}

fn walk(value: &mut Value, secrets: &Secrets, notes: &mut Notes, unmapped: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                match key.as_str() {
                    "secretStoreRef" | "storeRef" => store(inner, secrets, notes, unmapped),
                    "remoteRef" | "extract" => remote(inner, "key", secrets, notes, unmapped),
                    "find" => remote(inner, "path", secrets, notes, unmapped),
                    _ => walk(inner, secrets, notes, unmapped),
                }
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| walk(item, secrets, notes, unmapped)),
        _ => {}
    }
}

/// The policy's own store, where it is the only one; else the golden's, where the policy lists it.
fn store(reference: &mut Value, secrets: &Secrets, notes: &mut Notes, unmapped: &mut Vec<String>) {
    let name = reference["name"].as_str().unwrap_or_default().to_owned();
    let is_cluster = reference["kind"] == "ClusterSecretStore";
    match secrets.stores.as_slice() {
        stores if is_cluster && stores.contains(&name) => {}
        [only] => {
            *reference = json!({ "name": only, "kind": "ClusterSecretStore" });
            notes.change(format!("it asks the store {only}"));
        }
        stores => {
            let stores = if stores.is_empty() {
                "none".to_owned()
            } else {
                stores.join(", ")
            };
            unmapped.push(format!("it asks the store {name}; the policy lists {stores}"));
        }
    }
}

fn remote(
    reference: &mut Value,
    field: &str,
    secrets: &Secrets,
    notes: &mut Notes,
    unmapped: &mut Vec<String>,
) {
    let key = reference[field].as_str().unwrap_or_default().to_owned();
    match secrets.map_key(&key) {
        Some(new) if new == key => {}
        Some(new) => {
            notes.change(format!("key {key} becomes {new}"));
            reference[field] = json!(new);
        }
        None if key.is_empty() => unmapped.push("it takes whatever is in the store".to_owned()),
        None => unmapped.push(format!("key {key} is the golden's")),
    }
}
