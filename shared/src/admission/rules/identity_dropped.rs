//! `identity-dropped`: nothing of a preview acts as the golden in the cloud account.
//!
//! Sources: <https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html>,
//! <https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity>,
//! <https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html>.

use super::{Draft, Facts, Request, Rule};
use crate::admission::gitops;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::IdentityDropped,
    applies: |request| request.is("", "serviceaccounts") || is_new_pod(request),
    review,
};

/// What gives an identity, where it stands.
const MARKS: [(&str, &str); 6] = [
    ("annotations", "eks.amazonaws.com/role-arn"),
    ("annotations", "iam.gke.io/gcp-service-account"),
    ("annotations", "iam.gke.io/credential-key"),
    ("annotations", "azure.workload.identity/client-id"),
    ("annotations", "azure.workload.identity/tenant-id"),
    ("labels", "azure.workload.identity/use"),
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
        if is_new_pod(request)
            || gitops::may_change(request, facts, draft, Reason::IdentityDropped, &field, &wanted)
        {
            draft.remove(Reason::IdentityDropped, &["metadata", map, key]);
        }
    }
    if is_new_pod(request) {
        tokens(draft);
    }
}

/// A token for a cloud cannot be taken out of a volume without breaking it: the Pod is refused.
fn tokens(draft: &mut Draft<'_>) {
    let pod = draft.current();
    let volumes = pod["spec"]["volumes"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate();
    for (index, volume) in volumes {
        for source in volume["projected"]["sources"].as_array().into_iter().flatten() {
            let audience = source["serviceAccountToken"]["audience"]
                .as_str()
                .unwrap_or_default();
            if CLOUDS.iter().any(|cloud| audience.contains(cloud)) {
                let field = format!("spec.volumes[{index}].projected.sources");
                let message =
                    format!("a token for {audience} is an identity in the cloud, and a preview has none");
                draft.deny(
                    Violation::new(Reason::IdentityDropped, field, message).remedy("leave this volume out"),
                );
            }
        }
    }
}
