//! The end of a preview: routes, workloads, branches, namespace, in this order.
//!
//! Every step is idempotent and the next look begins again at the first, so a crash anywhere loses nothing.

use super::context::Context;
use super::error::{Error, failed};
use super::removal::remove;
use super::status;
use crate::provider::{self, Provider};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{DeleteParams, ListParams, PropagationPolicy};
use kube::core::{DynamicObject, NamespaceResourceScope, Resource};
use kube::runtime::controller::Action;
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::time::Duration;
use understudy::keys;
use understudy::policy::PreviewPolicySpec;
use understudy::preview::Preview;
use understudy::routes::http_route;

/// Between two steps of an end.
const STEP: Duration = Duration::from_millis(300);

/// For dropping one branch.
const DROPPED: Duration = Duration::from_secs(30);

/// What a Pod gets to end itself; Kubernetes' default.
pub const GRACE_SECONDS: u32 = 30;

/// What is said of an adopted namespace whose lease has run out, and that nobody said may be destroyed: it is looked after as
/// before, since it runs as before.
pub fn kept(preview: &Preview) -> String {
    format!(
        "the lease has run out; an adopted namespace is kept. End it by: kubectl annotate namespace {} {}=destroy",
        preview.name,
        keys::ON_EXPIRY
    )
}

/// The lease has run out.
pub async fn destroy(
    context: &Context,
    preview: &Preview,
    policy: Option<&PreviewPolicySpec>,
) -> Result<Action, Error> {
    status::expired(
        context,
        preview,
        "the lease has run out; everything is being removed",
    )
    .await;
    let client = &context.client;
    // Pods may still write to their branch until they are gone; a grace period is theirs. What never goes must not hold
    // the end up: after a minute the branch and the namespace go, and the namespace controller deals with the rest.
    let patient = preview.lease_under(policy).is_some_and(|lease| {
        Timestamp::now().duration_since(lease.expires_at) < SignedDuration::from_secs(60)
    });
    match empty(context, &preview.name).await {
        Ok(false) if patient => return Ok(Action::requeue(STEP)),
        Err(error) if patient => return Err(error),
        Err(error) => tracing::warn!(namespace = preview.name, %error, "the end goes on without its order"),
        Ok(_) => {}
    }
    match drop_branches(context, preview, policy).await {
        // The sweep drops what is left, once the server answers again.
        Err(error) if !patient => {
            tracing::warn!(namespace = preview.name, %error, "the end goes on without its branches")
        }
        dropped => dropped?,
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    if remove(&namespaces, &preview.name, &preview.uid, "delete the namespace").await? {
        context.metrics.acted("preview-destroyed");
        tracing::info!(
            namespace = preview.name,
            "the lease has run out; the namespace is deleted"
        );
    }
    Ok(Action::requeue(STEP))
}

/// Somebody deleted the namespace: its branches go as well.
pub async fn after_deletion(
    context: &Context,
    preview: &Preview,
    policy: Option<&PreviewPolicySpec>,
) -> Result<Action, Error> {
    end_pods(&context.client, &preview.name).await?;
    drop_branches(context, preview, policy).await?;
    Ok(Action::requeue(Duration::from_secs(30)))
}

/// Drops every branch that the policy could have made; the last error, after all have been tried. Without a policy the
/// sweep finds them, once a policy names their server.
async fn drop_branches(
    context: &Context,
    preview: &Preview,
    policy: Option<&PreviewPolicySpec>,
) -> Result<(), Error> {
    let mut outcome = Ok(());
    for database in policy.into_iter().flat_map(|policy| &policy.databases) {
        let dropped = async {
            let provider = context.provider(database).await?;
            provider.drop(&context.branch(preview, &database.name)).await
        };
        match provider::within(DROPPED, dropped).await {
            Ok(()) => context.metrics.acted("branch-dropped"),
            Err(error) => outcome = Err(error.into()),
        }
    }
    outcome
}

/// Deletes routes and workloads; whether no Pod is left.
async fn empty(context: &Context, namespace: &str) -> Result<bool, Error> {
    let client = &context.client;
    delete_all::<Ingress>(client, namespace).await?;
    if context.http_routes.are_served() {
        let routes: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &http_route());
        delete_with(routes, None).await?;
    }
    delete_all::<CronJob>(client, namespace).await?;
    delete_all::<Job>(client, namespace).await?;
    delete_all::<Deployment>(client, namespace).await?;
    delete_all::<StatefulSet>(client, namespace).await?;
    delete_all::<DaemonSet>(client, namespace).await?;
    delete_all::<ReplicaSet>(client, namespace).await?;
    end_pods(client, namespace).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    Ok(pods
        .list(&ListParams::default().limit(1))
        .await
        .map_err(failed("list Pods"))?
        .items
        .is_empty())
}

/// Deletes every Pod, with a grace period of ours: a Pod's own may be a year, and would outlive lease and namespace.
async fn end_pods(client: &Client, namespace: &str) -> Result<(), Error> {
    delete_with::<Pod>(Api::namespaced(client.clone(), namespace), Some(GRACE_SECONDS)).await
}

async fn delete_all<K>(client: &Client, namespace: &str) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    delete_with::<K>(Api::namespaced(client.clone(), namespace), None).await
}

async fn delete_with<K>(api: Api<K>, grace_period_seconds: Option<u32>) -> Result<(), Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    let found = match api.list_metadata(&ListParams::default().limit(1)).await {
        // A kind that is not served any more.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        found => found.map_err(failed("list what is left"))?,
    };
    if found.items.is_empty() {
        return Ok(());
    }
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        grace_period_seconds,
        ..DeleteParams::default()
    };
    api.delete_collection(&params, &ListParams::default())
        .await
        .map_err(failed("delete what is left"))?;
    Ok(())
}
