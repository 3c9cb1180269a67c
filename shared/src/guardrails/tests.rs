use super::*;
use crate::policy::Peer;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

fn preview() -> Preview {
    let metadata: ObjectMeta = serde_json::from_value(json!({
        "name": "shop-pr-7",
        "labels": { keys::PREVIEW: "true" },
        "annotations": { keys::CREATOR: "system:serviceaccount:ci:bot", keys::OWNER: "dev" }
    }))
    .unwrap();
    Preview::of(&metadata).unwrap()
}

#[test]
fn names_are_distinct_and_every_object_is_marked() {
    let policy = PreviewPolicySpec::default();
    let all = desired(&preview(), &policy, "understudy-system");
    let ids: std::collections::BTreeSet<_> = all.iter().map(|g| (g.kind, g.name.clone())).collect();
    assert_eq!(ids.len(), all.len());
    assert!(
        all.iter()
            .all(|g| g.object["metadata"]["labels"][keys::GUARDRAIL] == g.name.as_str())
    );
}

#[test]
fn a_policy_change_asks_for_another_seal() {
    let mut policy = PreviewPolicySpec::default();
    let mut preview = preview();
    preview.sealed = Some(seal_hash(&desired(&preview, &policy, "understudy-system")));
    assert!(is_sealed(&preview, &policy, "understudy-system"));
    policy.network.egress.namespaces.push(Peer::namespace("tools"));
    assert!(!is_sealed(&preview, &policy, "understudy-system"));
}

#[test]
fn a_rule_added_beside_ours_is_a_difference() {
    let all = desired(&preview(), &PreviewPolicySpec::default(), "understudy-system");
    let deny = all.iter().find(|g| g.name == "understudy-default-deny").unwrap();
    let mut live = deny.object.clone();
    live["metadata"]["resourceVersion"] = json!("7");
    assert!(matches(&live, &deny.object));
    live["spec"]["egress"] = json!([{}]);
    assert!(!matches(&live, &deny.object));
}

#[test]
fn quantities_compare_by_amount() {
    let all = desired(&preview(), &PreviewPolicySpec::default(), "understudy-system");
    let quota = &all.iter().find(|g| g.kind == Kind::ResourceQuota).unwrap().object;
    let mut live = quota.clone();
    live["spec"]["hard"]["requests.memory"] = json!("4096Mi");
    assert!(matches(&live, quota));
    assert!(!quota_in_force(&live));
    live["status"]["hard"] = live["spec"]["hard"].clone();
    assert!(quota_in_force(&live));
    live["spec"]["hard"]["pods"] = json!("2000");
    assert!(!matches(&live, quota));
}

#[test]
fn a_service_account_that_made_the_preview_has_access_as_one() {
    let all = desired(&preview(), &PreviewPolicySpec::default(), "understudy-system");
    let access = &all.iter().find(|g| g.name == "understudy-access").unwrap().object;
    assert_eq!(
        access["subjects"][1],
        json!({ "kind": "ServiceAccount", "name": "bot", "namespace": "ci" })
    );
    assert_eq!(access["subjects"][0]["name"], "dev");
}

#[test]
fn a_container_gets_what_the_limit_range_would_give_it() {
    let limits = crate::policy::Limits::default();
    let container = json!({ "resources": { "limits": { "cpu": "1" }, "requests": { "memory": "64Mi" } } });
    let filled = resources(&container, &limits).unwrap();
    assert_eq!(
        filled,
        json!({
            "limits": { "cpu": "1", "memory": "512Mi" },
            "requests": { "cpu": "1", "memory": "64Mi" }
        })
    );
    assert_eq!(resources(&json!({ "resources": filled }), &limits), None);
}

#[test]
fn what_exceeds_the_maximum_is_named() {
    let limits = crate::policy::Limits::default();
    let pod =
        |cpu: &str| json!({ "spec": { "containers": [{ "resources": { "limits": { "cpu": cpu } } }] } });
    assert_eq!(exceeded(&pod("2000m"), &limits), None);
    assert_eq!(exceeded(&pod("2001m"), &limits), Some("cpu"));
}
