//! One preview, brought to where it should be.

use super::context::Context;
use super::error::{Error, failed};
use super::status::Status;
use super::{adoption, branches, fan_out, finish, observe, pace, pods, routes, seal, status, survey};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, Pod, ResourceQuota};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::core::{DynamicObject, PartialObjectMeta, Resource};
use kube::runtime::controller::{self, Action};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Config;
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use understudy::keys;
use understudy::phase::Observed;
use understudy::policy::{PreviewPolicy, PreviewPolicySpec, policy_name};
use understudy::preview::Preview;
use understudy::routes::http_route;

/// Between two reviews of what was in an adopted namespace before.
const REVIEWED_AGAIN: Duration = Duration::from_secs(10);

/// Reconciles until the process ends.
pub async fn run(context: Arc<Context>, changed: UnboundedReceiver<ObjectRef<Namespace>>) {
    let changed = futures::stream::unfold(changed, async |mut changed| {
        changed.recv().await.map(|next| (next, changed))
    });
    let client = context.client.clone();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let controller = Controller::new(
        namespaces,
        Config::default().labels(&format!("{}=true", keys::PREVIEW)),
    )
    .with_config(controller::Config::default().concurrency(pace::ATTENDED));
    let previews = controller.store();
    let routing = context.clone();
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
        .watches_stream(
            watcher(Api::<PartialObjectMeta<Ingress>>::all(client.clone()), Config::default()).default_backoff().touched_objects(),
            |ingress: PartialObjectMeta<Ingress>| ingress.metadata.namespace.map(|name| ObjectRef::new(&name)),
        )
        .watches_stream_with(
            gateway_routes(&client),
            move |route: DynamicObject| {
                routing.http_routes.seen();
                route.metadata.namespace.map(|name| ObjectRef::new(&name))
            },
            http_route(),
        )
        .reconcile_on(changed)
        .run(reconcile, on_error, context)
        .for_each(async |_| {})
        .await;
}

/// HTTPRoutes. Where the Gateway API is not installed, this asks for them again now and then, and says nothing: after an error
/// of one of its streams the controller takes its time with all of them.
fn gateway_routes(
    client: &Client,
) -> impl futures::Stream<Item = Result<DynamicObject, watcher::Error>> + Send + 'static {
    let routes = Api::<DynamicObject>::all_with(client.clone(), &http_route());
    let touched = watcher(routes, Config::default())
        .default_backoff()
        .touched_objects();
    touched.filter(|route| std::future::ready(route.is_ok()))
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
        context.seals.doubt(&namespace);
        Some(ObjectRef::new(&namespace))
    }
}

fn on_error(namespace: Arc<Namespace>, error: &Error, _: Arc<Context>) -> Action {
    tracing::warn!(namespace = namespace.metadata.name, %error, "will try again");
    Action::requeue(pace::BUSY)
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
        context.environments.forget(&name);
        return Ok(Action::await_change());
    };
    let Some(preview) = Preview::of(&fresh.metadata) else {
        context.environments.forget(&name);
        return Ok(Action::await_change());
    };
    let policies = context.memory.facts(None, Default::default()).policies;
    let policy = policies.get(&preview.policy);
    if preview.deleting {
        context.forget(&name, &preview.uid);
        return finish::after_deletion(&context, &preview, policy).await;
    }
    let now = Timestamp::now();
    let busy = pace::busy(preview.age(now));
    if policy.is_some_and(PreviewPolicySpec::only_observes) {
        context.environments.forget(&name);
        observe::observe(&context, &preview).await?;
        return Ok(Action::requeue(context.calm()));
    }
    if adoption::mend(&context, &preview).await? {
        return Ok(Action::requeue(busy));
    }
    if let Some(policy) = policy
        && observe::enforce(&context, &preview, policy).await?
    {
        return Ok(Action::requeue(busy));
    }
    let lease = preview.lease_under(policy);
    if lease.is_some_and(|lease| lease.is_over(now)) {
        if !preview.destroyed_at_end {
            return Ok(finish::keep(&context, &preview).await);
        }
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
        return Ok(Action::requeue(context.calm()));
    };
    let next = match keep(&context, &preview, policy).await? {
        Look::Calm => context.calm(),
        Look::Busy => busy,
        Look::Unsealed => pace::unsealed(preview.age(now)),
        Look::Unfit => REVIEWED_AGAIN,
    };
    Ok(match lease {
        // Wake up at the end of the lease, whatever happens before.
        Some(lease) => {
            let left = Duration::try_from(lease.expires_at.duration_since(now)).unwrap_or_default();
            Action::requeue(next.min(left.max(Duration::from_millis(10))))
        }
        None => Action::requeue(next),
    })
}

