//! What holds a workload back, in one sentence. Pure: facts in, a sentence out.

mod container;
mod pod;
#[cfg(test)]
mod tests;

pub use pod::of_pod;

use crate::cluster::Workloads;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use understudy::preview::Preview;

/// How far one workload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `Deployment/web`.
    pub id: String,
    /// Pods wanted.
    pub wanted: i32,
    /// Pods ready, of the newest revision.
    pub ready: i32,
    /// What holds it back.
    pub why: Option<String>,
}

impl Standing {
    /// Whether nothing is missing.
    pub fn is_ready(&self) -> bool {
        self.ready >= self.wanted && self.why.is_none()
    }
}

/// How far every workload of `preview` is.
pub fn standings(preview: &Preview, workloads: &Workloads) -> Vec<Standing> {
    let deployments = workloads
        .deployments
        .iter()
        .map(|deployment| of_deployment(deployment, preview, workloads));
    let sets = workloads
        .stateful_sets
        .iter()
        .map(|set| of_set(set, preview, workloads));
    deployments.chain(sets).collect()
}

fn of_deployment(deployment: &Deployment, preview: &Preview, workloads: &Workloads) -> Standing {
    let (spec, status) = (deployment.spec.as_ref(), deployment.status.as_ref());
    let seen = status.and_then(|s| s.observed_generation) >= deployment.metadata.generation;
    let updated = status.and_then(|status| status.updated_replicas).unwrap_or(0);
    let ready = status.and_then(|status| status.ready_replicas).unwrap_or(0);
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
        ready: if seen { ready.min(updated) } else { 0 },
        selector: spec.map(|spec| &spec.selector),
        refusal,
    }
    .standing(preview, workloads)
}

fn of_set(set: &StatefulSet, preview: &Preview, workloads: &Workloads) -> Standing {
    let (spec, status) = (set.spec.as_ref(), set.status.as_ref());
    let seen = status.and_then(|s| s.observed_generation) >= set.metadata.generation;
    let ready = status.and_then(|status| status.ready_replicas);
    Workload {
        kind: "StatefulSet",
        name: set.metadata.name.as_deref().unwrap_or_default(),
        wanted: spec.and_then(|spec| spec.replicas).unwrap_or(1),
        ready: ready.filter(|_| seen).unwrap_or(0),
        selector: spec.map(|spec| &spec.selector),
        // It has no condition for that, only Events.
        refusal: None,
    }
    .standing(preview, workloads)
}

/// What workloads of all kinds have.
struct Workload<'w> {
    kind: &'w str,
    name: &'w str,
    wanted: i32,
    ready: i32,
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
        let why = (self.ready < self.wanted).then(|| {
            pods.filter_map(|pod| of_pod(pod, preview, &workloads.warnings))
                .next()
                .or_else(|| self.refusal.or_else(warning).map(refused))
                .unwrap_or_else(|| "its Pods are not ready yet".to_owned())
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
