//! Deleting one object and no other of its name.

use super::error::{Error, failed};
use kube::Api;
use kube::api::{DeleteParams, Preconditions};
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Deletes the object `name` while it is the one with `uid`; whether it was there to delete.
///
/// Gone already, or another one by now, is no error: the next look decides again.
pub async fn remove<K>(api: &Api<K>, name: &str, uid: &str, what: &'static str) -> Result<bool, Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    remove_within(api, name, uid, None, what).await
}

/// The same, with this many seconds for its containers instead of its own.
pub async fn remove_within<K>(
    api: &Api<K>,
    name: &str,
    uid: &str,
    grace: Option<u32>,
    what: &'static str,
) -> Result<bool, Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    let only_this = Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: None,
    };
    let params = DeleteParams {
        grace_period_seconds: grace,
        ..DeleteParams::default().preconditions(only_this)
    };
    match api.delete(name, &params).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(false),
        Err(error) => Err(failed(what)(error)),
    }
}