/// What was found, which says when to look again.
enum Look {
    /// Everything is where it should be.
    Calm,
    /// Something is on its way.
    Busy,
    /// The guardrails are on their way.
    Unsealed,
    /// What was there before waits for somebody to mend it.
    Unfit,
}

/// Seal, branches, Pods, status.
async fn keep(context: &Arc<Context>, preview: &Preview, policy: &PreviewPolicySpec) -> Result<Look, Error> {
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
    let was_there = preview.adopted || preview.sealed.as_deref() == Some(observe::OBSERVED);
    if was_there && sealed.is_none() {
        // Nothing of what was there before is touched until all of it has been looked at.
        let message = "the guardrails are being put in place".to_owned();
        status::write(
            context,
            &preview,
            &Status {
                message,
                ..Status::default()
            },
        )
        .await?;
        return Ok(Look::Busy);
    }
    if let Some(hash) = &sealed
        && preview.sealed.as_ref() != Some(hash)
    {
        if was_there {
            let (unfit, message) = match before(context, &preview, policy).await? {
                Before::Fit => (false, None),
                Before::Replaced => (
                    false,
                    Some("what was there before is being replaced, to be reviewed".to_owned()),
                ),
                Before::Unfit(why) => (true, Some(why)),
            };
            if let Some(message) = message {
                let observed = Observed {
                    unfit,
                    ..Observed::default()
                };
                status::write(
                    context,
                    &preview,
                    &Status {
                        observed,
                        message,
                        ..Status::default()
                    },
                )
                .await?;
                return Ok(if unfit { Look::Unfit } else { Look::Busy });
            }
        }
        if preview.sealed.is_none() && !preview.adopted {
            context.is_new(&preview);
        }
        // Before any Pod starts: a kubelet that finds no Secret to pull with waits long before it looks again.
        fan_out::keep(context, &preview, policy, true).await?;
        preview.sealed = Some(hash.clone());
        // No word on its phase: branches and Pods have not been looked at.
        let seal = Some(hash.clone());
        status::write(
            context,
            &preview,
            &Status {
                seal,
                ..Status::default()
            },
        )
        .await?;
        context.metrics.acted("sealed");
        // Making branches may take long; what is held by the guardrails alone need not wait for them.
        pods::attend(context, &preview, policy, false).await?;
    }
    if sealed.is_some() {
        let due = context.is_due(&preview);
        if due {
            survey::close_what_opens(context, &preview).await?;
        }
        fan_out::keep(context, &preview, policy, due).await?;
        preview.branches = branches::ensure(context, &preview, policy).await?;
    }
    let reread = context.environments.take(&preview.name);
    let attended = pods::attend(context, &preview, policy, reread).await;
    if reread && attended.as_ref().map_or(true, |found| found.unread) {
        context.environments.mark(&preview.name);
    }
    let found = attended?;
    if found.reads && sealed.is_some() {
        context.environments.watch(context, &preview);
    }
    let observed = Observed {
        sealed: sealed.is_some(),
        unready_branches: preview.unready(policy).len(),
        failed_branches: branches::failed_count(&preview),
        unready_pods: found.unready,
        unfit: !found.unreviewed.is_empty(),
        over: false,
    };
    let status = Status {
        observed,
        message: status::message(&preview, policy, observed, &found),
        url: routes::url(context, &preview, &policy.hosts.domain).await?,
        branches: preview.branches.clone(),
        seal: sealed,
    };
    status::write(context, &preview, &status).await?;
    if !observed.sealed {
        return Ok(Look::Unsealed);
    }
    let settled = observed.unready_branches == 0 && found.waiting == 0;
    Ok(if settled { Look::Calm } else { Look::Busy })
}

/// How what was in a namespace before stands against the rules.
enum Before {
    /// All of it is as it should be.
    Fit,
    /// Some Pods went just now and come back reviewed.
    Replaced,
    /// Something is not as it should be, and is nobody's to change but its owner's.
    Unfit(String),
}

async fn before(context: &Context, preview: &Preview, policy: &PreviewPolicySpec) -> Result<Before, Error> {
    if let Some(why) = adoption::against(context, preview, policy).await? {
        return Ok(Before::Unfit(why));
    }
    let findings = survey::everything(context, preview).await?;
    if let Some(first) = findings.first() {
        let others = match findings.len() - 1 {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        return Ok(Before::Unfit(format!(
            "{}: {}: {}{others}. New Pods wait until this is mended",
            first.what, first.reason, first.why
        )));
    }
    let found = pods::attend(context, preview, policy, false).await?;
    Ok(match found.unreviewed.first() {
        Some(pod) => Before::Unfit(format!(
            "Pod {pod} came in unreviewed and nothing makes it again; delete it"
        )),
        None if found.replaced > 0 => Before::Replaced,
        None => Before::Fit,
    })
}
