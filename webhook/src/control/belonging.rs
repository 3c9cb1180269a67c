//! The webhook configurations belong to our namespace, so that they go with it.
//!
//! Whoever deletes the namespace before the release would leave two configurations that ask a Service which is gone,
//! and every creation in a preview would fail from then on. The garbage collector takes away what is owned by a
//! Namespace (both are objects of the whole cluster, which is what it asks for). The chart cannot write the owner: it
//! would need the namespace's uid before the namespace exists. The policies stay: they hold what is left of a preview, and
//! an identity that may change them would not be confined by them.

use anyhow::Context as _;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Patch, PatchParams};
use kube::core::{ClusterResourceScope, Resource};
use kube::{Api, Client};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::time::Duration;

/// Between two looks: an upgrade leaves the owner alone, a new installation has none.
const INTERVAL: Duration = Duration::from_secs(10);
/// Between two looks while a new installation is waited for.
const SOON: Duration = Duration::from_secs(1);

/// Keeps `namespace`, our own, the owner of both webhook configurations, until the process ends.
pub async fn keep(client: Client, namespace: &str, configuration: &str) {
    loop {
        let pause = match look(&client, namespace, configuration).await {
            Ok(true) => INTERVAL,
            Ok(false) => SOON,
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "failed to make the webhook configurations ours; will try again"
                );
                INTERVAL
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Returns whether nothing is to be waited for.
async fn look(client: &Client, namespace: &str, configuration: &str) -> anyhow::Result<bool> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let live = namespaces
        .get_metadata(namespace)
        .await
        .context("failed to read our own namespace")?;
    if live.metadata.deletion_timestamp.is_some() {
        return Ok(true);
    }
    let owner = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        name: namespace.to_owned(),
        uid: live.metadata.uid.unwrap_or_default(),
        ..OwnerReference::default()
    };
    let mutating = own::<MutatingWebhookConfiguration>(client, configuration, &owner).await?;
    let validating = own::<ValidatingWebhookConfiguration>(client, configuration, &owner).await?;
    Ok(mutating && validating)
}

/// Makes `owner` an owner of the configuration `name`, in place of a namespace of ours that was there before. Returns
/// whether nothing is to be waited for.
async fn own<K>(client: &Client, name: &str, owner: &OwnerReference) -> anyhow::Result<bool>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug,
{
    let api: Api<K> = Api::all(client.clone());
    let what = || format!("failed to set the owner of {} {name}", K::kind(&()));
    let Some(live) = api.get_opt(name).await.with_context(what)? else {
        return Ok(true);
    };
    let present = live.meta().owner_references.clone().unwrap_or_default();
    if present.contains(owner) {
        return Ok(true);
    }
    // The caBundle goes first, whoever writes it: two writers at once would have one of them try again later, and calls
    // fail without it.
    let written = serde_json::to_value(&live)?;
    let trusted = |entry: &Value| entry["clientConfig"]["caBundle"].is_string();
    if !written["webhooks"]
        .as_array()
        .is_some_and(|entries| entries.iter().all(trusted))
    {
        return Ok(false);
    }
    let mut owners = present;
    owners.retain(|other| other.kind != owner.kind);
    owners.push(owner.clone());
    // The version makes the patch fail where somebody else was quicker; the next look takes what is there.
    let change = json!({ "metadata": {
        "resourceVersion": live.meta().resource_version,
        "ownerReferences": owners,
    } });
    api.patch_metadata(name, &PatchParams::default(), &Patch::Merge(change))
        .await
        .with_context(what)?;
    tracing::info!(configuration = name, kind = %K::kind(&()), "made it ours");
    Ok(true)
}
