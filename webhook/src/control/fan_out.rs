//! Secrets that every preview gets a copy of: what serves its hosts and what pulls its images.
//!
//! They lie in Understudy's own namespace and go out as guardrails, so that nobody in a preview changes them. Only the two
//! types that are meant for this leave that namespace: an administrator's password that a policy names by mistake does not.
//! What changes there is in every preview within five minutes.

use super::context::Context;
use super::error::{Error, failed};
use super::removal::remove;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ListParams, ObjectMeta, PostParams};
use std::collections::BTreeMap;
use understudy::keys;
use understudy::policy::PreviewPolicySpec;
use understudy::preview::Preview;

/// The value of the guardrail label on a copy.
const MARK: &str = "fan-out";

/// Brings the copies in `preview` to what `policy` lists, where that changed since or the originals are `due` a look.
pub async fn keep(
    context: &Context,
    preview: &Preview,
    policy: &PreviewPolicySpec,
    due: bool,
) -> Result<(), Error> {
    if !due && context.fanned_out.is(&preview.uid, &policy.secrets) {
        return Ok(());
    }
    ensure(context, preview, policy).await?;
    context.fanned_out.remember(&preview.uid, &policy.secrets);
    Ok(())
}

async fn ensure(context: &Context, preview: &Preview, policy: &PreviewPolicySpec) -> Result<(), Error> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &preview.name);
    let marked = ListParams::default().labels(&format!("{}={MARK}", keys::GUARDRAIL));
    let there = api
        .list(&marked)
        .await
        .map_err(failed("list the copied Secrets"))?;
    let mut there: BTreeMap<String, Secret> = there
        .items
        .into_iter()
        .map(|secret| (secret.metadata.name.clone().unwrap_or_default(), secret))
        .collect();
    let listed = [
        (&policy.secrets.tls, "kubernetes.io/tls"),
        (&policy.secrets.pull, "kubernetes.io/dockerconfigjson"),
    ];
    for (names, kind) in listed {
        for name in names {
            match original(context, name, kind).await? {
                Ok(original) => copy(&api, original, there.remove(name)).await?,
                Err(why) => context.tell(preview, true, "SecretNotCopied", why).await,
            }
        }
    }
    for (name, secret) in there {
        let uid = secret.metadata.uid.unwrap_or_default();
        remove(&api, &name, &uid, "remove a copied Secret").await?;
    }
    Ok(())
}

/// The Secret to copy, or why there is none.
async fn original(context: &Context, name: &str, kind: &str) -> Result<Result<Secret, String>, Error> {
    let own = &context.installation.namespace;
    let api: Api<Secret> = Api::namespaced(context.client.clone(), own);
    let found = api.get_opt(name).await.map_err(failed("read a Secret to copy"))?;
    Ok(match found {
        None => Err(format!("Secret {name} of the policy is not in {own}")),
        Some(secret) if secret.type_.as_deref() != Some(kind) => Err(format!(
            "Secret {name} in {own} is not of type {kind}, and no other is copied"
        )),
        Some(secret) => Ok(secret),
    })
}

/// Makes the copy, or brings it up to date. A Secret of that name that somebody else put there stays theirs.
async fn copy(api: &Api<Secret>, original: Secret, there: Option<Secret>) -> Result<(), Error> {
    let wanted = Secret {
        metadata: ObjectMeta {
            name: original.metadata.name,
            labels: Some(
                [
                    (keys::GUARDRAIL, MARK),
                    ("app.kubernetes.io/managed-by", "understudy"),
                ]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            ),
            ..ObjectMeta::default()
        },
        type_: original.type_,
        data: original.data,
        ..Secret::default()
    };
    let name = wanted.metadata.name.clone().unwrap_or_default();
    if let Some(there) = there {
        if there.data == wanted.data && there.type_ == wanted.type_ {
            return Ok(());
        }
        let uid = there.metadata.uid.unwrap_or_default();
        remove(api, &name, &uid, "replace a copied Secret").await?;
    }
    match api.create(&PostParams::default(), &wanted).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        made => made.map(drop).map_err(failed("copy a Secret")),
    }
}
