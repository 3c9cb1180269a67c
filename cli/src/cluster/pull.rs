//! The Secrets that images are pulled by, as far as the caller may read them.

use super::{Cluster, Seen};
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;

impl Cluster {
    /// The Secret `name` of `namespace`.
    pub async fn pull_secret(&self, namespace: &str, name: &str) -> Seen<Secret> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        api.get_opt(name).await.into()
    }
}
