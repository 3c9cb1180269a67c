//! What the leader watches, and which preview each event is about.

use super::context::Context;
use super::pace;
use super::reconcile::{on_error, reconcile};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, Pod, ResourceQuota};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::core::{DynamicObject, PartialObjectMeta, Resource};
use kube::runtime::controller;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Config;
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;
use understudy::keys;
use understudy::policy::{PreviewPolicy, policy_name};
use understudy::routes::http_route;

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
