//! One preview, brought to where it should be.

use super::context::Context;
use super::error::{Error, failed};
use super::status::Status;
use super::{branches, finish, pods, routes, seal, status};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, Pod, ResourceQuota};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::core::{PartialObjectMeta, Resource};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Config;
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use understudy::keys;
use understudy::phase::Observed;
use understudy::policy::{PreviewPolicy, PreviewPolicySpec, policy_name};
use understudy::preview::Preview;

/// Between two looks when nothing changed; time passes without an event, and a missed event heals.
const CALM: Duration = Duration::from_secs(30);
/// Between two looks while something is on its way.
const BUSY: Duration = Duration::from_millis(500);

/// Reconciles until the process ends.
pub async fn run(context: Arc<Context>) {
    let client = context.client.clone();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let controller = Controller::new(
        namespaces,
        Config::default().labels(&format!("{}=true", keys::PREVIEW)),
    );
    let previews = controller.store();
    let under_policy = move |policy: PreviewPolicy| {
        let name = policy.metadata.name.unwrap_or_default();
        let named = |namespace: &Namespace| {
            policy_name(namespace.metadata.labels.as_ref().unwrap_or(&Default::default())) == name
        };
        previews
            .state()
            .into_iter()
            .filter(|namespace| named(namespace))
            .map(|found| ObjectRef::from_obj(&*found))
            .collect::<Vec<_>>()
    };
    controller
        .watches(Api::<PreviewPolicy>::all(client.clone()), Config::default(), under_policy)
        .watches_stream(guardrails::<LimitRange>(&client), doubt::<LimitRange>(&context))
        .watches_stream(guardrails::<ResourceQuota>(&client), doubt::<ResourceQuota>(&context))
        .watches_stream(guardrails::<NetworkPolicy>(&client), doubt::<NetworkPolicy>(&context))
        .watches_stream(guardrails::<RoleBinding>(&client), doubt::<RoleBinding>(&context))
        // Metadata of Pods only, and no store: the stream merely says where to look.
        .watches_stream(
            watcher(Api::<PartialObjectMeta<Pod>>::all(client.clone()), Config::default()).default_backoff().touched_objects(),
            |pod: PartialObjectMeta<Pod>| pod.metadata.namespace.map(|name| ObjectRef::new(&name)),
        )
        .run(reconcile, on_error, context)
        .for_each(async |_| {})
        .await;
}

/// Guardrail objects of one kind, wherever they are, as they change or go.
fn guardrails<K>(
    client: &Client,
) -> impl futures::Stream<Item = Result<PartialObjectMeta<K>, kube::runtime::watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let ours = Config::default().labels(keys::GUARDRAIL);
    watcher(Api::<PartialObjectMeta<K>>::all(client.clone()), ours)
        .default_backoff()
        .touched_objects()
}

fn doubt<K>(
    context: &Arc<Context>,
) -> impl Fn(PartialObjectMeta<K>) -> Option<ObjectRef<Namespace>> + Send + Sync + 'static {
    let context = context.clone();
    move |object| {
        let namespace = object.metadata.namespace?;
        context.doubt(&namespace);
        Some(ObjectRef::new(&namespace))
    }
}

fn on_error(namespace: Arc<Namespace>, error: &Error, _: Arc<Context>) -> Action {
    tracing::warn!(namespace = namespace.metadata.name, %error, "will try again");
    Action::requeue(BUSY)
}

async fn reconcile(namespace: Arc<Namespace>, context: Arc<Context>) -> Result<Action, Error> {
    let name = namespace.metadata.name.clone().unwrap_or_default();
    // A fresh read: the end of a lease, above all, is never decided on memory.
    let api: Api<Namespace> = Api::all(context.client.clone());
    let Some(fresh) = api
        .get_metadata_opt(&name)
        .await
        .map_err(failed("read the namespace"))?
    else {
        return Ok(Action::await_change());
    };
    let Some(preview) = Preview::of(&fresh.metadata) else {
        return Ok(Action::await_change());
    };
    let policies = context.memory.facts(None, Default::default()).policies;
    let policy = policies.get(&preview.policy);
    if preview.deleting {
        return finish::after_deletion(&context, &preview, policy).await;
    }
    let now = Timestamp::now();
    let lease = preview.lease_under(policy);
    if lease.is_some_and(|lease| lease.is_over(now)) {
        return finish::destroy(&context, &preview, policy).await;
    }
    let Some(policy) = policy else {
        let message = format!(
            "PreviewPolicy {} does not exist; new Pods wait until it is back",
            preview.policy
        );
        status::write(
            &context,
            &preview,
            &Status {
                message,
                ..Status::default()
            },
        )
        .await?;
        return Ok(Action::requeue(CALM));
    };
    let action = keep(&context, &preview, policy).await?;
    Ok(match lease {
        // Wake up at the end of the lease, whatever happens before.
        Some(lease) => {
            let left = Duration::try_from(lease.expires_at.duration_since(now)).unwrap_or_default();
            Action::requeue(action.min(left.max(Duration::from_millis(10))))
        }
        None => Action::requeue(action),
    })
}

/// Seal, branches, Pods, status; returns when to look again.
async fn keep(context: &Context, preview: &Preview, policy: &PreviewPolicySpec) -> Result<Duration, Error> {
    let sealed = match seal::seal(context, preview, policy).await {
        Ok(sealed) => sealed,
        Err(error) => {
            // Whoever waits for the seal reads here why it does not come.
            let message = error.to_string();
            status::write(
                context,
                preview,
                &Status {
                    message,
                    ..Status::default()
                },
            )
            .await?;
            return Err(error);
        }
    };
    let mut preview = preview.clone();
    let mut observed = Observed {
        sealed: sealed.is_some(),
        ..Observed::default()
    };
    if let Some(hash) = &sealed {
        if preview.sealed.as_ref() != Some(hash) {
            preview.sealed = Some(hash.clone());
            let seal = Some(hash.clone());
            status::write(
                context,
                &preview,
                &Status {
                    observed,
                    seal,
                    ..Status::default()
                },
            )
            .await?;
            context.metrics.acted("sealed");
        }
        pods::attend(context, &preview, policy).await?;
        let states = branches::ensure(context, &preview, policy).await?;
        preview.branches = states;
    }
    let found = pods::attend(context, &preview, policy).await?;
    observed.unready_branches = preview.unready(policy).len();
    observed.failed_branches = branches::failed_count(&preview);
    observed.unready_pods = found.unready;
    let status = Status {
        observed,
        message: status::message(&preview, policy, observed, &found),
        url: routes::url(context, &preview, &policy.hosts.domain).await?,
        branches: preview.branches.clone(),
        seal: sealed,
    };
    status::write(context, &preview, &status).await?;
    let settled = observed.sealed && observed.unready_branches == 0 && found.waiting == 0;
    Ok(if settled { CALM } else { BUSY })
}
