//! What an apply would do, and taking away what a clone made once.

use super::apply::params;
use super::{Cluster, Resources, explain, not_found};
use crate::error::{Exit, Failure};
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::DynamicObject;

/// What an apply would come to.
pub enum Rehearsal {
    /// The object would be this.
    WouldBe(Box<DynamicObject>),
    /// The API server would not change it in place.
    Immutable,
}

impl Cluster {
    /// What applying `object` would make of it; nothing is stored.
    pub async fn rehearse(
        &self,
        object: &DynamicObject,
        resources: &Resources,
    ) -> Result<Rehearsal, Failure> {
        let (api, id) = self.api_of(object, resources)?;
        let params = PatchParams {
            dry_run: true,
            ..params()
        };
        let name = object.metadata.name.clone().unwrap_or_default();
        match api.patch(&name, &params, &Patch::Apply(object)).await {
            Ok(would_be) => Ok(Rehearsal::WouldBe(Box::new(would_be))),
            Err(kube::Error::Api(status)) if status.code == 422 => Ok(Rehearsal::Immutable),
            Err(error) => Err(explain(format!("cannot tell what would become of {id}"), &error)),
        }
    }

    /// Deletes the very `object` that was read; one that is gone, or another by now, is left alone.
    pub async fn prune(&self, object: &DynamicObject, resources: &Resources) -> Result<(), Failure> {
        let (api, id) = self.api_of(object, resources)?;
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: object.metadata.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        let name = object.metadata.name.clone().unwrap_or_default();
        match api.delete(&name, &params).await {
            Ok(_) => Ok(()),
            Err(error) if not_found(&error) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(explain(format!("cannot delete {id}"), &error)),
        }
    }

    fn api_of(
        &self,
        object: &DynamicObject,
        resources: &Resources,
    ) -> Result<(Api<DynamicObject>, String), Failure> {
        let types = object.types.clone().unwrap_or_default();
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        let id = format!(
            "{}/{} in {namespace}",
            types.kind,
            object.metadata.name.as_deref().unwrap_or_default()
        );
        match resources.get(&(types.api_version, types.kind)) {
            Some(resource) => Ok((
                Api::namespaced_with(self.client.clone(), &namespace, resource),
                id,
            )),
            None => Err(Failure::new(Exit::Failed, format!("cannot ask about {id}"))
                .caused_by("the server does not serve its kind")),
        }
    }
}
