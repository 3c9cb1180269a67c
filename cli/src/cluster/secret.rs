//! One Secret by name: its values are for proofs, never for printing.

use super::{Cluster, Seen};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use std::collections::BTreeMap;

impl Cluster {
    /// The data of Secret `name`.
    pub async fn secret(&self, namespace: &str, name: &str) -> Seen<BTreeMap<String, ByteString>> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let found: Seen<Secret> = api.get_opt(name).await.into();
        found.map(|secret| secret.data.unwrap_or_default())
    }
}
