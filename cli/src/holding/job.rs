//! How far a Job is: done once as many of its Pods as it wants have ended well.

use super::{Standing, Workload, shorten};
use crate::cluster::Workloads;
use k8s_openapi::api::batch::v1::Job;
use understudy::preview::Preview;

/// How far `job` is; `None` where something else makes it and answers for it, such as a CronJob.
pub(super) fn of_job(job: &Job, preview: &Preview, workloads: &Workloads) -> Option<Standing> {
    if job.metadata.owner_references.iter().flatten().next().is_some() {
        return None;
    }
    let (spec, status) = (job.spec.as_ref()?, job.status.as_ref());
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let conditions = || {
        status
            .and_then(|status| status.conditions.as_ref())
            .into_iter()
            .flatten()
    };
    let is =
        |kind: &str| conditions().find(|condition| condition.type_ == kind && condition.status == "True");
    let count = |of: Option<i32>| of.unwrap_or(0);
    let succeeded = count(status.and_then(|status| status.succeeded));
    // Without a number of completions it works off a queue, for as long as there is something in it.
    let (wanted, ready) = match spec.completions {
        Some(completions) => (completions, succeeded),
        None => (
            spec.parallelism.unwrap_or(1),
            succeeded + count(status.and_then(|status| status.ready)),
        ),
    };
    let wanted = if is("Complete").is_some() || spec.suspend == Some(true) {
        0
    } else {
        wanted
    };
    let active = count(status.and_then(|status| status.active)) > 0;
    let mut standing = Workload {
        kind: "Job",
        name,
        wanted,
        ready,
        unfinished: (ready < wanted && active).then_some("it runs, and has not ended yet"),
        selector: spec.selector.as_ref(),
        refusal: None,
    }
    .standing(preview, workloads);
    if let Some(failed) = is("Failed") {
        let message = failed.message.as_deref().or(failed.reason.as_deref());
        standing.why = Some(format!(
            "it has failed: {}; see why: kubectl logs job/{name} --namespace {}",
            shorten(message.unwrap_or_default()),
            preview.name
        ));
    }
    standing.wanted = standing.wanted.max(ready);
    Some(standing)
}
