//! ServiceAccounts: without the cloud identity, which would let a preview act as the original.

use super::{Context, Notes, Sums};
use kube::core::DynamicObject;
use serde_json::Value;

/// Annotations by which clouds give a ServiceAccount a role.
const CLOUD_IDENTITY: [&str; 6] = [
    "eks.amazonaws.com/role-arn",
    "eks.amazonaws.com/audience",
    "iam.gke.io/gcp-service-account",
    "azure.workload.identity/client-id",
    "azure.workload.identity/tenant-id",
    "azure.workload.identity/service-account-token-expiration",
];

pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, sums: &mut Sums, notes: &mut Notes) {
    let by = format!("ServiceAccount/{}", super::name_of(object));
    if let Some(annotations) = &mut object.metadata.annotations {
        let before = annotations.len();
        annotations.retain(|key, _| !CLOUD_IDENTITY.contains(&key.as_str()));
        if annotations.len() < before {
            notes.change("the cloud identity is dropped");
        }
        if annotations.is_empty() {
            object.metadata.annotations = None;
        }
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
