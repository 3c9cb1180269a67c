//! Guardrails, with nobody of ours left but the policies.

use kube::Client;
use serde_json::{Value, json};
use understudy::{contract, keys};
use understudy_tests::testbed::{Role, User};

use crate::mode::{Mode, turn};
use crate::stage::{self, Call, assert_refused, client, core, group, own};

const POLICY: &str = "understudy-guardrails";

/// Every guardrail of a preview by its path.
async fn every(preview: &str, client: &Client) -> Vec<String> {
    let mut all = Vec::new();
    for (api, resource) in contract::GUARDRAIL_KINDS {
        let list = match api {
            "" => core(preview, resource),
            api => group(api, preview, resource),
        };
        let found = Call::get(format!("{list}?labelSelector={}", keys::GUARDRAIL))
            .by(client)
            .await
            .unwrap();
        let items = found["items"].as_array().unwrap();
        assert!(!items.is_empty(), "a preview has {resource}");
        let names = items.iter().filter_map(|item| item["metadata"]["name"].as_str());
        all.extend(names.map(|name| format!("{list}/{name}")));
    }
    all
}

fn branch_secret(labels: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": keys::branch_secret("app"), "labels": labels } })
}

#[tokio::test(flavor = "multi_thread")]
async fn guardrails_are_nobodys_but_the_controllers() {
    // C21, C23, C27
    let _turn = turn(Mode::Gone).await;
    let (preview, developer) = (stage::preview().await, client(User::Developer).await);
    let secret = branch_secret(json!({ keys::GUARDRAIL: "branch" }));
    let secrets = core(&preview, "secrets");
    Call::post(&secrets, secret)
        .by(&own(Role::Control).await)
        .await
        .unwrap();
    for path in every(&preview, &developer).await {
        let whole = Call::get(&path).by(&developer).await.unwrap();
        let unlabelled = json!({ "metadata": { "labels": { keys::GUARDRAIL: null } } });
        let mut replaced = whole.clone();
        replaced["metadata"]["annotations"]["note"] = json!("x");
        let list = path.rsplit_once('/').unwrap().0;
        for call in [
            Call::patch(&path, unlabelled),
            Call::put(&path, replaced),
            Call::delete(&path),
            Call::delete(format!("{list}?labelSelector={}", keys::GUARDRAIL)),
        ] {
            assert_refused(call.by(&developer).await, POLICY, "guardrail-tampered");
        }
        Call::get(&path).by(&developer).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_puts_a_guardrail_there_first() {
    // C27
    let _turn = turn(Mode::Gone).await;
    let (preview, developer) = (stage::preview().await, client(User::Developer).await);
    let secrets = core(&preview, "secrets");
    for labels in [json!({}), json!({ keys::GUARDRAIL: "branch" })] {
        let forged = Call::post(&secrets, branch_secret(labels));
        assert_refused(forged.by(&developer).await, POLICY, "guardrail-tampered");
    }
    // By the label alone, too: the controller would take it for its own.
    let policy = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": { "name": "open", "labels": { keys::GUARDRAIL: "open" } }, "spec": { "podSelector": {} } });
    let policies = group("networking.k8s.io", &preview, "networkpolicies");
    assert_refused(
        Call::post(&policies, policy.clone()).by(&developer).await,
        POLICY,
        "guardrail-tampered",
    );
    // Nor later.
    let mut own = policy;
    own["metadata"]["labels"] = json!({});
    Call::post(&policies, own).by(&developer).await.unwrap();
    let labelled = json!({ "metadata": { "labels": { keys::GUARDRAIL: "open" } } });
    let answer = Call::patch(format!("{policies}/open"), labelled)
        .by(&developer)
        .await;
    assert_refused(answer, POLICY, "guardrail-tampered");
    // Another Secret is theirs, and so is one of that name elsewhere.
    let other = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "understudy" } });
    Call::post(&secrets, other).by(&developer).await.unwrap();
    let plain = stage::plain("plain").await;
    Call::post(core(&plain, "secrets"), branch_secret(json!({})))
        .by(&developer)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_count_of_a_quota_is_the_clusters() {
    let _turn = turn(Mode::Gone).await;
    let (preview, developer) = (stage::preview().await, client(User::Developer).await);
    let quota = core(&preview, "resourcequotas/understudy");
    let mut counted = Call::get(&quota).by(&developer).await.unwrap();
    counted["status"]["hard"]["pods"] = json!("1000");
    let write = |counted: &Value| Call::put(format!("{quota}/status"), counted.clone()).dry();
    assert_refused(write(&counted).by(&developer).await, POLICY, "guardrail-tampered");
    let counter = stage::account("kube-system", "resourcequota-controller").await;
    write(&counted).by(&counter).await.unwrap();
    counted["metadata"]["labels"] = json!({});
    assert_refused(write(&counted).by(&counter).await, POLICY, "guardrail-tampered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_plugin_keeps_a_policy_until_it_has_seen_its_end() {
    let (developer, admin) = (client(User::Developer).await, client(User::Admin).await);
    let preview = stage::preview().await;
    for (mode, refused_by) in [(Mode::Up, "guardrail-tampered"), (Mode::Gone, POLICY)] {
        let _turn = turn(mode).await;
        for plugin in [
            "system:serviceaccount:kube-system:network-plugin",
            "eks:network-policy-controller",
        ] {
            let policy = group(
                "networking.k8s.io",
                &preview,
                "networkpolicies/understudy-default-deny",
            );
            let keeping = json!({ "metadata": { "finalizers": ["example.com/plugin"] } });
            let by_plugin = |change: Value| Call::patch(&policy, change).acting_as(plugin, &["developers"]);
            let answer = Call::patch(&policy, keeping.clone()).by(&developer).await;
            assert_refused(answer, refused_by, "guardrail-tampered");
            let mut opening = keeping.clone();
            opening["spec"]["egress"] = json!([{}]);
            assert_refused(
                by_plugin(opening).by(&admin).await,
                refused_by,
                "guardrail-tampered",
            );
            by_plugin(keeping).by(&admin).await.unwrap();
            let free = json!({ "metadata": { "finalizers": null } });
            by_plugin(free).by(&admin).await.unwrap();
        }
    }
    let _turn = turn(Mode::Gone).await;
    let policy = group(
        "networking.k8s.io",
        &preview,
        "networkpolicies/understudy-default-deny",
    );
    let plugin = "system:serviceaccount:kube-system:network-plugin";
    let by_plugin = |change: Value| Call::patch(&policy, change).acting_as(plugin, &["developers"]);
    by_plugin(json!({ "metadata": { "finalizers": ["example.com/plugin"] } }))
        .by(&admin)
        .await
        .unwrap();
    Call::delete(&policy).by(&own(Role::Control).await).await.unwrap();
    let noted = json!({ "metadata": { "annotations": { "x": "y" } } });
    let answer = Call::patch(&policy, noted).by(&developer).await;
    assert_refused(answer, POLICY, "guardrail-tampered");
    by_plugin(json!({ "metadata": { "finalizers": null } }))
        .by(&admin)
        .await
        .unwrap();
    stage::gone(&policy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_deletes_a_preview_with_all_its_guardrails() {
    // C23
    let _turn = turn(Mode::Gone).await;
    let path = stage::namespace(&stage::preview().await);
    Call::delete(&path)
        .by(&client(User::Developer).await)
        .await
        .unwrap();
    stage::gone(&path).await;
}
