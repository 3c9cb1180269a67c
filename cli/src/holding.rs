//! What holds a workload back, in one sentence. Pure: facts in, a sentence out.
//!
//! Deployments and StatefulSets are judged as `kubectl rollout status` does, which also waits for the Pods of earlier
//! revisions to be gone. Source: <https://github.com/kubernetes/kubectl/blob/master/pkg/polymorphichelpers/rollout_status.go>.

mod container;
mod job;
mod pod;
#[cfg(test)]
mod tests;

pub use pod::of_pod;

use crate::cluster::Workloads;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus, StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use understudy::preview::Preview;

/// How far one workload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `Deployment/web`.
    pub id: String,
    /// Pods wanted; of a Job, how many have to end well.
    pub wanted: i32,
    /// Pods ready, of the newest revision; of a Job, how many have ended well.
    pub ready: i32,
    /// What holds it back.
    pub why: Option<String>,
}

impl Standing {
    /// Whether nothing is missing.
    pub fn is_ready(&self) -> bool {
        self.ready >= self.wanted && self.why.is_none()
    }

    /// The whole of it.
    pub fn sentence(&self) -> String {
        let far = if self.id.starts_with("Job/") {
            "done"
        } else {
            "ready"
        };
        let count = format!("{}: {} of {} {far}", self.id, self.ready, self.wanted);
        match &self.why {
            Some(why) => format!("{count}; {why}"),
            None => count,
        }
    }
}

/// What a controller has not seen yet.
const UNSEEN: &str = "its controller has not seen its latest change yet";
/// What is left of an earlier revision.
const EARLIER: &str = "Pods of an earlier revision are still being replaced";

/// How far every workload of `preview` is. Those of other vendors' kinds are known to their operators only; what these make
/// of Kubernetes' own kinds counts.
pub fn standings(preview: &Preview, workloads: &Workloads) -> Vec<Standing> {
    let deployments = workloads
        .deployments
        .iter()
        .map(|deployment| of_deployment(deployment, preview, workloads));
    let sets = workloads
        .stateful_sets
        .iter()
        .map(|set| of_set(set, preview, workloads));
    let jobs = workloads
        .jobs
        .iter()
        .filter_map(|job| job::of_job(job, preview, workloads));
    deployments.chain(sets).chain(jobs).collect()
}

fn of_deployment(deployment: &Deployment, preview: &Preview, workloads: &Workloads) -> Standing {
    let (spec, status) = (deployment.spec.as_ref(), deployment.status.as_ref());
    let seen = status.and_then(|s| s.observed_generation) >= deployment.metadata.generation;
    let count = |of: fn(&DeploymentStatus) -> Option<i32>| status.and_then(of).unwrap_or(0);
    let updated = count(|status| status.updated_replicas);
    let earlier = count(|status| status.replicas) - updated;
    let available = count(|status| status.available_replicas);
    let refusal = status
        .and_then(|status| status.conditions.as_ref())
        .into_iter()
        .flatten()
        .find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")
        .and_then(|condition| condition.message.as_deref());
    Workload {
        kind: "Deployment",
        name: deployment.metadata.name.as_deref().unwrap_or_default(),
        wanted: spec.and_then(|spec| spec.replicas).unwrap_or(1),
        // Those of earlier revisions may be among the available ones.
        ready: if seen {
            (available - earlier).clamp(0, updated)
        } else {
            0
        },
        unfinished: unfinished(seen, earlier > 0),
        selector: spec.map(|spec| &spec.selector),
        refusal,
    }
    .standing(preview, workloads)
}

