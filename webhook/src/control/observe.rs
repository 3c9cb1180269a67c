//! Previews whose policy only observes: nothing is put in, nothing held, nothing ended.
//!
//! Also the two ways between observing and enforcing. From enforcing, guardrails and gates go. To enforcing, a preview is
//! treated like an adopted namespace: what is there is reviewed before the seal, and its lease counts from that moment, so
//! that turning a policy on never ends what it did not govern before.

use super::context::Context;
use super::error::{Error, failed};
use super::{pods, seal};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use understudy::keys;
use understudy::lease;
use understudy::policy::PreviewPolicySpec;
use understudy::preview::Preview;

/// What the annotation `guardrails` holds while a policy only observes; no hash looks like it.
pub const OBSERVED: &str = "observed";

/// Brings `preview` to where nothing of ours is in its way.
pub async fn observe(context: &Context, preview: &Preview) -> Result<(), Error> {
    if preview.sealed.as_deref() == Some(OBSERVED) && preview.observed {
        return Ok(());
    }
    // The label first: the policies leave such a namespace alone.
    write(
        context,
        preview,
        json!({ "labels": { keys::ENFORCEMENT: "warn" } }),
    )
    .await?;
    seal::remove_all(context, preview).await?;
    pods::release(context, preview).await?;
    let annotations = json!({
        keys::GUARDRAILS: OBSERVED,
        keys::MESSAGE: "the policy only observes: nothing is changed, held or ended",
    });
    write(
        context,
        preview,
        json!({ "labels": { keys::PHASE: "Ready" }, "annotations": annotations }),
    )
    .await
}

/// Ends the observing of `preview`; whether there was any to end.
pub async fn enforce(
    context: &Context,
    preview: &Preview,
    policy: &PreviewPolicySpec,
) -> Result<bool, Error> {
    let now = lease::whole_seconds(Timestamp::now());
    if preview.observed {
        // In this order: until `adopted-at` is there, no later end would be in range.
        let annotations = json!({ keys::ADOPTED_AT: now.to_string() });
        write(
            context,
            preview,
            json!({ "labels": { keys::ENFORCEMENT: Value::Null }, "annotations": annotations }),
        )
        .await?;
        return Ok(true);
    }
    let end = policy.lifetime.default.after(now);
    let early = preview.lease.is_none_or(|lease| lease.is_over(now));
    if preview.sealed.as_deref() == Some(OBSERVED) && early {
        write(
            context,
            preview,
            json!({ "annotations": { keys::EXPIRES_AT: end.to_string() } }),
        )
        .await?;
        return Ok(true);
    }
    Ok(false)
}

async fn write(context: &Context, preview: &Preview, metadata: Value) -> Result<(), Error> {
    let api: Api<Namespace> = Api::all(context.client.clone());
    let mut metadata = metadata;
    metadata["uid"] = json!(preview.uid);
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    api.patch_metadata(&preview.name, &PatchParams::default(), &patch)
        .await
        .map_err(failed("write that the policy only observes"))?;
    Ok(())
}
