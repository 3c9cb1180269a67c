//! Our own CA and the serving certificate, made and stored by the leader, and the caBundle set to match.
//!
//! Not made when the chart is rendered: two renderings would disagree, and a secret would stand in a release's history.
//! The CA's key never leaves its Secret; `serve` may read only the serving pair.
//!
//! Flow: each look reads what is stored, [`plan`] says what to do, and only that is done. Guarantee: the API server never
//! meets a leaf of a CA that it was not told of before. So a new CA first joins the old one in the caBundle of both
//! webhook configurations; a later look, which finds it there, issues the leaf; and the old one stays as long as a leaf
//! of it may still be served.

mod make;
mod plan;
mod trust;

use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use plan::{Leaf, Plan, Stored};
use std::collections::BTreeMap;
use std::time::Duration;
use trust::Configuration;
use understudy::keys;

const AUTHORITY: &str = "understudy-webhook-ca";

/// Whom the certificate is for and who has to trust it.
#[derive(Clone, Debug)]
pub struct Names {
    /// Our own namespace.
    pub namespace: String,
    /// The Service the API server calls.
    pub service: String,
    /// Both webhook configurations.
    pub configuration: String,
}

/// A certificate and its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
struct Pem {
    certificate: String,
    key: String,
}

/// Keeps certificates and caBundle right, until the process ends; a caBundle that somebody wiped is back after `interval`.
/// Without `names`, leaves both alone.
pub async fn keep(client: Client, names: Option<Names>, interval: Duration) {
    let Some(names) = names else {
        return std::future::pending().await;
    };
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = look(&client, &names).await {
            tracing::warn!(
                error = format!("{error:#}"),
                "failed to keep the certificates; will try again"
            );
        }
    }
}

async fn look(client: &Client, names: &Names) -> anyhow::Result<()> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &names.namespace);
    let read = async |name: &str| {
        let found = secrets.get_opt(name).await;
        found.with_context(|| format!("failed to read Secret {name}"))
    };
    let (authority, serving) = (read(AUTHORITY).await?, read(keys::SERVING_SECRET).await?);
    let mutating = Configuration::<MutatingWebhookConfiguration>::read(client, &names.configuration).await?;
    let validating =
        Configuration::<ValidatingWebhookConfiguration>::read(client, &names.configuration).await?;
    let now = Timestamp::now();
    let stored = Stored {
        authority: pair(authority.as_ref(), "ca.crt", "ca.key"),
        previous: part(authority.as_ref(), "previous.crt").unwrap_or_default(),
        serving: pair(serving.as_ref(), "tls.crt", "tls.key"),
        bundles: [mutating.bundles(), validating.bundles()].concat(),
    };
    let plan = Plan::of(&stored, names, now)?;

    // In this order: what is told to the API server is never ahead of what is stored, a leaf never ahead of what it was told.
    if plan.authority != stored.authority || plan.previous != stored.previous {
        let mut data = BTreeMap::new();
        if let Some(pem) = &plan.authority {
            data.extend([("ca.crt", pem.certificate.clone()), ("ca.key", pem.key.clone())]);
        }
        data.extend((!plan.previous.is_empty()).then(|| ("previous.crt", plan.previous.clone())));
        store(&secrets, AUTHORITY, "Opaque", authority, data).await?;
    }
    mutating.trust(&plan.bundle).await?;
    validating.trust(&plan.bundle).await?;
    if let Leaf::Issue = plan.leaf
        && let Some(authority) = &plan.authority
    {
        let made = make::serving(names, authority, now)?;
        let data = [("tls.crt", made.certificate), ("tls.key", made.key)].into();
        store(&secrets, keys::SERVING_SECRET, "kubernetes.io/tls", serving, data).await?;
    }
    Ok(())
}

fn part(secret: Option<&Secret>, key: &str) -> Option<String> {
    let value = secret?.data.as_ref()?.get(key)?;
    String::from_utf8(value.0.clone()).ok()
}

fn pair(secret: Option<&Secret>, certificate: &str, key: &str) -> Option<Pem> {
    Some(Pem {
        certificate: part(secret, certificate)?,
        key: part(secret, key)?,
    })
}

/// Stores `data` in place of what was `found`. Another leader's write in between makes this one fail, and the next look
/// takes what is there.
async fn store(
    secrets: &Api<Secret>,
    name: &str,
    kind: &str,
    found: Option<Secret>,
    data: BTreeMap<&str, String>,
) -> anyhow::Result<()> {
    let data = data
        .into_iter()
        .map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes())));
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            resource_version: found
                .as_ref()
                .and_then(|secret| secret.metadata.resource_version.clone()),
            labels: Some([("app.kubernetes.io/managed-by".to_owned(), "understudy".to_owned())].into()),
            ..ObjectMeta::default()
        },
        type_: Some(kind.to_owned()),
        data: Some(data.collect()),
        ..Secret::default()
    };
    let stored = match found {
        Some(_) => secrets.replace(name, &PostParams::default(), &secret).await,
        None => secrets.create(&PostParams::default(), &secret).await,
    };
    stored.with_context(|| format!("failed to store Secret {name}"))?;
    tracing::info!(secret = name, "stored certificates");
    Ok(())
}
