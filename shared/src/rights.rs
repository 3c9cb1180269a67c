//! What the ClusterRole `understudy-preview-user` gives: the chart's copy is compared with this table by a test.

use serde_json::Value;

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
];

/// Namespace and name of the service account that authenticates as `user`
/// (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens>).
pub fn service_account(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix("system:serviceaccount:")?.split_once(':')
}

/// One rule: groups, resources, verbs.
pub type Right = (
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
);

/// The rules of `understudy-preview-user`, in the chart's order.
pub const PREVIEW_USER: &[Right] = &[
    (&[""], &["namespaces"], &["get", "patch", "delete"]),
    (&[""], &["pods"], WRITE),
    (&[""], &["pods/log", "pods/status"], &["get"]),
    (
        &[""],
        &["pods/exec", "pods/attach", "pods/portforward"],
        &["get", "create"],
    ),
    (
        &[""],
        &["pods/ephemeralcontainers", "pods/resize"],
        &["get", "update", "patch"],
    ),
    (&[""], &["pods/eviction"], &["create"]),
    (
        &[""],
        &["services", "configmaps", "secrets", "persistentvolumeclaims"],
        WRITE,
    ),
    (&[""], &["serviceaccounts"], WRITE),
    (&[""], &["endpoints"], READ),
    (&["discovery.k8s.io"], &["endpointslices"], READ),
    (
        &["apps"],
        &["deployments", "statefulsets", "daemonsets", "replicasets"],
        WRITE,
    ),
    (
        &["apps"],
        &["deployments/scale", "statefulsets/scale", "replicasets/scale"],
        &["get", "update", "patch"],
    ),
    (&["apps"], &["controllerrevisions"], READ),
    (&["batch"], &["jobs", "cronjobs"], WRITE),
    (&["autoscaling"], &["horizontalpodautoscalers"], WRITE),
    (&["policy"], &["poddisruptionbudgets"], WRITE),
    (&["networking.k8s.io"], &["ingresses", "networkpolicies"], WRITE),
    (&["rbac.authorization.k8s.io"], &["roles", "rolebindings"], WRITE),
    (
        &["", "events.k8s.io"],
        &["events"],
        &["get", "list", "watch", "create", "patch"],
    ),
    (&["coordination.k8s.io"], &["leases"], WRITE),
    (&[""], &["resourcequotas", "limitranges"], READ),
    (&["metrics.k8s.io"], &["pods"], READ),
];

/// The first right of a Role's `rule` that is not in the table, as `verb resource.group`; `None` when all are.
///
/// Kinds of other vendors that the policy allows are theirs to use, by group.
pub fn beyond(rule: &Value, kinds: &[String]) -> Option<String> {
    let list = |key: &str| {
        rule[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
    };
    for group in list("apiGroups") {
        let allowed_vendor = kinds
            .iter()
            .any(|kind| kind.split('/').next() == Some(group) && !group.is_empty());
        for resource in list("resources") {
            for verb in list("verbs") {
                let given = |(groups, resources, verbs): &Right| {
                    groups.contains(&group) && resources.contains(&resource) && verbs.contains(&verb)
                };
                let vendors = allowed_vendor && !matches!(verb, "*" | "bind" | "escalate" | "impersonate");
                if !vendors && !PREVIEW_USER.iter().any(given) {
                    let group = if group.is_empty() {
                        String::new()
                    } else {
                        format!(".{group}")
                    };
                    return Some(format!("{verb} {resource}{group}"));
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_role_holds_no_more_than_its_maker() {
        let rule = |groups: &str, resources: &str, verbs: &str| json!({ "apiGroups": [groups], "resources": [resources], "verbs": [verbs] });
        assert_eq!(beyond(&rule("", "configmaps", "get"), &[]), None);
        assert_eq!(
            beyond(&rule("coordination.k8s.io", "leases", "update"), &[]),
            None
        );
        for (group, resource, verb) in [
            ("", "*", "get"),
            ("*", "pods", "get"),
            ("", "secrets", "*"),
            ("", "serviceaccounts/token", "create"),
            ("", "serviceaccounts", "impersonate"),
            ("rbac.authorization.k8s.io", "roles", "escalate"),
            ("", "endpoints", "update"),
        ] {
            assert!(
                beyond(&rule(group, resource, verb), &[]).is_some(),
                "{verb} {resource}"
            );
        }
        let kinds = ["external-secrets.io/ExternalSecret".to_owned()];
        assert_eq!(
            beyond(&rule("external-secrets.io", "externalsecrets", "create"), &kinds),
            None
        );
    }
}
