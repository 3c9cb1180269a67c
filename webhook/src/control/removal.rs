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
    let only_this = Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: None,
    };
    match api
        .delete(name, &DeleteParams::default().preconditions(only_this))
        .await
    {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(false),
        Err(error) => Err(failed(what)(error)),
    }
}
