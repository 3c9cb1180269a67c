//! What of Understudy is there. Tests that want the same share it; the others wait for their turn.

use anyhow::{Result, bail, ensure};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::{DeleteParams, PostParams};
use kube::core::ClusterResourceScope;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard};
use understudy::keys;
use understudy_tests::testbed::{Role, Understudy, User, eventually};

use crate::stage::{self, SOON};

/// What is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything.
    Up,
    /// Everything, but admission takes connections and never answers, and the controller does nothing.
    Hung,
    /// The webhook configurations, and no process of ours.
    Down,
    /// The policies, and neither webhook configurations nor processes.
    Gone,
}

/// The mode stays while this is held.
pub type Turn = RwLockReadGuard<'static, Mode>;

static MODE: RwLock<Mode> = RwLock::const_new(Mode::Up);
/// Both webhook configurations, as the chart and the leader made them.
static SAVED: OnceCell<(Value, Value)> = OnceCell::const_new();

/// Waits until no test needs another mode, and brings `wanted` about.
pub async fn turn(wanted: Mode) -> Turn {
    let understudy = stage::understudy().await;
    loop {
        let present = MODE.read().await;
        if *present == wanted {
            return present;
        }
        drop(present);
        let mut mode = MODE.write().await;
        if *mode != wanted {
            let (from, to) = (*mode, wanted);
            switch(understudy, from, to)
                .await
                .unwrap_or_else(|error| panic!("failed to go from {from:?} to {to:?}: {error:#}"));
            *mode = wanted;
        }
        let held = mode.downgrade();
        if *held == wanted {
            return held;
        }
    }
}

/// Back to [`Mode::Up`] first, so that there are four ways and not twelve.
async fn switch(understudy: &Understudy, from: Mode, to: Mode) -> Result<()> {
    match from {
        Mode::Up => {}
        Mode::Hung => {
            understudy.resume(Role::Serve)?;
            understudy.resume(Role::Control)?;
        }
        Mode::Down | Mode::Gone => {
            if from == Mode::Gone {
                restore().await?;
            }
            understudy.start(Role::Control).await?;
            understudy.start(Role::Serve).await?;
            understudy.wait_until_ready(Role::Control).await?;
            understudy.wait_until_ready(Role::Serve).await?;
        }
    }
    born_with(Ok(true)).await?;
    match to {
        Mode::Up => return Ok(()),
        Mode::Hung => {
            understudy.pause(Role::Control)?;
            understudy.pause(Role::Serve)?;
            return Ok(());
        }
        Mode::Down | Mode::Gone => {
            understudy.stop(Role::Control).await?;
            understudy.stop(Role::Serve).await?;
        }
    }
    if to == Mode::Down {
        return born_with(Err("failed calling webhook")).await;
    }
    remove().await?;
    born_with(Ok(false)).await
}

/// Waits until a developer's new preview is granted its lease, or not, or refused with these words.
async fn born_with(expected: Result<bool, &str>) -> Result<()> {
    let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(stage::client(User::Developer).await);
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let namespace = serde_json::from_value(
        json!({ "metadata": { "name": stage::unique("probe"), "labels": { keys::PREVIEW: "true" } } }),
    )?;
    eventually(SOON, "the API server sees the new mode", || async {
        match (api.create(&params, &namespace).await, expected) {
            (Ok(born), Ok(leased)) => {
                let has = born
                    .metadata
                    .annotations
                    .unwrap_or_default()
                    .contains_key(keys::EXPIRES_AT);
                ensure!(has == leased, "a lease: {has}");
            }
            (Err(kube::Error::Api(status)), Err(words)) if status.message.contains(words) => {}
            (found, _) => bail!("{found:?}"),
        }
        Ok(())
    })
    .await
}

async fn remove() -> Result<()> {
    let mutating = taken::<MutatingWebhookConfiguration>().await?;
    let validating = taken::<ValidatingWebhookConfiguration>().await?;
    let _ = SAVED.set((mutating, validating));
    Ok(())
}

async fn restore() -> Result<()> {
    let (mutating, validating) = SAVED.get().expect("they were removed before");
    put::<MutatingWebhookConfiguration>(mutating).await?;
    put::<ValidatingWebhookConfiguration>(validating).await
}

/// Deletes our configuration of this kind and returns it, fit to be created again.
async fn taken<K>() -> Result<Value>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + std::fmt::Debug,
{
    let api: Api<K> = Api::all(stage::client(User::Admin).await);
    let mut found = serde_json::to_value(api.get("understudy").await?)?;
    for field in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "managedFields",
        "generation",
    ] {
        found["metadata"]
            .as_object_mut()
            .expect("an object")
            .remove(field);
    }
    api.delete("understudy", &DeleteParams::default()).await?;
    Ok(found)
}

async fn put<K>(saved: &Value) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + std::fmt::Debug,
{
    let api: Api<K> = Api::all(stage::client(User::Admin).await);
    api.create(&PostParams::default(), &serde_json::from_value(saved.clone())?)
        .await?;
    Ok(())
}
