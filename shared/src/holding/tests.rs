use super::*;
use crate::admission::Installation;
use crate::environment::{Fact, Kind, Reference};
use crate::policy::PreviewPolicySpec;
use crate::preview::Preview;
use serde_json::json;
use std::sync::Arc;

fn facts() -> Facts {
    let metadata =
        serde_json::from_value(json!({ "name": "p", "labels": { keys::PREVIEW: "true" } })).unwrap();
    Facts {
        now: jiff::Timestamp::UNIX_EPOCH,
        installation: Arc::new(Installation::default()),
        policies: Arc::new([("default".to_owned(), PreviewPolicySpec::default())].into()),
        protected: Arc::default(),
        services: Arc::default(),
        fingerprints: Arc::default(),
        pods: Fact::Unknown,
        wanted_seal: None,
        preview: Preview::of(&metadata),
        sources: Default::default(),
    }
}

fn act(pod: &Value, sealed: bool, branches_ready: bool, facts: &Facts) -> PodAction {
    let in_force = InForce {
        sealed,
        branches_ready,
        reread: false,
    };
    action(pod, in_force, facts)
}

fn held(owner: Option<&str>, gates: &[&str]) -> Value {
    let mut pod = json!({
        "metadata": { "name": "web", "annotations": { keys::REVIEWED: "v1" } },
        "spec": {
            "schedulingGates": gates.iter().map(|gate| json!({ "name": gate })).collect::<Vec<_>>(),
            "containers": [{ "name": "web", "envFrom": [{ "secretRef": { "name": "late" } }] }],
        },
    });
    if let Some(kind) = owner {
        pod["metadata"]["ownerReferences"] = json!([{ "kind": kind, "controller": true }]);
    }
    pod
}

#[test]
fn gates_come_off_one_by_one_and_only_ours() {
    let pod = held(
        None,
        &[keys::GATE_GUARDRAILS, keys::GATE_DATABASE, "example.com/other"],
    );
    assert_eq!(act(&pod, false, true, &facts()), PodAction::Leave);
    assert_eq!(
        act(&pod, true, false, &facts()),
        PodAction::Lift(vec![keys::GATE_GUARDRAILS])
    );
    let both = [keys::GATE_GUARDRAILS, keys::GATE_DATABASE];
    assert_eq!(act(&pod, true, true, &facts()), PodAction::Lift(both.to_vec()));
    assert_eq!(
        remaining_gates(&pod, &both),
        [json!({ "name": "example.com/other" })]
    );
}

#[test]
fn a_pod_without_facts_is_replaced_once_they_are_there() {
    let pod = held(Some("ReplicaSet"), &[keys::GATE_REVIEW]);
    assert_eq!(act(&pod, true, true, &facts()), PodAction::Leave);
    let mut there = facts();
    there.sources.insert(
        Reference {
            kind: Kind::Secret,
            name: "late".to_owned(),
        },
        Fact::Present(Default::default()),
    );
    assert_eq!(act(&pod, false, true, &there), PodAction::Leave);
    assert_eq!(act(&pod, true, true, &there), PodAction::Replace);
}

#[test]
fn what_nothing_makes_again_is_never_deleted() {
    let mut there = facts();
    there.sources.insert(
        Reference {
            kind: Kind::Secret,
            name: "late".to_owned(),
        },
        Fact::Present(Default::default()),
    );
    for owner in [None, Some("Job")] {
        assert_eq!(
            act(&held(owner, &[keys::GATE_REVIEW]), true, true, &there),
            PodAction::Leave
        );
        let mut unmarked = held(owner, &[]);
        unmarked["metadata"]["annotations"] = Value::Null;
        assert_eq!(
            act(&unmarked, true, true, &there),
            PodAction::Leave,
            "reviewed in place"
        );
        assert!(
            matches!(act(&unmarked, true, true, &facts()), PodAction::Report(_)),
            "nobody could look"
        );
        unmarked["spec"]["volumes"] = json!([{ "name": "s", "csi": { "driver": "x" } }]);
        assert!(matches!(act(&unmarked, true, true, &there), PodAction::Report(_)));
    }
}

