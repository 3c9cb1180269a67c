//! Gates and the review mark of Pods, with nobody of ours left but the policies.

use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::testbed::User;

use crate::mode::{Mode, turn};
use crate::stage::{self, Call, assert_refused, client, core, group, make_pod, pod};

const POLICY: &str = "understudy-gates";

fn marked(name: &str) -> Value {
    pod(
        name,
        json!({ keys::REVIEWED: "v1" }),
        &[keys::GATE_GUARDRAILS, "example.com/other"],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_are_lifted_by_no_route() {
    let _turn = turn(Mode::Gone).await;
    let (preview, developer) = (stage::preview().await, client(User::Developer).await);
    make_pod(&preview, marked("held")).await;
    let path = core(&preview, "pods/held");
    let mut whole = Call::get(&path).by(&developer).await.unwrap();
    whole["spec"]["schedulingGates"] = json!([{ "name": "example.com/other" }]);
    let one = json!([{ "op": "remove", "path": "/spec/schedulingGates/0" }]);
    for call in [
        Call::patch(&path, json!({ "spec": { "schedulingGates": null } })),
        Call::put(&path, whole),
        Call::json_patch(&path, one),
    ] {
        assert_refused(call.by(&developer).await, POLICY, "gate-lifted");
    }
    // Somebody else's gate is theirs.
    let theirs = json!([{ "op": "remove", "path": "/spec/schedulingGates/1" }]);
    Call::json_patch(&path, theirs).by(&developer).await.unwrap();
    // Neither is there a way around: a held Pod is bound to no node.
    let binding = json!({ "apiVersion": "v1", "kind": "Binding", "metadata": { "name": "held" },
        "target": { "kind": "Node", "name": "node-0" } });
    Call::post(format!("{path}/binding"), binding)
        .by(&developer)
        .await
        .unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_review_mark_is_changed_by_no_route() {
    let _turn = turn(Mode::Gone).await;
    let (preview, developer) = (stage::preview().await, client(User::Developer).await);
    make_pod(&preview, marked("held")).await;
    let path = core(&preview, "pods/held");
    let changes = [
        (keys::REVIEWED, Value::Null),
        (keys::REVIEWED, json!("v2")),
        // Nor the one of an exemption.
        (keys::EXEMPTED_BY, json!("admin")),
    ];
    for (key, value) in changes {
        let change = json!({ "metadata": { "annotations": { key: value } } });
        for route in ["", "/status"] {
            let answer = Call::patch(format!("{path}{route}"), change.clone())
                .by(&developer)
                .await;
            assert_refused(answer, POLICY, "field-reserved");
        }
    }
    let binding = json!({ "apiVersion": "v1", "kind": "Binding",
        "metadata": { "name": "held", "annotations": { keys::REVIEWED: "v2" } },
        "target": { "kind": "Node", "name": "node-0" } });
    assert_refused(
        Call::post(format!("{path}/binding"), binding)
            .by(&developer)
            .await,
        POLICY,
        "field-reserved",
    );
    // What is none of ours passes.
    let other = json!({ "metadata": { "annotations": { "note": "x" } } });
    Call::patch(&path, other).by(&developer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_previews_nobody_writes_the_mark_and_a_gate_is_anybodys() {
    let _turn = turn(Mode::Gone).await;
    let (plain, developer) = (stage::plain("plain").await, client(User::Developer).await);
    let planted = Call::post(
        core(&plain, "pods"),
        pod("planted", json!({ keys::REVIEWED: "v1" }), &[]),
    );
    assert_refused(planted.by(&developer).await, POLICY, "field-reserved");
    make_pod(&plain, pod("held", json!({}), &[keys::GATE_DATABASE])).await;
    let path = core(&plain, "pods/held");
    let mark = json!({ "metadata": { "annotations": { keys::REVIEWED: "v1" } } });
    assert_refused(
        Call::patch(&path, mark).by(&developer).await,
        POLICY,
        "field-reserved",
    );
    let lifted = json!({ "spec": { "schedulingGates": null } });
    Call::patch(&path, lifted).by(&developer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_preview_no_pod_is_made_that_admission_did_not_see() {
    let _turn = turn(Mode::Gone).await;
    let (preview, plain) = (stage::preview().await, stage::plain("plain").await);
    for user in [User::Developer, User::Admin] {
        let made = Call::post(core(&preview, "pods"), pod("unseen", json!({}), &[]));
        assert_refused(
            made.by(&client(user).await).await,
            "understudy-review",
            "environment-unresolved",
        );
    }
    make_pod(&plain, pod("unseen", json!({}), &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_deleted_is_in_nobodys_way() {
    // C13
    let _turn = turn(Mode::Gone).await;
    let (preview, developer) = (stage::preview().await, client(User::Developer).await);
    let mut finalized = marked("dying");
    finalized["metadata"]["finalizers"] = json!(["example.com/wait"]);
    make_pod(&preview, finalized).await;
    let path = core(&preview, "pods/dying");
    Call::delete(&path).by(&developer).await.unwrap();
    let change = json!({ "metadata": { "annotations": { keys::REVIEWED: null } },
        "spec": { "schedulingGates": null } });
    Call::patch(&path, change).by(&developer).await.unwrap();
    // The namespace too, while its Pod is still there.
    let namespace = stage::namespace(&preview);
    Call::delete(&namespace).by(&developer).await.unwrap();
    let note = json!({ "metadata": { "annotations": { "note": "x" } } });
    Call::patch(&namespace, note).by(&developer).await.unwrap();
    let free = json!({ "metadata": { "finalizers": null } });
    Call::patch(&path, free).by(&developer).await.unwrap();
    stage::gone(&namespace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_on_its_way_out_keeps_its_label_and_guardrails_as_long_as_a_pod_is_in_it() {
    // C13, C21
    let _turn = turn(Mode::Gone).await;
    let (preview, developer) = (stage::preview().await, client(User::Developer).await);
    let mut staying = marked("staying");
    staying["metadata"]["finalizers"] = json!(["example.com/wait"]);
    make_pod(&preview, staying).await;
    let namespace = stage::namespace(&preview);
    let unlabelled = json!({ "metadata": { "labels": { keys::PREVIEW: null } } });
    Call::delete(&namespace).by(&developer).await.unwrap();
    let answer = Call::patch(&namespace, unlabelled).by(&developer).await;
    assert_refused(answer, "understudy-contract", "label-removed");
    for guardrail in [
        group(
            "networking.k8s.io",
            &preview,
            "networkpolicies/understudy-default-deny",
        ),
        core(&preview, "resourcequotas/understudy"),
    ] {
        let opened = json!({ "metadata": { "labels": { keys::GUARDRAIL: null } } });
        for call in [Call::delete(&guardrail), Call::patch(&guardrail, opened)] {
            assert_refused(
                call.by(&developer).await,
                "understudy-guardrails",
                "guardrail-tampered",
            );
        }
    }
    let free = json!({ "metadata": { "finalizers": null } });
    Call::patch(core(&preview, "pods/staying"), free)
        .by(&developer)
        .await
        .unwrap();
    stage::gone(&namespace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_policy_only_observes_pods_and_guardrails_are_left_alone() {
    let _turn = turn(Mode::Gone).await;
    let (preview, developer) = (stage::preview().await, client(User::Developer).await);
    let warn = json!({ "metadata": { "labels": { keys::ENFORCEMENT: "warn" } } });
    Call::patch(stage::namespace(&preview), warn)
        .by(&client(User::Admin).await)
        .await
        .unwrap();
    make_pod(&preview, pod("held", json!({}), &[keys::GATE_GUARDRAILS])).await;
    let lifted = json!({ "spec": { "schedulingGates": null } });
    Call::patch(core(&preview, "pods/held"), lifted)
        .by(&developer)
        .await
        .unwrap();
    Call::delete(core(&preview, "limitranges/understudy"))
        .by(&developer)
        .await
        .unwrap();
    // The contract still holds, and a mark is still admission's.
    let off = json!({ "metadata": { "labels": { keys::PREVIEW: null } } });
    let answer = Call::patch(stage::namespace(&preview), off).by(&developer).await;
    assert_refused(answer, "understudy-contract", "label-removed");
    let planted = Call::post(
        core(&preview, "pods"),
        pod("planted", json!({ keys::REVIEWED: "v1" }), &[]),
    );
    assert_refused(planted.by(&developer).await, POLICY, "field-reserved");
}
