//! The seed of a clone's own passwords, kept in the clone.

use super::write::MANAGER;
use super::{Cluster, explain};
use crate::error::{Exit, Failure};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta, PostParams};
use understudy::clone::Seed;
use understudy::keys;

const WHAT: &str = "cannot keep what the clone's passwords are derived from";

impl Cluster {
    /// The seed that the clone `namespace` keeps, where it has one.
    pub async fn seed(&self, namespace: &str) -> Result<Option<Seed>, Failure> {
        let (name, key) = keys::SEED_SECRET;
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let what = format!("cannot read Secret {name} of {namespace}");
        let found = match api.get_opt(name).await {
            // Access is a guardrail, which may not be there yet: then there is no seed either.
            Err(kube::Error::Api(status)) if status.code == 403 => None,
            found => found.map_err(|error| explain(what, &error))?,
        };
        let value = found.and_then(|secret| secret.data?.remove(key));
        Ok(value.map(|value| Seed::new(String::from_utf8_lossy(&value.0).into_owned())))
    }

    /// Keeps `seed` in the clone `namespace`. Fails where another one is kept: its passwords would be others.
    pub async fn keep_seed(&self, namespace: &str, seed: &Seed) -> Result<(), Failure> {
        let (name, key) = keys::SEED_SECRET;
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            immutable: Some(true),
            data: Some([(key.to_owned(), ByteString(seed.expose().into()))].into()),
            ..Secret::default()
        };
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        match api.create(&params, &secret).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => match self.seed(namespace).await? {
                Some(kept) if kept == *seed => Ok(()),
                Some(_) => Err(Failure::new(Exit::Taken, WHAT)
                    .caused_by(format!("somebody else is making {namespace} at the same time"))),
                None => Err(Failure::new(Exit::NoRights, WHAT)
                    .caused_by(format!("{namespace} keeps one already, and you may not read it"))
                    .hint(format!("kubectl auth can-i get secrets --namespace {namespace}"))),
            },
            Err(error) => Err(explain(WHAT, &error)),
        }
    }
}