#[test]
fn a_pod_whose_environment_went_stale_is_replaced() {
    // C22
    let mut there = facts();
    let mut leads = |to: &str| {
        let reference = Reference {
            kind: Kind::Secret,
            name: "late".to_owned(),
        };
        there.sources.insert(
            reference,
            Fact::Present([("URL".to_owned(), to.to_owned())].into()),
        );
        there.protected = Arc::new(crate::protected::Protected::new(
            ["shop".to_owned()],
            [],
            &Default::default(),
        ));
        there.clone()
    };
    let pod = held(Some("ReplicaSet"), &[]);
    let reread = InForce {
        sealed: true,
        branches_ready: true,
        reread: true,
    };
    assert_eq!(action(&pod, reread, &leads("http://api/")), PodAction::Leave);
    let stale = leads("http://api.shop/");
    assert!(matches!(
        action(&pod, reread, &stale),
        PodAction::Renew(Reason::ProtectedEndpoint, _)
    ));
    assert_eq!(
        action(
            &pod,
            InForce {
                reread: false,
                ..reread
            },
            &stale
        ),
        PodAction::Leave
    );
}

#[test]
fn a_pod_that_reads_its_own_annotations_is_looked_at_whenever_it_changes() {
    let mut there = facts();
    there.protected = Arc::new(crate::protected::Protected::new(
        ["shop".to_owned()],
        [],
        &Default::default(),
    ));
    let mut pod = held(None, &[]);
    pod["spec"]["containers"][0] = json!({ "name": "web", "env": [
        { "name": "URL", "valueFrom": { "fieldRef": { "fieldPath": "metadata.annotations['url']" } } }] });
    assert_eq!(act(&pod, true, true, &there), PodAction::Leave);
    pod["metadata"]["annotations"]["url"] = json!("http://api.shop/");
    assert!(matches!(act(&pod, true, true, &there), PodAction::Renew(..)));
}

#[test]
fn an_unreviewed_pod_is_replaced_and_a_dying_one_hastened_where_it_runs() {
    let mut pod = held(Some("StatefulSet"), &[]);
    pod["metadata"]["annotations"] = Value::Null;
    assert_eq!(act(&pod, false, false, &facts()), PodAction::Replace);
    pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(
        act(&pod, false, false, &facts()),
        PodAction::Leave,
        "no node runs it, and none will"
    );
    pod["spec"]["nodeName"] = json!("node");
    assert_eq!(act(&pod, false, false, &facts()), PodAction::Hasten);
    pod["status"]["phase"] = json!("Failed");
    assert_eq!(
        act(&pod, false, false, &facts()),
        PodAction::Leave,
        "it has ended"
    );
}

#[test]
fn a_dying_pod_that_is_as_it_should_be_takes_its_time() {
    let mut pod = held(None, &[keys::GATE_GUARDRAILS]);
    pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    pod["spec"]["nodeName"] = json!("node");
    assert_eq!(
        act(&pod, true, true, &facts()),
        PodAction::Leave,
        "no gate is lifted"
    );
}

#[test]
fn only_what_is_held_waits_for_its_owners_turn() {
    let mut pod = held(Some("ReplicaSet"), &[keys::GATE_REVIEW]);
    pod["metadata"]["ownerReferences"][0]["uid"] = json!("web-1");
    assert_eq!(turn_of(&pod), Some("web-1"));
    // Somebody else's gate comes off when somebody else likes.
    pod["spec"]["schedulingGates"] = json!([{ "name": "example.com/other" }]);
    assert_eq!(turn_of(&pod), None);
    assert_eq!(turn_of(&held(None, &[keys::GATE_REVIEW])), None);
}

#[test]
fn what_came_before_the_limits_and_exceeds_them_is_removed() {
    let mut pod = held(None, &[keys::GATE_GUARDRAILS]);
    pod["spec"]["containers"][0]["resources"] = json!({ "limits": { "memory": "1Ti" } });
    assert_eq!(act(&pod, false, true, &facts()), PodAction::Leave);
    assert_eq!(
        act(&pod, true, true, &facts()),
        PodAction::Remove("memory".to_owned())
    );
}
