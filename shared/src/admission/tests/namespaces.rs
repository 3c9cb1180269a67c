//! Taking the label later, trusted accounts, policies that only observe.

use super::*;
use crate::policy::{Adopt, Enforcement, Existing};

fn adoption(labels: Value) -> Request {
    let old = json!({ "metadata": { "name": "team", "creationTimestamp": "2025-01-01T00:00:00Z", "labels": labels } });
    let mut new = old.clone();
    new["metadata"]["labels"][keys::PREVIEW] = json!("true");
    update(old, new)
}

fn adopting(request: &Request, pods: Fact<bool>, adopt: Adopt) -> Decision {
    let mut facts = facts();
    facts.pods = pods;
    let mut policy = policy();
    policy.adopt = adopt;
    facts.policies = Arc::new([("default".to_owned(), policy)].into());
    let decision = review(request, &facts);
    if let Decision::Patch { .. } = decision {
        let again = Request {
            object: applied(request, &decision),
            ..request.clone()
        };
        facts.now += jiff::SignedDuration::from_secs(5);
        assert_eq!(validate(&again, &facts), Decision::Allow { warnings: vec![] });
    }
    decision
}

#[test]
fn an_empty_namespace_takes_the_label_and_its_lease_counts_from_then() {
    let request = adoption(json!({}));
    let decision = adopting(&request, Fact::Present(false), Adopt::default());
    let metadata = applied(&request, &decision)["metadata"].clone();
    assert_eq!(metadata["labels"][keys::ORIGIN], "adopted");
    assert_eq!(metadata["annotations"][keys::ADOPTED_AT], NOW);
    assert_eq!(metadata["annotations"][keys::EXPIRES_AT], "2026-06-02T12:00:00Z");
    assert_eq!(metadata["annotations"][keys::CREATOR], "dev");
}

#[test]
fn a_namespace_with_pods_or_one_nobody_could_look_into_is_not_adopted() {
    for pods in [Fact::Present(true), Fact::Unknown] {
        assert_eq!(
            reasons(&adopting(&adoption(json!({})), pods, Adopt::default())),
            ["not-adoptable"]
        );
    }
    let never = Adopt {
        existing: Existing::Never,
        ..Adopt::default()
    };
    assert_eq!(
        reasons(&adopting(&adoption(json!({})), Fact::Present(false), never)),
        ["not-adoptable"]
    );
}

#[test]
fn any_namespace_that_the_selector_chose_before_is_adopted() {
    let any = || Adopt {
        existing: Existing::Any,
        selector: [("team".to_owned(), "web".to_owned())].into(),
    };
    assert!(passes(&adopting(
        &adoption(json!({ "team": "web" })),
        Fact::Present(true),
        any()
    )));
    let mut chosen_by_itself = adoption(json!({}));
    chosen_by_itself.object["metadata"]["labels"]["team"] = json!("web");
    assert_eq!(
        reasons(&adopting(&chosen_by_itself, Fact::Present(false), any())),
        ["not-adoptable"]
    );
}

#[test]
fn a_lease_that_was_granted_at_adoption_may_be_extended_from_there() {
    let mut request = adoption(json!({}));
    let adopted = applied(
        &request,
        &adopting(&request, Fact::Present(false), Adopt::default()),
    );
    request.old_object = adopted.clone();
    request.object = adopted;
    request.object["metadata"]["annotations"][keys::TTL] = json!("48h");
    let object = applied(&request, &review(&request, &facts()));
    assert_eq!(
        object["metadata"]["annotations"][keys::EXPIRES_AT],
        "2026-06-03T12:00:00Z"
    );
    request.object["metadata"]["annotations"][keys::EXPIRES_AT] = json!("2026-07-03T12:00:00Z");
    assert_eq!(reasons(&review(&request, &facts())), ["lease-out-of-range"]);
}

#[test]
fn a_trusted_account_may_name_an_owner_and_nobody_else_may() {
    let request = |user: &str| {
        let mut request = namespace(json!({}), json!({ keys::OWNER: "ada" }));
        request.user.name = user.to_owned();
        request
    };
    let trust = |policy: &mut PreviewPolicySpec| {
        policy.trusted.service_accounts = vec!["argocd/controller".to_owned()];
    };
    let trusted = request("system:serviceaccount:argocd:controller");
    let object = applied(&trusted, &reviewed(&trusted, trust));
    assert_eq!(object["metadata"]["annotations"][keys::OWNER], "ada");
    for other in [
        "dev",
        "system:serviceaccount:argocd:controller2",
        "system:serviceaccount:argocd2:controller",
    ] {
        assert_eq!(
            reasons(&reviewed(&request(other), trust)),
            ["owner-forged"],
            "{other}"
        );
    }
    let own = request("ada");
    assert!(passes(&reviewed(&own, trust)));
    // Nobody's word makes a person of what is none.
    for owner in ["", "system:serviceaccount:ci:bot", "system:admin"] {
        let mut named = request("system:serviceaccount:argocd:controller");
        named.object["metadata"]["annotations"][keys::OWNER] = json!(owner);
        assert_eq!(reasons(&reviewed(&named, trust)), ["owner-forged"], "{owner}");
    }
}

