//! Our own CA and the serving certificate, made and stored by the leader, and the caBundle set to match.
//!
//! Not made when the chart is rendered: two renderings would disagree, and a secret would stand in a release's history.
//! The CA's key never leaves its Secret; `serve` may read only the serving pair.

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::Resource;
use kube::{Api, Client};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;
use time::OffsetDateTime;
use understudy::keys;
use x509_parser::pem::parse_x509_pem;

const AUTHORITY: &str = "understudy-webhook-ca";
const AUTHORITY_DAYS: i64 = 3650;
const SERVING_DAYS: i64 = 90;
/// A certificate with less left than this is made anew.
const RENEW_DAYS: i64 = 30;
/// Between two looks; a caBundle that somebody wiped is back after this.
const INTERVAL: Duration = Duration::from_secs(10);

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

struct Pair {
    certificate: String,
    key: String,
}

/// Keeps certificates and caBundle right, until the process ends.
pub async fn keep(client: Client, names: Names) {
    let mut ticks = tokio::time::interval(INTERVAL);
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
    let authority = kept(
        &secrets,
        AUTHORITY,
        ("ca.crt", "ca.key"),
        |pair| lasts(&pair.certificate),
        || make_authority(&names.service),
    )
    .await?;
    let issued_here =
        |pair: &Pair| lasts(&pair.certificate) && issued_by(&pair.certificate, &authority.certificate);
    kept(
        &secrets,
        keys::SERVING_SECRET,
        ("tls.crt", "tls.key"),
        issued_here,
        || make_serving(names, &authority),
    )
    .await?;
    trust::<MutatingWebhookConfiguration>(client, names, &authority.certificate).await?;
    trust::<ValidatingWebhookConfiguration>(client, names, &authority.certificate).await
}

/// The pair in Secret `name` while it is `good`, else a new one, stored.
async fn kept(
    secrets: &Api<Secret>,
    name: &str,
    (certificate, key): (&str, &str),
    good: impl Fn(&Pair) -> bool,
    make: impl Fn() -> anyhow::Result<Pair>,
) -> anyhow::Result<Pair> {
    let found = secrets
        .get_opt(name)
        .await
        .with_context(|| format!("failed to read Secret {name}"))?;
    let part = |secret: &Secret, key: &str| {
        let value = secret.data.as_ref()?.get(key)?;
        String::from_utf8(value.0.clone()).ok()
    };
    let pair = found.as_ref().and_then(|secret| {
        Some(Pair {
            certificate: part(secret, certificate)?,
            key: part(secret, key)?,
        })
    });
    if let Some(pair) = pair.filter(|pair| good(pair)) {
        return Ok(pair);
    }
    let pair = make()?;
    let data: BTreeMap<String, ByteString> = [(certificate, &pair.certificate), (key, &pair.key)]
        .map(|(key, text)| (key.to_owned(), ByteString(text.clone().into_bytes())))
        .into();
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            // Another leader's write in between makes this one fail, and the next look takes what is there.
            resource_version: found
                .as_ref()
                .and_then(|secret| secret.metadata.resource_version.clone()),
            labels: Some([("app.kubernetes.io/managed-by".to_owned(), "understudy".to_owned())].into()),
            ..ObjectMeta::default()
        },
        type_: Some(
            if key == "tls.key" {
                "kubernetes.io/tls"
            } else {
                "Opaque"
            }
            .to_owned(),
        ),
        data: Some(data),
        ..Secret::default()
    };
    let stored = match found {
        Some(_) => secrets.replace(name, &PostParams::default(), &secret).await,
        None => secrets.create(&PostParams::default(), &secret).await,
    };
    stored.with_context(|| format!("failed to store Secret {name}"))?;
    tracing::info!(secret = name, "made a certificate");
    Ok(pair)
}

fn validity(params: &mut CertificateParams, days: i64) -> anyhow::Result<()> {
    // rcgen's own default ends in the year 4096. An hour back, for clocks that are behind.
    let now = OffsetDateTime::from_unix_timestamp(Timestamp::now().as_second())?;
    params.not_before = now - time::Duration::hours(1);
    params.not_after = now + time::Duration::days(days);
    Ok(())
}

fn make_authority(service: &str) -> anyhow::Result<Pair> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(
        DnType::CommonName,
        format!("{service} CA {}", Timestamp::now().as_second()),
    );
    validity(&mut params, AUTHORITY_DAYS)?;
    Ok(Pair {
        certificate: params.self_signed(&key)?.pem(),
        key: key.serialize_pem(),
    })
}

fn make_serving(names: &Names, authority: &Pair) -> anyhow::Result<Pair> {
    let Names {
        namespace, service, ..
    } = names;
    let hosts = [
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.cluster.local"),
        format!("{service}.{namespace}"),
    ];
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(hosts)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
        .distinguished_name
        .push(DnType::CommonName, format!("{service}.{namespace}.svc"));
    params.use_authority_key_identifier_extension = true;
    validity(&mut params, SERVING_DAYS)?;
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, KeyPair::from_pem(&authority.key)?)?;
    Ok(Pair {
        certificate: params.signed_by(&key, &issuer)?.pem(),
        key: key.serialize_pem(),
    })
}

/// Whether enough of its time is left.
fn lasts(certificate: &str) -> bool {
    let Ok((_, pem)) = parse_x509_pem(certificate.as_bytes()) else {
        return false;
    };
    let Ok(parsed) = pem.parse_x509() else {
        return false;
    };
    let end = Timestamp::from_second(parsed.validity().not_after.timestamp()).unwrap_or(Timestamp::MIN);
    end.duration_since(Timestamp::now()) > SignedDuration::from_hours(24 * RENEW_DAYS)
}

fn issued_by(certificate: &str, authority: &str) -> bool {
    let (Ok((_, leaf)), Ok((_, authority))) = (
        parse_x509_pem(certificate.as_bytes()),
        parse_x509_pem(authority.as_bytes()),
    ) else {
        return false;
    };
    match (leaf.parse_x509(), authority.parse_x509()) {
        (Ok(leaf), Ok(authority)) => leaf.issuer() == authority.subject(),
        _ => false,
    }
}

/// Sets the caBundle of every entry of a webhook configuration, where it differs.
async fn trust<K>(client: &Client, names: &Names, authority: &str) -> anyhow::Result<()>
where
    K: Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug,
{
    use base64::Engine;
    let bundle = base64::engine::general_purpose::STANDARD.encode(authority);
    let api: Api<K> = Api::all(client.clone());
    let name = &names.configuration;
    let what = || format!("failed to set the caBundle of {} {name}", K::kind(&()));
    let Some(live) = api.get_opt(name).await.with_context(what)? else {
        return Ok(());
    };
    let live = serde_json::to_value(live)?;
    let entries = live["webhooks"].as_array().cloned().unwrap_or_default();
    let differing = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry["clientConfig"]["caBundle"] != bundle.as_str());
    let operations: Vec<Value> = differing
        .map(|(index, _)| json!({ "op": "add", "path": format!("/webhooks/{index}/clientConfig/caBundle"), "value": bundle }))
        .collect();
    if operations.is_empty() {
        return Ok(());
    }
    let mut all = vec![
        json!({ "op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"] }),
    ];
    all.extend(operations);
    let patch: json_patch::Patch = serde_json::from_value(Value::Array(all))?;
    api.patch(name, &PatchParams::default(), &Patch::Json::<()>(patch))
        .await
        .with_context(what)?;
    tracing::info!(configuration = name, kind = %K::kind(&()), "set the caBundle");
    Ok(())
}
