//! ServiceAccounts: without the cloud identity, which would let a preview act as the original.

use super::{Context, Notes, Sums, identity};
use kube::core::DynamicObject;
use serde_json::Value;

pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, sums: &mut Sums, notes: &mut Notes) {
    let by = format!("ServiceAccount/{}", super::name_of(object));
    let mut dropped = false;
    for marks in [&mut object.metadata.labels, &mut object.metadata.annotations] {
        let Some(all) = marks else { continue };
        let before = all.len();
        all.retain(|key, _| !identity::is_mark(key));
        dropped |= all.len() < before;
        if all.is_empty() {
            *marks = None;
        }
    }
    if dropped {
        notes.change("the cloud identity is dropped");
    }
    if let Value::Object(fields) = &mut object.data {
        // Tokens of the original's account.
        fields.remove("secrets");
        if fields.contains_key("imagePullSecrets")
            && let Some(own) = context.policy.secrets.pull_references()
        {
            fields.insert("imagePullSecrets".to_owned(), own);
            notes.change("images are pulled by the policy's Secrets");
        }
        let pull = fields
            .get("imagePullSecrets")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        for name in pull.filter_map(|reference| reference.get("name").and_then(Value::as_str)) {
            sums.usage.uses(name, None, format!("{by}, to pull images"));
        }
    }
}