fn of_set(set: &StatefulSet, preview: &Preview, workloads: &Workloads) -> Standing {
    let (spec, status) = (set.spec.as_ref(), set.status.as_ref());
    let seen = status.and_then(|s| s.observed_generation) >= set.metadata.generation;
    let count = |of: fn(&StatefulSetStatus) -> Option<i32>| status.and_then(of).unwrap_or(0);
    let (updated, ready) = (
        count(|status| status.updated_replicas),
        count(|status| status.ready_replicas),
    );
    let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let strategy = spec.and_then(|spec| spec.update_strategy.as_ref());
    // Below the partition Pods keep their revision, and with OnDelete until somebody deletes them.
    let kept = match strategy.and_then(|strategy| strategy.type_.as_deref()) {
        Some("OnDelete") => wanted,
        _ => strategy
            .and_then(|strategy| strategy.rolling_update.as_ref()?.partition)
            .unwrap_or(0),
    };
    let rolls = status.is_some_and(|status| status.current_revision != status.update_revision);
    let replaces = rolls && (kept == 0 || updated < wanted - kept);
    Workload {
        kind: "StatefulSet",
        name: set.metadata.name.as_deref().unwrap_or_default(),
        wanted,
        ready: match (seen, replaces) {
            (false, _) => 0,
            (true, true) => ready.min(updated + kept),
            (true, false) => ready,
        },
        unfinished: unfinished(seen, replaces),
        selector: spec.map(|spec| &spec.selector),
        // It has no condition for that, only Events.
        refusal: None,
    }
    .standing(preview, workloads)
}

fn unfinished(seen: bool, replaces: bool) -> Option<&'static str> {
    match (seen, replaces) {
        (false, _) => Some(UNSEEN),
        (true, true) => Some(EARLIER),
        (true, false) => None,
    }
}

/// What workloads of all kinds have.
struct Workload<'w> {
    kind: &'w str,
    name: &'w str,
    wanted: i32,
    ready: i32,
    /// What is not done although as many are ready as are wanted.
    unfinished: Option<&'static str>,
    selector: Option<&'w LabelSelector>,
    /// Why no Pod of it may be made.
    refusal: Option<&'w str>,
}

impl Workload<'_> {
    fn standing(self, preview: &Preview, workloads: &Workloads) -> Standing {
        let pods = workloads.pods.iter().filter(|pod| self.selects(pod));
        let warning = || {
            about(&workloads.warnings, self.kind, self.name)
                .next_back()?
                .message
                .as_deref()
        };
        let why = (self.ready < self.wanted || self.unfinished.is_some()).then(|| {
            pods.filter_map(|pod| of_pod(pod, preview, &workloads.warnings))
                .next()
                .or_else(|| self.refusal.or_else(warning).map(refused))
                .unwrap_or_else(|| self.unfinished.unwrap_or("its Pods are not ready yet").to_owned())
        });
        Standing {
            id: format!("{}/{}", self.kind, self.name),
            wanted: self.wanted,
            ready: self.ready,
            why,
        }
    }

    fn selects(&self, pod: &Pod) -> bool {
        let labels = self.selector.and_then(|selector| selector.match_labels.as_ref());
        let found = pod.metadata.labels.as_ref();
        labels.is_some_and(|labels| {
            !labels.is_empty()
                && labels
                    .iter()
                    .all(|(key, value)| found.and_then(|found| found.get(key)) == Some(value))
        })
    }
}

/// Why a Pod was not made, without what the API server writes before it.
fn refused(message: &str) -> String {
    match message.split_once("is forbidden: ") {
        Some((_, why)) if why.starts_with("exceeded quota") => {
            format!("the quota lets no further Pod in: {}", shorten(why))
        }
        Some((_, why)) => format!("its Pods are refused: {}", shorten(why)),
        None => shorten(message),
    }
}

/// Warnings about one object, the newest last.
fn about<'w>(
    warnings: &'w [Event],
    kind: &'w str,
    name: &'w str,
) -> impl DoubleEndedIterator<Item = &'w Event> {
    warnings.iter().filter(move |event| {
        let object = &event.involved_object;
        object.kind.as_deref() == Some(kind) && object.name.as_deref() == Some(name)
    })
}

/// One line, of a length that fits one.
fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(240) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}
