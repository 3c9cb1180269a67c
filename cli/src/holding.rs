//! What holds a workload back, in one sentence. Pure: facts in, a sentence out.

use crate::cluster::Workloads;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use understudy::keys;
use understudy::preview::{BranchState, Preview};

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
    let name = deployment.metadata.name.clone().unwrap_or_default();
    let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let seen = status.and_then(|s| s.observed_generation) >= deployment.metadata.generation;
    let updated = status.and_then(|status| status.updated_replicas).unwrap_or(0);
    let ready = status.and_then(|status| status.ready_replicas).unwrap_or(0);
    let ready = if seen { ready.min(updated) } else { 0 };
    let mut why = None;
    if ready < wanted {
        let failure = status
            .and_then(|status| status.conditions.as_ref())
            .into_iter()
            .flatten()
            .find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")
            .and_then(|condition| condition.message.clone());
        let labels = spec
            .and_then(|spec| spec.selector.match_labels.clone())
            .unwrap_or_default();
        why = pods_of(workloads, &labels)
            .find_map(|pod| of_pod(pod, preview))
            .or_else(|| failure.map(|message| shorten(&message)))
            .or_else(|| warning(workloads, &name))
            .or_else(|| Some("its Pods are not ready yet".to_owned()));
    }
    Standing {
        id: format!("Deployment/{name}"),
        wanted,
        ready,
        why,
    }
}

fn of_set(set: &StatefulSet, preview: &Preview, workloads: &Workloads) -> Standing {
    let (spec, status) = (set.spec.as_ref(), set.status.as_ref());
    let name = set.metadata.name.clone().unwrap_or_default();
    let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let seen = status.and_then(|s| s.observed_generation) >= set.metadata.generation;
    let ready = status
        .and_then(|status| status.ready_replicas)
        .filter(|_| seen)
        .unwrap_or(0);
    let mut why = None;
    if ready < wanted {
        let labels = spec
            .and_then(|spec| spec.selector.match_labels.clone())
            .unwrap_or_default();
        why = pods_of(workloads, &labels)
            .find_map(|pod| of_pod(pod, preview))
            .or_else(|| warning(workloads, &name))
            .or_else(|| Some("its Pods are not ready yet".to_owned()));
    }
    Standing {
        id: format!("StatefulSet/{name}"),
        wanted,
        ready,
        why,
    }
}

fn pods_of<'w>(
    workloads: &'w Workloads,
    labels: &'w std::collections::BTreeMap<String, String>,
) -> impl Iterator<Item = &'w Pod> {
    workloads.pods.iter().filter(move |pod| {
        let found = pod.metadata.labels.as_ref();
        !labels.is_empty()
            && labels
                .iter()
                .all(|(key, value)| found.and_then(|found| found.get(key)) == Some(value))
    })
}

/// The newest warning about an object that is called `name`, or made by one.
fn warning(workloads: &Workloads, name: &str) -> Option<String> {
    let about = |event: &&k8s_openapi::api::core::v1::Event| {
        let object = event.involved_object.name.as_deref().unwrap_or_default();
        object == name
            || object
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('-'))
    };
    workloads
        .warnings
        .iter()
        .rfind(about)
        .and_then(|event| event.message.as_deref())
        .map(shorten)
}

/// What holds `pod` back; `None` when it is ready or finished.
pub fn of_pod(pod: &Pod, preview: &Preview) -> Option<String> {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let is = |kind: &str| {
        conditions
            .into_iter()
            .flatten()
            .any(|c| c.type_ == kind && c.status == "True")
    };
    if is("Ready") || status.and_then(|status| status.phase.as_deref()) == Some("Succeeded") {
        return None;
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return Some("an earlier Pod is still ending".to_owned());
    }
    let gates: Vec<&str> = pod
        .spec
        .iter()
        .flat_map(|spec| spec.scheduling_gates.iter().flatten())
        .map(|gate| gate.name.as_str())
        .collect();
    if !gates.is_empty() {
        return Some(of_gates(&gates, preview));
    }
    let unscheduled = conditions
        .into_iter()
        .flatten()
        .find(|c| c.type_ == "PodScheduled" && c.status == "False");
    if let Some(condition) = unscheduled {
        let message = condition.message.as_deref().unwrap_or("no node takes it");
        return Some(format!("no node takes its Pod: {}", shorten(message)));
    }
    let statuses = status.into_iter().flat_map(|status| {
        status
            .init_container_statuses
            .iter()
            .flatten()
            .chain(status.container_statuses.iter().flatten())
    });
    statuses
        .filter_map(of_container)
        .next()
        .or_else(|| Some("its containers are starting".to_owned()))
}

