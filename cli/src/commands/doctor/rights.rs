//! What our two identities may do: the rights without which nothing works, asked of the API server.

use super::finding::{Finding, or_ok};
use super::webhooks::upgrade;
use crate::cluster::{Inspection, LEADER, Right, Seen};
use understudy::keys;

/// A handful that stands for the whole: each role of the chart has one here.
pub(super) const NEEDED: &[Right] = &[
    everywhere(keys::ADMISSION_ACCOUNT, "watch", "", "namespaces"),
    everywhere(keys::ADMISSION_ACCOUNT, "watch", "", "services"),
    everywhere(keys::ADMISSION_ACCOUNT, "list", "", "pods"),
    everywhere(keys::ADMISSION_ACCOUNT, "watch", keys::GROUP, "previewpolicies"),
    at_home(
        keys::ADMISSION_ACCOUNT,
        "get",
        "",
        "secrets",
        keys::SERVING_SECRET,
    ),
    everywhere(keys::CONTROLLER_ACCOUNT, "patch", "", "namespaces"),
    everywhere(keys::CONTROLLER_ACCOUNT, "delete", "", "namespaces"),
    everywhere(keys::CONTROLLER_ACCOUNT, "patch", "", "pods"),
    everywhere(keys::CONTROLLER_ACCOUNT, "create", "", "resourcequotas"),
    everywhere(
        keys::CONTROLLER_ACCOUNT,
        "create",
        "networking.k8s.io",
        "networkpolicies",
    ),
    everywhere(
        keys::CONTROLLER_ACCOUNT,
        "create",
        "rbac.authorization.k8s.io",
        "rolebindings",
    ),
    named(
        keys::CONTROLLER_ACCOUNT,
        "bind",
        "rbac.authorization.k8s.io",
        "clusterroles",
        keys::ROLE_USER,
    ),
    named(
        keys::CONTROLLER_ACCOUNT,
        "bind",
        "rbac.authorization.k8s.io",
        "clusterroles",
        keys::ROLE_ADMISSION,
    ),
    named(
        keys::CONTROLLER_ACCOUNT,
        "bind",
        "rbac.authorization.k8s.io",
        "clusterroles",
        keys::ROLE_CONTROLLER,
    ),
    named(
        keys::CONTROLLER_ACCOUNT,
        "patch",
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        crate::cluster::CONFIGURATION,
    ),
    at_home(keys::CONTROLLER_ACCOUNT, "update", "", "secrets", ""),
    at_home(
        keys::CONTROLLER_ACCOUNT,
        "update",
        "coordination.k8s.io",
        "leases",
        LEADER,
    ),
];

const fn named(
    account: &'static str,
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    name: &'static str,
) -> Right {
    Right {
        account,
        verb,
        group,
        resource,
        name,
        at_home: false,
    }
}

const fn everywhere(
    account: &'static str,
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
) -> Right {
    named(account, verb, group, resource, "")
}

const fn at_home(
    account: &'static str,
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    name: &'static str,
) -> Right {
    Right {
        at_home: true,
        ..named(account, verb, group, resource, name)
    }
}

pub(super) fn check(inspection: &Inspection) -> Vec<Finding> {
    let unasked = inspection.rights.iter().find_map(|(_, seen)| seen.obscured());
    if let Some(why) = unasked {
        return vec![Finding::unknown(format!(
            "what our two service accounts may do: you may not ask ({why})"
        ))];
    }
    let missing = inspection
        .rights
        .iter()
        .filter(|(_, seen)| *seen != Seen::There(true));
    let problems = missing.map(|(right, _)| {
        let group = if right.group.is_empty() {
            String::new()
        } else {
            format!(".{}", right.group)
        };
        let name = if right.name.is_empty() {
            String::new()
        } else {
            format!(" {}", right.name)
        };
        Finding::failed(format!(
            "{} may not {} {}{group}{name}",
            right.account, right.verb, right.resource
        ))
        .mend(upgrade(&inspection.namespace))
    });
    or_ok(
        problems.collect(),
        "our two service accounts may do what they need",
    )
}
