//! Writing namespaces: making, extending, ending.

use super::read::other_age;
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
        if !leased {
            return Err(
                Failure::new(Exit::NotInstalled, format!("{name} was made, but got no lease"))
                    .caused_by("Understudy's webhook did not see it: its webhook configuration is missing")
                    .caused_by("nothing else was written; the namespace is empty and was left as it is")
                    .hint(format!("understudy doctor, then kubectl delete namespace {name}")),
            );
        }
        of_this_age(&made)?;
        Ok(made)
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

/// Fails where admission left out what it writes today on every preview: it would not keep what this command line counts on.
pub fn of_this_age(preview: &Namespace) -> Result<(), Failure> {
    let metadata = &preview.metadata;
    let name = metadata.name.as_deref().unwrap_or_default();
    let written = [&metadata.labels, &metadata.annotations];
    let is_written = |key: &str| {
        written
            .iter()
            .any(|map| map.as_ref().is_some_and(|map| map.contains_key(key)))
    };
    let mut counted_on = [keys::ORIGIN, keys::CREATOR].into_iter();
    let Some(key) = counted_on.find(|key| !is_written(key)) else {
        return Ok(());
    };
    Err(other_age(format!(
        "{name} was let in by an older Understudy than this command line"
    ))
    .caused_by(format!(
        "its admission wrote no {key}, by which previews are told apart"
    ))
    .caused_by("the namespace was left as it is"))
}
