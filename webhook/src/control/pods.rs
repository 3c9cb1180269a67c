//! The Pods of a preview: gates lifted, the unreviewed replaced, the excess removed.

use super::context::Context;
use super::error::{Error, failed};
use super::finish::GRACE_SECONDS;
use super::removal::remove_within;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, ResourceQuota};
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use understudy::admission::{Facts, needs};
use understudy::contract::GATES;
use understudy::environment::Fact;
use understudy::guardrails;
use understudy::holding::{self, InForce, PodAction};
use understudy::policy::PreviewPolicySpec;
use understudy::preview::Preview;
use understudy::quantity::Quantity;
use understudy::reason::Reason;

/// What was found among the Pods.
#[derive(Debug, Default)]
pub struct Found {
    /// Neither ready nor finished.
    pub unready: usize,
    /// Held, or replaced just now: worth another look soon.
    pub waiting: usize,
    /// Something is read from a ConfigMap or Secret.
    pub reads: bool,
    /// Something that a Pod reads could not be read.
    pub unread: bool,
    /// Replaced just now, to be reviewed, or on their way out as they came.
    pub replaced: usize,
    /// Never reviewed on their way in, made again by nothing, and not as they should be: name and why.
    pub unreviewed: Vec<String>,
    /// What went wrong with one of them, last.
    pub failed: Option<Error>,
}

/// Attends to every Pod of `preview`, whatever goes wrong with another; `reread` says that what they read may have changed.
pub async fn attend(
    context: &Context,
    preview: &Preview,
    policy: &PreviewPolicySpec,
    reread: bool,
) -> Result<Found, Error> {
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &preview.name);
    let listed = api
        .list(&ListParams::default())
        .await
        .map_err(failed("list Pods"))?;
    let sealed = guardrails::is_sealed(preview, policy, &context.installation.namespace);
    let in_force = InForce {
        sealed,
        branches_ready: preview.unready(policy).is_empty(),
        reread,
    };
    let now = Timestamp::now();
    let mut found = Found::default();
    let pods: Vec<Value> = listed
        .items
        .iter()
        .map(|pod| serde_json::to_value(pod).unwrap_or_default())
        .collect();
    let held: Vec<&Value> = pods
        .iter()
        .filter(|pod| pod["spec"]["schedulingGates"].is_array())
        .collect();
    found.waiting = held.len();
    found.unready = pods.iter().filter(|pod| !holding::is_ready(pod)).count();
    // Before any gate is lifted: what goes must not have started.
    if sealed && !held.is_empty() && remove_excess(context, preview, &api, &held).await? {
        return Ok(found);
    }
    for pod in &pods {
        let without = context.memory.facts(Some(preview.clone()), Default::default());
        let needed = needs(&holding::creation(pod));
        found.reads |= !needed.is_empty();
        let sources = match holding::needs_sources(pod, in_force, &without) {
            true => context.live.read(&preview.name, needed).await,
            false => Default::default(),
        };
        found.unread |= reread && sources.values().any(|fact| *fact == Fact::Unknown);
        let facts = Facts { sources, ..without };
        let action = holding::action(pod, in_force, &facts);
        // One that somebody keeps must not keep the others.
        if let Err(error) = act(context, preview, &api, (pod, action), now, &mut found).await {
            found.failed = Some(error);
        }
    }
    Ok(found)
}

