//! Writing namespaces: making, extending, ending.

use super::{Cluster, explain};
use crate::error::{Exit, Failure};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use understudy::keys;

/// Who writes, as the API server records it.
pub const MANAGER: &str = "understudy";

impl Cluster {
    /// Makes the namespace of a preview. Fails where admission gave it no lease.
    pub async fn make_namespace(&self, namespace: &Namespace) -> Result<Namespace, Failure> {
        let name = namespace.metadata.name.clone().unwrap_or_default();
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let api: Api<Namespace> = Api::all(self.client.clone());
        let made = api.create(&params, namespace).await;
        let made = made.map_err(|error| explain(format!("cannot make namespace {name}"), &error))?;
        let leased = made
            .metadata
            .annotations
            .as_ref()
            .is_some_and(|all| all.contains_key(keys::EXPIRES_AT));
        if leased {
            Ok(made)
        } else {
            Err(
                Failure::new(Exit::NotInstalled, format!("{name} was made, but got no lease"))
                    .caused_by("Understudy's webhook did not see it: its webhook configuration is missing")
                    .caused_by("nothing else was written; the namespace is empty and was left as it is")
                    .hint(format!("understudy doctor, then kubectl delete namespace {name}")),
            )
        }
    }

    /// Sets annotations of a preview's namespace; with `version`, only if nobody changed it in between.
    pub async fn annotate(
        &self,
        name: &str,
        version: Option<&str>,
        annotations: Value,
        what: &str,
    ) -> Result<Namespace, Failure> {
        let mut metadata = json!({ "annotations": annotations });
        if let Some(version) = version {
            metadata["resourceVersion"] = json!(version);
        }
        let api: Api<Namespace> = Api::all(self.client.clone());
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patched = api
            .patch(name, &params, &Patch::Merge(json!({ "metadata": metadata })))
            .await;
        patched.map_err(|error| explain(what, &error))
    }
}