#[test]
fn keys_that_later_versions_read_are_well_formed_already() {
    for (key, value) in [(keys::SLEEP, "off"), (keys::REVIVE, "yes")] {
        let request = namespace(json!({}), json!({ key: value }));
        assert_eq!(reasons(&review(&request, &facts())), ["key-invalid"], "{key}");
    }
    for (key, value) in [
        (keys::SLEEP, "asleep"),
        (keys::SLEEP, "awake"),
        (keys::REVIVE, "2026-06-01T12:00:00Z"),
    ] {
        assert!(
            passes(&review(&namespace(json!({}), json!({ key: value })), &facts())),
            "{key}"
        );
    }
}

#[test]
fn a_policy_that_only_observes_says_what_it_would_do_and_does_nothing() {
    let observe = |policy: &mut PreviewPolicySpec| policy.enforcement = Enforcement::Warn;
    let request = pod(json!({ "name": "web", "env": [{ "name": "A", "value": "http://api.shop/" }] }));
    let Decision::Observed {
        reasons: would,
        warnings,
    } = reviewed(&request, observe)
    else {
        panic!("not observed")
    };
    assert!(
        would.contains(&crate::reason::Reason::ProtectedEndpoint)
            && would.contains(&crate::reason::Reason::Held)
    );
    assert!(
        warnings[0].starts_with("would refuse: protected-endpoint"),
        "{warnings:?}"
    );
    let born = namespace(json!({}), json!({}));
    let labels = applied(&born, &reviewed(&born, observe))["metadata"]["labels"].clone();
    assert_eq!(labels[keys::ENFORCEMENT], "warn");
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], Value::Null);
    // The contract holds all the same.
    let forged = namespace(json!({}), json!({ keys::OWNER: "boss" }));
    assert_eq!(reasons(&reviewed(&forged, observe)), ["owner-forged"]);
}

#[test]
fn whoever_writes_an_end_before_the_lease_for_another_program_is_told_once() {
    let born = |annotations: Value, labels: Value| {
        let mut labels = labels;
        labels[keys::PREVIEW] = json!("true");
        request(
            "namespaces",
            json!({ "metadata": { "name": "mine", "annotations": annotations, "labels": labels } }),
        )
    };
    let warned = |request: &Request| match review(request, &facts()) {
        Decision::Allow { warnings } | Decision::Patch { warnings, .. } => warnings,
        other => panic!("{other:?}"),
    };
    for (annotations, labels, said) in [
        (
            json!({ "janitor/ttl": "2h" }),
            json!({}),
            "annotation janitor/ttl: 2h ",
        ),
        (
            json!({ "janitor/expires": "2026-06-01" }),
            json!({}),
            "annotation janitor/expires: 2026-06-01 ",
        ),
        (
            json!({ "k8s-ttl-controller.twin.sh/ttl": "1h" }),
            json!({}),
            "annotation k8s-ttl-controller.twin.sh/ttl: 1h ",
        ),
        (
            json!({}),
            json!({ "cleanup.kyverno.io/ttl": "30m" }),
            "label cleanup.kyverno.io/ttl: 30m ",
        ),
    ] {
        let warnings = warned(&born(annotations, labels));
        assert!(
            warnings.len() == 1 && warnings[0].starts_with(said),
            "{warnings:?}"
        );
    }
    let refreshed = json!({ "k8s-ttl-controller.twin.sh/ttl": "1d", "k8s-ttl-controller.twin.sh/refreshed-at": "2026-06-02T00:00:00Z" });
    for later in [
        json!({ "janitor/ttl": "7d" }),
        json!({ "janitor/ttl": "forever" }),
        refreshed,
    ] {
        assert_eq!(warned(&born(later, json!({}))), [""; 0]);
    }

    let request = born(json!({ "janitor/ttl": "2h" }), json!({}));
    let made = applied(&request, &review(&request, &facts()));
    let mut touched = made.clone();
    touched["metadata"]["annotations"]["team"] = json!("blue");
    assert_eq!(warned(&update(made.clone(), touched)), [""; 0]);
    let mut shorter = made.clone();
    shorter["metadata"]["annotations"]["janitor/ttl"] = json!("1h");
    assert_eq!(warned(&update(made, shorter)).len(), 1);
}
