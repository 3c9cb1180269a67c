//! What holds one Pod back.

use super::container::of_container;
use super::{about, shorten};
use k8s_openapi::api::core::v1::{Event, Pod};
use understudy::keys;
use understudy::preview::{BranchState, Preview};

/// What holds `pod` back; `None` when it is ready or finished.
pub fn of_pod(pod: &Pod, preview: &Preview, warnings: &[Event]) -> Option<String> {
    let status = pod.status.as_ref();
    let conditions = || {
        status
            .into_iter()
            .flat_map(|status| status.conditions.iter().flatten())
    };
    let unmet = |kind: &str| conditions().find(|c| c.type_ == kind && c.status == "False");
    let is = |kind: &str| conditions().any(|c| c.type_ == kind && c.status == "True");
    let phase = status.and_then(|status| status.phase.as_deref());
    if is("Ready") || phase == Some("Succeeded") {
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
    if let Some(condition) = unmet("PodScheduled") {
        let message = condition.message.as_deref().unwrap_or_default();
        return Some(unscheduled(pod, message, warnings));
    }
    if phase == Some("Failed")
        && let Some(reason) = status.and_then(|status| status.reason.as_deref())
    {
        return Some(format!("its Pod has failed: {}", shorten(reason)));
    }
    let statuses = status.into_iter().flat_map(|status| {
        let first = status.init_container_statuses.iter().flatten();
        first.chain(status.container_statuses.iter().flatten())
    });
    let container = statuses
        .filter_map(|status| of_container(status, pod, warnings))
        .next();
    container
        .or_else(|| of_volumes(pod, warnings))
        .or_else(|| {
            let condition =
                unmet("Ready").filter(|c| c.reason.as_deref() == Some("ReadinessGatesNotReady"))?;
            let message = condition.message.as_deref().unwrap_or_default();
            Some(format!("a readiness gate is not met: {}", shorten(message)))
        })
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

/// Why no node has it: a claim without a volume, or what the scheduler says.
fn unscheduled(pod: &Pod, message: &str, warnings: &[Event]) -> String {
    if message.contains("unbound immediate PersistentVolumeClaims") {
        let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        let claims: Vec<&str> = volumes
            .filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.as_str()))
            .collect();
        let why = claims
            .iter()
            .find_map(|claim| about(warnings, "PersistentVolumeClaim", claim).next_back())
            .and_then(|event| event.message.as_deref())
            .map_or_else(|| "no StorageClass has made its volume yet".to_owned(), shorten);
        return format!("volume claim {} is not bound: {why}", claims.join(", "));
    }
    if message.is_empty() {
        return "no node takes its Pod".to_owned();
    }
    format!("no node takes its Pod: {}", shorten(message))
}

/// Volumes that cannot be mounted: mostly a ConfigMap, Secret or claim that is not there.
fn of_volumes(pod: &Pod, warnings: &[Event]) -> Option<String> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let event = about(warnings, "Pod", name).rfind(|event| {
        matches!(
            event.reason.as_deref(),
            Some("FailedMount" | "FailedAttachVolume")
        )
    })?;
    let message = event.message.as_deref().unwrap_or_default();
    Some(format!("a volume cannot be mounted: {}", shorten(message)))
}