/// Does with one Pod what was decided.
async fn act(
    context: &Context,
    preview: &Preview,
    api: &Api<Pod>,
    (pod, action): (&Value, PodAction),
    now: Timestamp,
    found: &mut Found,
) -> Result<(), Error> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let tell = |event, reason, note: String| context.tell_why(preview, event, reason, note);
    match action {
        PodAction::Leave => {}
        PodAction::Lift(gates) => lift(api, pod, &gates).await?,
        // It stays held until then.
        PodAction::Replace
            if holding::turn_of(pod).is_some_and(|owner| !context.is_turn(preview, owner, now)) => {}
        PodAction::Replace => {
            found.waiting += 1;
            found.replaced += 1;
            delete(api, pod).await?;
            context.metrics.acted("pod-replaced");
            let note = format!("Pod {name} is replaced by its owner, to be reviewed");
            tell("PodReplaced", Reason::EnvironmentUnresolved, note).await;
        }
        PodAction::Remove(resource) => {
            delete(api, pod).await?;
            context.metrics.acted("pod-removed");
            let note =
                format!("Pod {name} was removed: it came before the limits and exceeds them in {resource}");
            tell("OverLimits", Reason::OverLimits, note).await;
        }
        PodAction::Renew(reason, what) => {
            found.waiting += 1;
            delete(api, pod).await?;
            context.metrics.acted("pod-renewed");
            let note = format!("Pod {name} was removed: what it reads has changed ({what})");
            tell("EnvironmentChanged", reason, note).await;
        }
        PodAction::Report(why) => found.unreviewed.push(format!("{name} ({why})")),
        PodAction::Hasten => {
            found.waiting += 1;
            found.replaced += 1;
            // A shorter time counts, a longer one would not.
            if pod["metadata"]["deletionGracePeriodSeconds"].as_u64() > Some(u64::from(GRACE_SECONDS)) {
                delete(api, pod).await?;
                context.metrics.acted("pod-hastened");
            }
        }
    }
    Ok(())
}

/// Takes all our gates off every Pod, for a policy that only observes.
pub async fn release(context: &Context, preview: &Preview) -> Result<(), Error> {
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &preview.name);
    let listed = api
        .list(&ListParams::default())
        .await
        .map_err(failed("list Pods"))?;
    for pod in &listed.items {
        let pod = serde_json::to_value(pod).unwrap_or_default();
        let held: Vec<&str> = GATES
            .into_iter()
            .filter(|gate| holding::has_gate(&pod, gate))
            .collect();
        if !held.is_empty() {
            lift(&api, &pod, &held).await?;
        }
    }
    Ok(())
}

/// Takes `gates` off; a conflict if the Pod changed since it was read.
async fn lift(api: &Api<Pod>, pod: &Value, gates: &[&str]) -> Result<(), Error> {
    let patch = json!({
        "metadata": { "resourceVersion": pod["metadata"]["resourceVersion"] },
        "spec": { "schedulingGates": holding::remaining_gates(pod, gates) },
    });
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    match api
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
    {
        Ok(_) => Ok(()),
        // Gone or changed meanwhile: the next look decides again.
        Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(()),
        Err(error) => Err(failed("lift a Pod's gates")(error)),
    }
}

async fn delete(api: &Api<Pod>, pod: &Value) -> Result<(), Error> {
    let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default();
    // Whatever they would give themselves: what they run is not as it should be.
    let own = pod["spec"]["terminationGracePeriodSeconds"].as_u64();
    let own = own.and_then(|own| u32::try_from(own).ok());
    let grace = own.map_or(GRACE_SECONDS, |own| GRACE_SECONDS.min(own));
    remove_within(api, text("name"), text("uid"), Some(grace), "delete a Pod").await?;
    Ok(())
}

/// Pods that came before the quota was in force may exceed it: the newest held ones go, one a look, and it is said;
/// whether one went.
async fn remove_excess(
    context: &Context,
    preview: &Preview,
    api: &Api<Pod>,
    held: &[&Value],
) -> Result<bool, Error> {
    let quotas: Api<ResourceQuota> = Api::namespaced(context.client.clone(), &preview.name);
    let Some(quota) = quotas
        .get_opt("understudy")
        .await
        .map_err(failed("read the quota"))?
    else {
        return Ok(false);
    };
    let quota = serde_json::to_value(quota).unwrap_or_default();
    let amount =
        |part: &str, resource: &str| quota["status"][part][resource].as_str()?.parse::<Quantity>().ok();
    let hard = quota["status"]["hard"].as_object().into_iter().flatten();
    let exceeded: Vec<&str> = hard
        .map(|(resource, _)| resource.as_str())
        .filter(|resource| amount("used", resource) > amount("hard", resource))
        .collect();
    let newest = held.iter().max_by_key(|pod| {
        pod["metadata"]["creationTimestamp"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    let (Some(resource), Some(pod)) = (exceeded.first(), newest) else {
        return Ok(false);
    };
    delete(api, pod).await?;
    context.metrics.acted("pod-removed");
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let note = format!("Pod {name} was removed: it came before the quota and exceeds its {resource}");
    context
        .tell_why(preview, "OverQuota", Reason::OverQuota, note)
        .await;
    Ok(true)
}
