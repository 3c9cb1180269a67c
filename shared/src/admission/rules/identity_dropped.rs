//! `identity-dropped`: nothing of a preview acts as the golden in the cloud account.
//!
//! Sources: <https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html>,
//! <https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity>,
//! <https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html>.

use super::{Draft, Facts, Request, Rule};
use crate::admission::{containers, gitops};
use crate::reason::Reason;
use crate::violation::Violation;
use serde_json::Value;

pub(super) const RULE: Rule = Rule {
    reason: Reason::IdentityDropped,
    // Agents on a node read the marks of a Pod that runs, too.
    applies: |request| request.is("", "serviceaccounts") || request.is("", "pods"),
    review,
};

/// What gives an identity, where it stands.
pub(crate) const MARKS: [(&str, &str); 8] = [
    ("annotations", "eks.amazonaws.com/role-arn"),
    ("annotations", "iam.gke.io/gcp-service-account"),
    ("annotations", "iam.gke.io/credential-key"),
    ("annotations", "azure.workload.identity/client-id"),
    ("annotations", "azure.workload.identity/tenant-id"),
    ("labels", "azure.workload.identity/use"),
    ("annotations", "iam.amazonaws.com/role"),
    ("labels", "aadpodidbinding"),
];

/// Audiences of tokens that a cloud takes for its own.
const CLOUDS: [&str; 5] = [
    "amazonaws.com",
    "AzureADTokenExchange",
    ".svc.id.goog",
    "googleapis.com",
    "sts.windows.net",
];

fn is_new_pod(request: &Request) -> bool {
    request.is("", "pods") && request.is_create()
}

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    for (map, key) in MARKS {
        if draft.object()["metadata"][map][key].is_null() {
            continue;
        }
        let field = format!("metadata.{map}[{key}]");
        let wanted = format!("{key} has to go, since a preview has no identity in the cloud");
        if request.is("", "pods")
            || gitops::may_change(request, facts, draft, Reason::IdentityDropped, &field, &wanted)
        {
            draft.remove(Reason::IdentityDropped, &["metadata", map, key]);
        }
    }
    if is_new_pod(request) {
        tokens(draft);
    }
}

/// A volume of nothing but tokens for a cloud goes, with its mounts: a cloud's own webhook may have put it there before us.
/// One that holds more cannot be taken apart without breaking it, and the Pod is refused.
fn tokens(draft: &mut Draft<'_>) {
    let pod = draft.current();
    for (index, volume) in elements(&pod["spec"]["volumes"]).iter().enumerate().rev() {
        let sources = elements(&volume["projected"]["sources"]);
        let Some(found) = sources.iter().find_map(cloud) else {
            continue;
        };
        if sources.iter().all(|source| cloud(source).is_some()) {
            unmount(draft, &pod, volume["name"].as_str().unwrap_or_default());
            draft.remove(Reason::IdentityDropped, &["spec", "volumes", &index.to_string()]);
        } else {
            let field = format!("spec.volumes[{index}].projected.sources");
            let message = format!("a token for {found} is an identity in the cloud, and a preview has none");
            draft.deny(
                Violation::new(Reason::IdentityDropped, field, message).remedy("leave it out of this volume"),
            );
        }
    }
}

/// The cloud that a source of a projected volume brings a token for.
pub(crate) fn cloud(source: &Value) -> Option<&str> {
    let audience = source["serviceAccountToken"]["audience"].as_str()?;
    CLOUDS
        .iter()
        .any(|cloud| audience.contains(cloud))
        .then_some(audience)
}

fn elements(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn unmount(draft: &mut Draft<'_>, pod: &Value, volume: &str) {
    for (list, index, container) in containers(pod) {
        for (at, _) in elements(&container["volumeMounts"])
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, mount)| mount["name"] == volume)
        {
            let (index, at) = (index.to_string(), at.to_string());
            draft.remove(
                Reason::IdentityDropped,
                &["spec", list, &index, "volumeMounts", &at],
            );
        }
    }
}
