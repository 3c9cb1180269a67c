//! The tables of the core beside what the API server and the chart know.

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::Api;
use kube::api::ListParams;
use understudy::{contract, guardrails};
use understudy_tests::testbed::User;

use crate::stage::client;

/// What the controller may write outside previews too, or what no policy can be asked about.
const UNCONFINED: [(&str, &str); 4] = [
    ("", "events"),
    ("events.k8s.io", "events"),
    // The API server exempts them from admission; RBAC names the two of ours.
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_controller_of_the_control_plane_is_known() {
    let roles: Api<ClusterRole> = Api::all(client(User::Admin).await);
    let found = roles.list(&ListParams::default()).await.unwrap();
    let names = found
        .items
        .iter()
        .filter_map(|role| role.metadata.name.as_deref());
    let theirs: BTreeSet<&str> = names
        .filter_map(|name| name.strip_prefix("system:controller:"))
        .collect();
    assert!(theirs.len() > 30, "{theirs:?}");
    let ours: BTreeSet<&str> = contract::CONTROL_PLANE_ACCOUNTS.into();
    let unknown: Vec<_> = theirs.difference(&ours).collect();
    assert!(
        unknown.is_empty(),
        "reviewed like users, and should not be: {unknown:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_guardrail_is_guarded() {
    let kinds = contract::GUARDRAIL_KINDS.map(|(_, resource)| resource);
    for kind in guardrails::Kind::ALL {
        let plural = format!("{}s", kind.api().1.to_lowercase()).replace("policys", "policies");
        assert!(kinds.contains(&plural.as_str()), "{plural}");
    }
    assert!(kinds.contains(&"secrets"), "the branches'");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_rbac_lets_our_controller_write_is_confined() {
    let roles: Api<ClusterRole> = Api::all(client(User::Admin).await);
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client(User::Admin).await);
    let confined = policies.get("understudy-identities").await.unwrap().spec.unwrap();
    let rules = confined.match_constraints.unwrap().resource_rules.unwrap();
    let covers = |operation: &str, group: &str, resource: &str| {
        let holds = |list: &Option<Vec<String>>, wanted: &str| {
            list.iter().flatten().any(|found| found == wanted || found == "*")
        };
        rules.iter().any(|rule| {
            holds(&rule.operations, operation)
                && holds(&rule.api_groups, group)
                && holds(&rule.resources, resource)
        })
    };
    let granted = roles.get("understudy-controller").await.unwrap().rules.unwrap();
    let mut open = Vec::new();
    for (operation, group, resource) in granted.iter().flat_map(writes) {
        if !UNCONFINED.contains(&(group, resource)) && !covers(operation, group, resource) {
            open.push(format!("{operation} {group}/{resource}"));
        }
    }
    assert!(
        open.is_empty(),
        "granted everywhere and confined nowhere: {open:?}"
    );
}

/// The admission operations that a rule of RBAC grants, with group and resource.
fn writes(rule: &PolicyRule) -> impl Iterator<Item = (&'static str, &str, &str)> {
    let operation = |verb: &str| match verb {
        "create" => Some("CREATE"),
        "update" | "patch" => Some("UPDATE"),
        "delete" | "deletecollection" => Some("DELETE"),
        _ => None,
    };
    let groups = rule.api_groups.iter().flatten();
    groups.flat_map(move |group| {
        let resources = rule.resources.iter().flatten();
        resources.flat_map(move |resource| {
            let verbs = rule.verbs.iter().filter_map(move |verb| operation(verb));
            verbs.map(move |operation| (operation, group.as_str(), resource.as_str()))
        })
    })
}
