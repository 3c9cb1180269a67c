//! What holds one container back. What a program printed, or a probe's command, may be a secret and is never repeated: the
//! sentence ends with the command that shows it.

use super::{about, shorten};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Event, Pod};

/// What keeps a container from being ready; `None` where it only takes its time.
pub(super) fn of_container(status: &ContainerStatus, pod: &Pod, warnings: &[Event]) -> Option<String> {
    let state = status.state.as_ref()?;
    let name = &status.name;
    if let Some(waiting) = &state.waiting {
        let message = waiting.message.as_deref().map(shorten).unwrap_or_default();
        return match waiting.reason.as_deref().unwrap_or_default() {
            "ErrImagePull"
            | "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "RegistryUnavailable"
            | "ImageInspectError" => Some(format!(
                "the image of container {name} cannot be pulled: {} {message}",
                status.image
            )),
            "CrashLoopBackOff" => {
                let last = status.last_state.as_ref();
                let ended = last.and_then(|last| last.terminated.as_ref());
                let how = ended.map(how_it_ended).unwrap_or_default();
                let logs = logs(pod, name, " --previous");
                Some(format!(
                    "container {name} keeps ending{how}, {} times so far; see why: {logs}",
                    status.restart_count
                ))
            }
            "CreateContainerConfigError" => Some(format!(
                "container {name} misses something it refers to: {message}"
            )),
            "CreateContainerError" | "RunContainerError" => {
                Some(format!("container {name} cannot be started: {message}"))
            }
            _ => None,
        };
    }
    if let Some(ended) = &state.terminated {
        let how = how_it_ended(ended);
        let logs = logs(pod, name, "");
        return (ended.exit_code != 0).then(|| format!("container {name} ended{how}; see why: {logs}"));
    }
    (!status.ready).then(|| unready(status, pod, warnings)).flatten()
}

fn how_it_ended(ended: &ContainerStateTerminated) -> String {
    let memory = match ended.reason.as_deref() {
        Some("OOMKilled") => " (it used more memory than its limit)",
        _ => "",
    };
    format!(" with exit code {}{memory}", ended.exit_code)
}

/// It runs, and a probe does not succeed.
fn unready(status: &ContainerStatus, pod: &Pod, warnings: &[Event]) -> Option<String> {
    let name = &status.name;
    let container = pod
        .spec
        .as_ref()?
        .containers
        .iter()
        .find(|container| container.name == *name)?;
    let starting = container.startup_probe.is_some() && status.started != Some(true);
    let kind = match (starting, &container.readiness_probe) {
        (true, _) => "startup",
        (false, Some(_)) => "readiness",
        (false, None) => return None,
    };
    let pod_name = pod.metadata.name.as_deref().unwrap_or_default();
    let failed = format!("{kind} probe ");
    let message = about(warnings, "Pod", pod_name)
        .filter_map(|event| event.message.as_deref())
        .rfind(|message| message.to_ascii_lowercase().starts_with(&failed));
    let how = message.and_then(how_it_failed).map(|how| format!(" ({how})"));
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    Some(format!(
        "container {name} runs, but its {kind} probe does not succeed{}; see what it says: \
        kubectl describe pod {pod_name} --namespace {namespace}",
        how.unwrap_or_default()
    ))
}

/// The part of a probe's message that is the kubelet's own.
fn how_it_failed(message: &str) -> Option<String> {
    if let Some((_, code)) = message.split_once("statuscode: ") {
        let code: String = code.chars().take_while(char::is_ascii_digit).collect();
        return Some(format!("it answers {code}"));
    }
    let known = [
        ("connection refused", "nobody listens on its port"),
        ("deadline exceeded", "no answer in time"),
        ("timed out", "no answer in time"),
    ];
    let how = known.iter().find(|(text, _)| message.contains(text))?.1;
    Some(how.to_owned())
}

fn logs(pod: &Pod, container: &str, which: &str) -> String {
    format!(
        "kubectl logs {} --container {container}{which} --namespace {}",
        pod.metadata.name.as_deref().unwrap_or_default(),
        pod.metadata.namespace.as_deref().unwrap_or_default()
    )
}
