//! The branches of a preview: its Secret first, then the branch itself with the Secret's password.
//!
//! The Secret is the only place of the password, so it is written before the role exists: a crash in between leaves a
//! Secret that says nothing yet, and the next look goes on with the same password. Pods wait at their gate meanwhile.

use super::context::Context;
use super::error::{Error, failed, said};
use super::removal::remove;
use crate::provider::{BranchId, Endpoint, Outcome, Provider, ProviderError};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use rand::distr::{Alphanumeric, SampleString};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::time::Duration;
use understudy::keys;
use understudy::policy::{Database, PreviewPolicySpec};
use understudy::preview::{BranchState, Preview};

/// For one attempt; the work on the server goes on and the next look finds it.
const DEADLINE: Duration = Duration::from_secs(120);
const PASSWORD_LENGTH: usize = 32;

/// Makes what is missing; the state of every branch of `preview`.
pub async fn ensure(
    context: &Context,
    preview: &Preview,
    policy: &PreviewPolicySpec,
) -> Result<BTreeMap<String, BranchState>, Error> {
    let mut states = BTreeMap::new();
    for database in preview.branched(policy).into_owned() {
        let known = preview.branches.get(&database.name);
        let secret = secret(context, preview, &database.name).await;
        // Ready once is ready until the Secret is gone: a restart of the server does not hold Pods back.
        if known == Some(&BranchState::Ready) && matches!(&secret, Ok(Some(_))) {
            states.insert(database.name, BranchState::Ready);
            continue;
        }
        let slots = context.slots(&preview.policy, policy.capacity.starting);
        let state = match slots.try_acquire() {
            Ok(_slot) => one(context, preview, &database, secret).await,
            Err(_) => BranchState::Pending(format!("waits for one of {} slots", policy.capacity.starting)),
        };
        if state == BranchState::Ready {
            context.metrics.acted("branch-ready");
            context
                .tell(
                    preview,
                    false,
                    "BranchReady",
                    format!("database {} has its own branch", database.name),
                )
                .await;
        }
        states.insert(database.name, state);
    }
    Ok(states)
}

/// How many branches of `preview` cannot be made.
pub fn failed_count(preview: &Preview) -> usize {
    preview
        .branches
        .values()
        .filter(|state| matches!(state, BranchState::Failed(_)))
        .count()
}

async fn one(
    context: &Context,
    preview: &Preview,
    database: &Database,
    secret: Result<Option<Secret>, Error>,
) -> BranchState {
    let branch = context.branch(preview, &database.name);
    let work = async {
        let provider = context.provider(database).await?;
        let password = match secret {
            Ok(Some(secret)) if points_at(&secret, &provider.endpoint(), &branch) => {
                value(&secret, "password").into()
            }
            Ok(found) => write(context, preview, &branch, &provider.endpoint(), found).await?,
            Err(error) => return Err(ProviderError::new(error.to_string())),
        };
        provider.ensure(&branch, &password).await
    };
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(Ok(Outcome::Ready)) => BranchState::Ready,
        Ok(Ok(Outcome::Pending(why))) => BranchState::Pending(why),
        Ok(Err(error)) => BranchState::Failed(error.message),
        Err(_) => BranchState::Pending("the server is still copying the template".to_owned()),
    }
}

async fn secret(context: &Context, preview: &Preview, database: &str) -> Result<Option<Secret>, Error> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &preview.name);
    api.get_opt(&keys::branch_secret(database))
        .await
        .map_err(failed("read the branch's Secret"))
}

fn value(secret: &Secret, key: &str) -> String {
    let found = secret.data.as_ref().and_then(|data| data.get(key));
    found
        .map(|value| String::from_utf8_lossy(&value.0).into_owned())
        .unwrap_or_default()
}

fn points_at(secret: &Secret, endpoint: &Endpoint, branch: &BranchId) -> bool {
    value(secret, "host") == endpoint.host
        && value(secret, "port") == endpoint.port.to_string()
        && value(secret, "dbname") == branch.name()
        && !value(secret, "password").is_empty()
}

/// Writes the Secret; one that points elsewhere is immutable and makes room first.
async fn write(
    context: &Context,
    preview: &Preview,
    branch: &BranchId,
    endpoint: &Endpoint,
    found: Option<Secret>,
) -> Result<SecretString, ProviderError> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &preview.name);
    let name = keys::branch_secret(&branch.database);
    let refused =
        |error: kube::Error| ProviderError::new(format!("failed to write Secret {name}: {}", said(&error)));
    if let Some(uid) = found.and_then(|found| found.metadata.uid) {
        remove(&api, &name, &uid, "make room for the branch's Secret")
            .await
            .map_err(|error| ProviderError::new(error.to_string()))?;
    }
    // Alphanumeric, so that it needs no escaping in any flavour of connection string.
    let password: SecretString = Alphanumeric
        .sample_string(&mut rand::rng(), PASSWORD_LENGTH)
        .into();
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            labels: Some(
                [
                    (keys::GUARDRAIL, name.as_str()),
                    ("app.kubernetes.io/managed-by", "understudy"),
                ]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            ),
            ..ObjectMeta::default()
        },
        immutable: Some(true),
        type_: Some("Opaque".to_owned()),
        data: Some(data(branch, endpoint, &password)),
        ..Secret::default()
    };
    api.create(&PostParams::default(), &secret)
        .await
        .map_err(refused)?;
    Ok(password)
}

/// The keys CloudNativePG writes, so that whatever reads those reads ours.
fn data(branch: &BranchId, endpoint: &Endpoint, password: &SecretString) -> BTreeMap<String, ByteString> {
    let (name, password) = (branch.name(), password.expose_secret());
    let Endpoint { host, port } = endpoint;
    let bracketed = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.clone()
    };
    let uri = format!("postgresql://{name}:{password}@{bracketed}:{port}/{name}");
    let jdbc = format!("jdbc:postgresql://{bracketed}:{port}/{name}?user={name}&password={password}");
    let pgpass = format!("{host}:{port}:{name}:{name}:{password}\n");
    let pairs = [
        ("username", name.clone()),
        ("user", name.clone()),
        ("password", password.to_owned()),
        ("dbname", name.clone()),
        ("host", host.clone()),
        ("port", port.to_string()),
        ("pgpass", pgpass),
        ("uri", uri.clone()),
        ("fqdn-uri", uri),
        ("jdbc-uri", jdbc),
    ];
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes())))
        .collect()
}
