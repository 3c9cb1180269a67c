//! A second look at namespaces that took the label later: admission may have been away when they did.

use super::context::Context;
use super::error::{Error, failed};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;
use understudy::keys;
use understudy::lease;
use understudy::policy::{Existing, PreviewPolicySpec};
use understudy::preview::Preview;

/// Why `preview` should never have been adopted under `policy`; `None` where it may.
pub async fn against(
    context: &Context,
    preview: &Preview,
    policy: &PreviewPolicySpec,
) -> Result<Option<String>, Error> {
    if !preview.adopted {
        return Ok(None);
    }
    if context.memory.protected().has_namespace(&preview.name) {
        return Ok(Some(format!(
            "namespace {} is protected and can be no preview",
            preview.name
        )));
    }
    Ok(match policy.adopt.existing {
        Existing::Never => Some("the policy adopts no existing namespace (adopt.existing: never)".to_owned()),
        Existing::Any => None,
        Existing::Empty => {
            let api: Api<Pod> = Api::namespaced(context.client.clone(), &preview.name);
            let found = api
                .list_metadata(&ListParams::default())
                .await
                .map_err(failed("list Pods"))?;
            let before = found.items.iter().any(|pod| {
                let created = pod
                    .metadata
                    .creation_timestamp
                    .as_ref()
                    .map(|time| time.0.as_second());
                // Of the same second it may have come after.
                created
                    .zip(preview.adopted_at)
                    .is_some_and(|(created, adopted)| created < adopted.as_second())
            });
            let why = "it held Pods when it took the label, and the policy adopts empty namespaces only (adopt.existing: empty)";
            before.then(|| why.to_owned())
        }
    })
}

/// An adoption lies in the past. One that is said to come counts from now, or its lease would, and no review mark ever would;
/// whether there was anything to mend.
pub async fn mend(context: &Context, preview: &Preview) -> Result<bool, Error> {
    let now = Timestamp::now();
    if preview.adopted_at.is_none_or(|adopted| adopted <= now) {
        return Ok(false);
    }
    let api: Api<Namespace> = Api::all(context.client.clone());
    let annotations = json!({ keys::ADOPTED_AT: lease::whole_seconds(now).to_string() });
    let patch = Patch::Merge(json!({ "metadata": { "uid": preview.uid, "annotations": annotations } }));
    api.patch_metadata(&preview.name, &PatchParams::default(), &patch)
        .await
        .map_err(failed("set when the namespace was adopted"))?;
    Ok(true)
}
