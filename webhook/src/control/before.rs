//! What was in a namespace before it was a preview, or while its policy only observed: all of it is reviewed before the seal.

use super::context::Context;
use super::error::{Error, failed};
use super::removal::remove;
use super::{adoption, pods, survey};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use understudy::contract;
use understudy::keys;
use understudy::policy::PreviewPolicySpec;
use understudy::preview::Preview;

/// Of what was in a namespace before and is wrong, so many are named in the message.
const NAMED: usize = 16;

/// How what was in a namespace before stands against the rules.
pub enum Before {
    /// All of it is as it should be.
    Fit,
    /// Some Pods are on their way out, and come back reviewed where somebody makes them again.
    Replaced,
    /// Something is not as it should be, and is nobody's to change but its owner's.
    Unfit(String),
}

/// Reviews it; Pods that somebody makes again are made again.
pub async fn before(
    context: &Context,
    preview: &Preview,
    policy: &PreviewPolicySpec,
) -> Result<Before, Error> {
    if let Some(why) = adoption::against(context, preview, policy).await? {
        return Ok(Before::Unfit(why));
    }
    clear_secrets(context, preview).await?;
    let findings = survey::everything(context, preview).await?;
    if !findings.is_empty() {
        let listed = findings.iter().take(NAMED);
        let listed = listed.map(|found| format!("{}: {}: {}", found.what, found.reason, found.why));
        let mut listed: Vec<String> = listed.collect();
        if findings.len() > NAMED {
            listed.push(format!("and {} more", findings.len() - NAMED));
        }
        let listed = listed.join("; ");
        return Ok(Before::Unfit(format!(
            "{listed}. New Pods wait until this is mended"
        )));
    }
    let found = pods::attend(context, preview, policy, false).await?;
    if let Some(error) = found.failed {
        return Err(error);
    }
    Ok(match found.unreviewed.first() {
        Some(pod) => Before::Unfit(format!(
            "Pod {pod} came in unreviewed and nothing makes it again; delete it"
        )),
        None if found.replaced > 0 => Before::Replaced,
        None => Before::Fit,
    })
}

/// Removes the Secrets that bear the label of a guardrail since before: somebody may have written them then, and those of the
/// branches are made anew. As with every other guardrail, what bears the label is ours.
async fn clear_secrets(context: &Context, preview: &Preview) -> Result<(), Error> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &preview.name);
    let labelled = ListParams::default().labels(keys::GUARDRAIL);
    let found = api
        .list_metadata(&labelled)
        .await
        .map_err(failed("list the labelled Secrets"))?;
    for secret in found.items {
        let created = secret.metadata.creation_timestamp.map(|at| at.0);
        if created.is_none_or(|created| contract::mark_counts(preview.adopted_at, created)) {
            continue;
        }
        let name = secret.metadata.name.unwrap_or_default();
        let uid = secret.metadata.uid.unwrap_or_default();
        remove(&api, &name, &uid, "remove a Secret from before").await?;
    }
    Ok(())
}