/// What our gates wait for.
fn of_gates(gates: &[&str], preview: &Preview) -> String {
    if gates.contains(&keys::GATE_REVIEW) {
        return "its Pod will be replaced: at its creation not everything it refers to could be read"
            .to_owned();
    }
    if gates.contains(&keys::GATE_DATABASE) {
        let unready = preview
            .branches
            .iter()
            .find(|(_, state)| **state != BranchState::Ready);
        match unready {
            Some((name, BranchState::Failed(why))) => {
                return format!("database {name} cannot be branched: {why}");
            }
            Some((name, BranchState::Pending(why))) => {
                return format!("database {name} is being branched: {why}");
            }
            _ if !gates.contains(&keys::GATE_GUARDRAILS) => {
                return "its database is being branched".to_owned();
            }
            _ => {}
        }
    }
    if gates.contains(&keys::GATE_GUARDRAILS) {
        return "the preview's guardrails are not all in force yet".to_owned();
    }
    if gates.iter().all(|gate| keys::is_ours(gate)) {
        return format!("it waits for {}", gates.join(", "));
    }
    format!(
        "a gate that is not Understudy's holds its Pod: {}",
        gates.join(", ")
    )
}

fn of_container(status: &ContainerStatus) -> Option<String> {
    let state = status.state.as_ref()?;
    let name = &status.name;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let message = waiting.message.as_deref().map(shorten).unwrap_or_default();
        return Some(match reason {
            "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" => {
                format!(
                    "the image of container {name} cannot be pulled: {} {message}",
                    status.image
                )
            }
            "CrashLoopBackOff" => {
                let exit = status
                    .last_state
                    .as_ref()
                    .and_then(|last| last.terminated.as_ref())
                    .map(|t| t.exit_code);
                let exit = exit
                    .map(|code| format!(" with exit code {code}"))
                    .unwrap_or_default();
                format!("container {name} keeps ending{exit}; kubectl logs --previous tells more")
            }
            "CreateContainerConfigError" => {
                format!("container {name} misses something it refers to: {message}")
            }
            _ => return None,
        });
    }
    let ended = state.terminated.as_ref()?;
    (ended.exit_code != 0).then(|| format!("container {name} ended with exit code {}", ended.exit_code))
}

/// One line, of a length that fits one.
fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(240) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn preview(annotations: Value) -> Preview {
        let metadata = json!({ "name": "shop-pr-7", "labels": { "understudy.dev/preview": "true" }, "annotations": annotations });
        Preview::of(&serde_json::from_value(metadata).unwrap()).unwrap()
    }

    fn why(pod: Value, annotations: Value) -> Option<String> {
        of_pod(&serde_json::from_value(pod).unwrap(), &preview(annotations))
    }

    fn gated(gates: &[&str]) -> Value {
        let gates: Vec<_> = gates.iter().map(|gate| json!({ "name": gate })).collect();
        json!({ "spec": { "containers": [], "schedulingGates": gates } })
    }

    #[test]
    fn a_failed_branch_is_what_a_held_pod_waits_for() {
        let annotations = json!({ "understudy.dev/database.app": "failed: the template database shop_seed does not exist" });
        assert_eq!(
            why(
                gated(&["understudy.dev/guardrails", "understudy.dev/database"]),
                annotations
            )
            .unwrap(),
            "database app cannot be branched: the template database shop_seed does not exist"
        );
        assert!(
            why(gated(&["understudy.dev/guardrails"]), json!({}))
                .unwrap()
                .contains("guardrails")
        );
        assert!(
            why(gated(&["other.example/x"]), json!({}))
                .unwrap()
                .contains("not Understudy's")
        );
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_named() {
        let pod = json!({ "spec": { "containers": [] }, "status": { "containerStatuses": [{
            "name": "web", "image": "web:nope", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": "ImagePullBackOff", "message": "not found" } }
        }] } });
        assert_eq!(
            why(pod, json!({})).unwrap(),
            "the image of container web cannot be pulled: web:nope not found"
        );
    }

    #[test]
    fn a_ready_pod_is_held_by_nothing() {
        let pod = json!({ "spec": { "containers": [] }, "status": { "conditions": [{ "type": "Ready", "status": "True" }] } });
        assert_eq!(why(pod, json!({})), None);
    }

    #[test]
    fn a_quota_that_refuses_pods_is_said() {
        let deployment = json!({ "metadata": { "name": "web", "generation": 1 },
            "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "web" } }, "template": {} },
            "status": { "observedGeneration": 1, "conditions": [
                { "type": "ReplicaFailure", "status": "True", "message": "pods \"web-1\" is forbidden: exceeded quota: understudy" }] } });
        let workloads = Workloads {
            deployments: vec![serde_json::from_value(deployment).unwrap()],
            ..Workloads::default()
        };
        let standing = standings(&preview(json!({})), &workloads).remove(0);
        assert!(standing.why.unwrap().contains("exceeded quota"));
    }
}
