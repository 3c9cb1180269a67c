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
        preview: Preview::of(&metadata),
        sources: Default::default(),
    }
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
    assert_eq!(action(&pod, false, true, &facts()), PodAction::Leave);
    assert_eq!(
        action(&pod, true, false, &facts()),
        PodAction::Lift(vec![keys::GATE_GUARDRAILS])
    );
    let both = [keys::GATE_GUARDRAILS, keys::GATE_DATABASE];
    assert_eq!(action(&pod, true, true, &facts()), PodAction::Lift(both.to_vec()));
    assert_eq!(
        remaining_gates(&pod, &both),
        [json!({ "name": "example.com/other" })]
    );
}

#[test]
fn a_pod_without_facts_is_replaced_once_they_are_there() {
    let pod = held(Some("ReplicaSet"), &[keys::GATE_REVIEW]);
    assert_eq!(action(&pod, true, true, &facts()), PodAction::Leave);
    let mut there = facts();
    there.sources.insert(
        Reference {
            kind: Kind::Secret,
            name: "late".to_owned(),
        },
        Fact::Present(Default::default()),
    );
    assert_eq!(action(&pod, false, true, &there), PodAction::Leave);
    assert_eq!(action(&pod, true, true, &there), PodAction::Replace);
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
            action(&held(owner, &[keys::GATE_REVIEW]), true, true, &there),
            PodAction::Leave
        );
        let mut unmarked = held(owner, &[]);
        unmarked["metadata"]["annotations"] = Value::Null;
        assert_eq!(action(&unmarked, true, true, &there), PodAction::Report);
    }
}

#[test]
fn an_unreviewed_pod_is_replaced_and_a_dying_one_left_alone() {
    let mut pod = held(Some("StatefulSet"), &[]);
    pod["metadata"]["annotations"] = Value::Null;
    assert_eq!(action(&pod, false, false, &facts()), PodAction::Replace);
    pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(action(&pod, false, false, &facts()), PodAction::Leave);
}

#[test]
fn what_came_before_the_limits_and_exceeds_them_is_removed() {
    let mut pod = held(None, &[keys::GATE_GUARDRAILS]);
    pod["spec"]["containers"][0]["resources"] = json!({ "limits": { "memory": "1Ti" } });
    assert_eq!(action(&pod, false, true, &facts()), PodAction::Leave);
    assert_eq!(
        action(&pod, true, true, &facts()),
        PodAction::Remove("memory".to_owned())
    );
}
