//! One preview, brought to where it should be.

use super::before::{Before, before};
use super::context::Context;
use super::error::{Error, failed};
use super::status::Status;
use super::{adoption, branches, fan_out, finish, observe, pace, pods, routes, seal, status, survey};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::runtime::controller::Action;
use std::sync::Arc;
use std::time::Duration;
use understudy::phase::Observed;
use understudy::policy::PreviewPolicySpec;
use understudy::preview::Preview;

/// Between two reviews of what was in a namespace before, or came in sideways, where there is something wrong.
const REVIEWED_AGAIN: Duration = Duration::from_secs(10);

/// When to look again after an error.
pub fn on_error(namespace: Arc<Namespace>, error: &Error, _: Arc<Context>) -> Action {
    tracing::warn!(namespace = namespace.metadata.name, %error, "will try again");
    Action::requeue(pace::BUSY)
}

/// Looks at one preview, and brings it a step or all the way; when to look again.
pub async fn reconcile(namespace: Arc<Namespace>, context: Arc<Context>) -> Result<Action, Error> {
    let name = namespace.metadata.name.clone().unwrap_or_default();
    let forget = || context.forget(&name, namespace.metadata.uid.as_deref().unwrap_or_default());
    // A fresh read: the end of a lease, above all, is never decided on memory.
    let api: Api<Namespace> = Api::all(context.client.clone());
    let Some(fresh) = api
        .get_metadata_opt(&name)
        .await
        .map_err(failed("read the namespace"))?
    else {
        forget();
        return Ok(Action::await_change());
    };
    let Some(preview) = Preview::of(&fresh.metadata) else {
        forget();
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
    let over = lease.is_some_and(|lease| lease.is_over(now));
    if over && preview.destroyed_at_end {
        return finish::destroy(&context, &preview, policy).await;
    }
    let observed = Observed {
        over,
        ..Observed::default()
    };
    let Some(policy) = policy else {
        let message = format!(
            "PreviewPolicy {} does not exist; new Pods wait until it is back",
            preview.policy
        );
        status::say(&context, &preview, observed, message).await?;
        return Ok(Action::requeue(context.calm()));
    };
    let next = match keep(&context, &preview, policy, observed).await? {
        Look::Calm => context.calm(),
        Look::Busy => busy,
        Look::Unsealed => pace::unsealed(preview.age(now)),
        Look::Unfit => REVIEWED_AGAIN,
    };
    Ok(match lease {
        // Wake up at the end of the lease, whatever happens before.
        Some(lease) if !over => {
            let left = Duration::try_from(lease.expires_at.duration_since(now)).unwrap_or_default();
            Action::requeue(next.min(left.max(Duration::from_millis(10))))
        }
        _ => Action::requeue(next),
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

/// Seal, branches, Pods, status. `begun` is what is known before anything has been looked at.
async fn keep(
    context: &Arc<Context>,
    preview: &Preview,
    policy: &PreviewPolicySpec,
    begun: Observed,
) -> Result<Look, Error> {
    let sealed = match seal::seal(context, preview, policy).await {
        Ok(sealed) => sealed,
        Err(error) => {
            // Whoever waits for the seal reads here why it does not come.
            let message = error.to_string();
            status::say(context, preview, begun, message).await?;
            return Err(error);
        }
    };
    let mut preview = preview.clone();
    let was_there = preview.adopted || preview.sealed.as_deref() == Some(observe::OBSERVED);
    if was_there && sealed.is_none() {
        // Nothing of what was there before is touched until all of it has been looked at.
        let message = "the guardrails are being put in place".to_owned();
        status::say(context, &preview, begun, message).await?;
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
                    Some("what was there before is ending, or is made again to be reviewed".to_owned()),
                ),
                Before::Unfit(why) => (true, Some(why)),
            };
            if let Some(message) = message {
                let observed = Observed { unfit, ..begun };
                status::say(context, &preview, observed, message).await?;
                return Ok(if unfit { Look::Unfit } else { Look::Busy });
            }
        }
        if preview.sealed.is_none() && !preview.adopted {
            // Nothing can have come in sideways yet.
            context.surveys.due_in(&preview.uid, context.calm());
        }
        // Before any Pod starts: a kubelet that finds no Secret to pull with waits long before it looks again.
        fan_out::keep(context, &preview, policy, true).await?;
        preview.sealed = Some(hash.clone());
        // Branches and Pods have not been looked at.
        let seal = Some(hash.clone());
        status::write(
            context,
            &preview,
            &Status {
                observed: begun,
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
        let due = context.surveys.is_due(&preview.uid);
        let mut left = survey::Left::default();
        if due {
            // Until both have been done without an error; what else there is to do does not wait for them.
            context.surveys.due_in(&preview.uid, REVIEWED_AGAIN);
            left = survey::close_what_opens(context, &preview).await?;
            context.surveys.found(&preview.uid, left.stays.clone());
        }
        fan_out::keep(context, &preview, policy, due).await?;
        if due && !left.more && left.stays.is_none() {
            context.surveys.due_in(&preview.uid, context.calm());
        }
        preview.branches = branches::ensure(context, &preview, policy).await?;
    }
    let reread = context.environments.take(&preview.name);
    let attended = pods::attend(context, &preview, policy, reread).await;
    if reread
        && attended
            .as_ref()
            .map_or(true, |found| found.unread || found.failed.is_some())
    {
        context.environments.mark(&preview.name);
    }
    let found = attended?;
    if found.reads && sealed.is_some() {
        context.environments.watch(context, &preview);
    }
    let stays = context.surveys.stays(&preview.uid);
    let observed = Observed {
        sealed: sealed.is_some(),
        unready_branches: preview.unready(policy).len(),
        failed_branches: branches::failed_count(&preview),
        unready_pods: found.unready,
        unfit: !found.unreviewed.is_empty() || stays.is_some(),
        over: begun.over,
    };
    // A link for people, which nothing else waits for.
    let url = routes::url(context, &preview, &policy.hosts.domain).await;
    let url = url.unwrap_or_else(|error| {
        tracing::warn!(namespace = preview.name, %error, "cannot tell the preview's URL");
        None
    });
    let status = Status {
        observed,
        message: match (begun.over, stays) {
            (true, _) => finish::kept(&preview),
            (false, Some(why)) => why,
            (false, None) => status::message(&preview, policy, observed, &found),
        },
        url,
        branches: preview.branches.clone(),
        seal: sealed,
    };
    status::write(context, &preview, &status).await?;
    if let Some(error) = found.failed {
        return Err(error);
    }
    if !observed.sealed {
        return Ok(Look::Unsealed);
    }
    let settled = observed.unready_branches == 0 && found.waiting == 0;
    Ok(if settled { Look::Calm } else { Look::Busy })
}
