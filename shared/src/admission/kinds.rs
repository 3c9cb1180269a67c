//! Which kinds are Kubernetes' own, and which requests come from its own control plane.

use super::{Facts, Request, User};
use crate::contract;

/// The groups that the API server itself serves. CRDs may end in `.k8s.io` as well (Gateway API, snapshots), hence a list.
/// Source: <https://kubernetes.io/docs/reference/kubernetes-api/>.
const BUILT_IN: [&str; 16] = [
    "",
    "admissionregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "storage.k8s.io",
];

/// Whether the kind is another vendor's.
pub fn is_vendors(request: &Request) -> bool {
    is_vendors_group(&request.group) && request.sub_resource.is_empty()
}

/// Whether the kinds of `group` are another vendor's.
pub(crate) fn is_vendors_group(group: &str) -> bool {
    !BUILT_IN.contains(&group)
}

/// Whether the policy allows the kind.
pub(super) fn is_allowed(request: &Request, facts: &Facts) -> bool {
    let wanted = named(request);
    facts.installation.is_cluster(&request.user)
        || facts
            .policy()
            .is_some_and(|policy| policy.kinds.contains(&wanted))
}

/// The kind as a policy names it.
pub(super) fn named(request: &Request) -> String {
    let kind = if request.kind.is_empty() {
        &request.resource
    } else {
        &request.kind
    };
    format!("{}/{kind}", request.group)
}

/// Whether `user` is a part of the control plane: its own user, or one of its accounts in `kube-system`.
pub fn by_the_control_plane(user: &User) -> bool {
    contract::CONTROL_PLANE_USERS.contains(&user.name.as_str())
        || user.service_account().is_some_and(|(namespace, name)| {
            namespace == "kube-system" && contract::CONTROL_PLANE_ACCOUNTS.contains(&name)
        })
}
