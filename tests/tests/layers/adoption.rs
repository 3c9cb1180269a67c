//! An existing namespace takes the label: in one request that admission grants, and in no other.

use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::testbed::{NAMESPACE, User};

use crate::mode::{Mode, turn};
use crate::stage::{self, Call, GOLDEN, assert_refused, client, namespace};

const POLICY: &str = "understudy-contract";

/// The label with what admission writes beside it, under the developer's name.
fn granted() -> Value {
    let now = jiff::Timestamp::now().to_string();
    json!({ "metadata": {
        "labels": { keys::PREVIEW: "true", keys::POLICY: "default", keys::ORIGIN: "adopted", keys::PHASE: "Pending",
                    keys::ENFORCEMENT: "warn", "pod-security.kubernetes.io/enforce": "baseline" },
        "annotations": { keys::ADOPTED_AT: now, keys::CREATOR: "developer", keys::OWNER: "developer", keys::EXPIRES_AT: now },
    } })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_admission_grants_appears_in_the_request_that_brings_the_label_and_in_no_other() {
    let _turn = turn(Mode::Gone).await;
    let developer = client(User::Developer).await;
    let path = namespace(&stage::plain("adopted").await);
    Call::patch(&path, granted()).dry().by(&developer).await.unwrap();
    for route in ["status", "finalize"] {
        let mut whole = Call::get(&path).by(&developer).await.unwrap();
        for field in ["labels", "annotations"] {
            let found = granted()["metadata"][field].clone();
            for (key, value) in found.as_object().unwrap() {
                whole["metadata"][field][key] = value.clone();
            }
        }
        let answer = Call::put(format!("{path}/{route}"), whole)
            .dry()
            .by(&developer)
            .await;
        assert_refused(answer, POLICY, "not-adoptable");
    }
    for (field, key, value, code) in [
        ("labels", keys::ORIGIN, json!("created"), "field-reserved"),
        ("labels", keys::PHASE, json!("Ready"), "field-reserved"),
        ("labels", keys::ENFORCEMENT, json!("off"), "field-reserved"),
        ("annotations", keys::CREATOR, json!("mallory"), "field-reserved"),
        ("annotations", keys::OWNER, json!("mallory"), "owner-forged"),
        ("annotations", keys::GUARDRAILS, json!("forged"), "field-reserved"),
        (
            "annotations",
            "understudy.dev/database.app",
            json!("ready"),
            "field-reserved",
        ),
        ("labels", keys::ORIGIN, Value::Null, "not-adoptable"),
        ("annotations", keys::ADOPTED_AT, Value::Null, "not-adoptable"),
    ] {
        let mut forged = granted();
        forged["metadata"][field][key] = value;
        assert_refused(
            Call::patch(&path, forged).dry().by(&developer).await,
            POLICY,
            code,
        );
    }
    // Once it is a preview, what was written then stays.
    Call::patch(&path, granted()).by(&developer).await.unwrap();
    let again = json!({ "metadata": { "annotations": { keys::ADOPTED_AT: "2030-01-01T00:00:00Z" } } });
    assert_refused(
        Call::patch(&path, again).by(&developer).await,
        POLICY,
        "field-reserved",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_admission_the_label_is_put_on_nothing_that_exists() {
    // C10
    let _turn = turn(Mode::Gone).await;
    let plain = stage::plain("foreign").await;
    let label = json!({ "metadata": { "labels": { keys::PREVIEW: "true" } } });
    // Nor by an exempt user: `kubectl label namespaces --all`.
    for user in [User::Developer, User::Admin] {
        let client = client(user).await;
        for name in ["kube-system", "default", NAMESPACE, GOLDEN, &plain] {
            let path = namespace(name);
            let whole = |mut found: Value| {
                found["metadata"]["labels"][keys::PREVIEW] = json!("true");
                found
            };
            let applied = json!({ "apiVersion": "v1", "kind": "Namespace",
                "metadata": { "name": name, "labels": { keys::PREVIEW: "true" } } });
            let found = Call::get(&path).by(&client).await.unwrap();
            for call in [
                Call::patch(&path, label.clone()),
                Call::put(&path, whole(found.clone())),
                Call::apply(&path, applied),
                Call::patch(format!("{path}/status"), label.clone()),
                Call::put(format!("{path}/finalize"), whole(found.clone())),
            ] {
                assert_refused(call.by(&client).await, POLICY, "not-adoptable");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slip_of_whoever_may_change_every_namespace_turns_none_of_them_into_a_preview() {
    // C10: `kubectl label namespaces --all`, by somebody who is not exempt, while everything of ours runs.
    let _turn = turn(Mode::Up).await;
    let developer = client(User::Developer).await;
    let busy = stage::plain("busy").await;
    stage::make_pod(&busy, stage::pod("x", json!({}), &[])).await;
    let label = json!({ "metadata": { "labels": { keys::PREVIEW: "true" } } });
    for name in ["kube-system", "default", NAMESPACE, GOLDEN, &busy] {
        let path = namespace(name);
        let marks = async || {
            let found = Call::get(&path).by(&developer).await.unwrap();
            ["labels", "annotations"].map(|field| found["metadata"][field].clone())
        };
        let before = marks().await;
        let applied = json!({ "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": name, "labels": { keys::PREVIEW: "true" } } });
        for call in [Call::patch(&path, label.clone()), Call::apply(&path, applied)] {
            assert_refused(
                call.by(&developer).await,
                "namespaces.understudy.dev",
                "not-adoptable",
            );
        }
        assert_eq!(marks().await, before, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_golden_is_made_and_unmade_by_exempt_users_only() {
    // C28
    let _turn = turn(Mode::Gone).await;
    let (developer, admin) = (client(User::Developer).await, client(User::Admin).await);
    let (plain, preview) = (stage::plain("original").await, stage::preview().await);
    let label = |value: Value| json!({ "metadata": { "labels": { keys::GOLDEN: value } } });
    for route in ["", "/status"] {
        let on = Call::patch(format!("{}{route}", namespace(&plain)), label(json!("true")));
        assert_refused(on.dry().by(&developer).await, POLICY, "field-reserved");
        let off = Call::patch(format!("{}{route}", namespace(GOLDEN)), label(Value::Null));
        assert_refused(off.dry().by(&developer).await, POLICY, "field-reserved");
    }
    let born = stage::object(
        &stage::unique("golden"),
        json!({ keys::GOLDEN: "true" }),
        json!({}),
    );
    assert_refused(
        Call::post("/api/v1/namespaces", born).by(&developer).await,
        POLICY,
        "field-reserved",
    );
    Call::patch(namespace(&plain), label(json!("true")))
        .by(&admin)
        .await
        .unwrap();
    Call::patch(namespace(&plain), label(Value::Null))
        .by(&admin)
        .await
        .unwrap();
    // Who keeps goldens in Git adds the label, with no other value, and does not take it off.
    let keeper = format!("system:serviceaccount:{}", stage::KEEPER.replace('/', ":"));
    let keeping =
        |value: Value| Call::patch(namespace(&plain), label(value)).acting_as(&keeper, &["developers"]);
    assert_refused(keeping(json!("false")).by(&admin).await, POLICY, "field-reserved");
    keeping(json!("true")).by(&admin).await.unwrap();
    assert_refused(keeping(Value::Null).by(&admin).await, POLICY, "field-reserved");
    // Not even exempt users make both of one.
    let both = Call::patch(namespace(&preview), label(json!("true")));
    assert_refused(both.by(&admin).await, POLICY, "field-reserved");
}
