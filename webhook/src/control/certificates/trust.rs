//! The caBundle of a webhook configuration: what it says, and that it says what it should.

use anyhow::Context as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::api::{Patch, PatchParams};
use kube::core::{ClusterResourceScope, Resource};
use kube::{Api, Client};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;

/// A webhook configuration as it was read; one that is not there calls nobody and needs nothing.
pub struct Configuration<K> {
    api: Api<K>,
    name: String,
    live: Value,
}

impl<K> Configuration<K>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug,
{
    /// Reads the configuration called `name`.
    pub async fn read(client: &Client, name: &str) -> anyhow::Result<Self> {
        let api: Api<K> = Api::all(client.clone());
        let live = api.get_opt(name).await;
        let live = live.with_context(|| format!("failed to read the {} {name}", K::kind(&())))?;
        Ok(Configuration {
            api,
            name: name.to_owned(),
            live: serde_json::to_value(live)?,
        })
    }

    fn entries(&self) -> impl Iterator<Item = &Value> {
        self.live["webhooks"].as_array().into_iter().flatten()
    }

    /// The caBundle of each entry, empty where there is none.
    pub fn bundles(&self) -> Vec<String> {
        let decoded = |entry: &Value| {
            let bytes = STANDARD
                .decode(entry["clientConfig"]["caBundle"].as_str()?)
                .ok()?;
            String::from_utf8(bytes).ok()
        };
        self.entries()
            .map(|entry| decoded(entry).unwrap_or_default())
            .collect()
    }

    /// Sets the caBundle of every entry, where it differs. The API server checks that nobody wrote in between.
    pub async fn trust(&self, bundle: &str) -> anyhow::Result<()> {
        let bundle = STANDARD.encode(bundle);
        let differing = self
            .entries()
            .enumerate()
            .filter(|(_, entry)| entry["clientConfig"]["caBundle"] != bundle.as_str());
        let operations: Vec<Value> = differing
            .map(|(index, _)| json!({ "op": "add", "path": format!("/webhooks/{index}/clientConfig/caBundle"), "value": bundle }))
            .collect();
        if operations.is_empty() {
            return Ok(());
        }
        let read = &self.live["metadata"]["resourceVersion"];
        let mut all = vec![json!({ "op": "test", "path": "/metadata/resourceVersion", "value": read })];
        all.extend(operations);
        let patch: json_patch::Patch = serde_json::from_value(Value::Array(all))?;
        let (name, kind) = (&self.name, K::kind(&()));
        self.api
            .patch(name, &PatchParams::default(), &Patch::Json::<()>(patch))
            .await
            .with_context(|| format!("failed to set the caBundle of the {kind} {name}"))?;
        tracing::info!(configuration = name, %kind, "set the caBundle");
        Ok(())
    }
}
