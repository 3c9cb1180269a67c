//! The label, with nobody of ours left but the policies.

use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::testbed::User;

use crate::mode::{Mode, turn};
use crate::stage::{self, Call, assert_refused, client, namespace};

const POLICY: &str = "understudy-contract";
/// What an authenticator of somebody's might say beside name and groups, as if it were one of them.
const FORGED: [(&str, &str); 4] = [
    ("groups", "system:masters"),
    (
        "username",
        "system:serviceaccount:understudy-system:understudy-controller",
    ),
    ("understudy.dev%2fexempt", "true"),
    (
        "authentication.kubernetes.io%2fpod-name",
        "understudy-controller-0",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_label_comes_off_by_no_route() {
    // C09, C23
    let _turn = turn(Mode::Gone).await;
    let (name, developer) = (stage::preview().await, client(User::Developer).await);
    let path = namespace(&name);
    let found = Call::get(&path).by(&developer).await.unwrap();
    let without = |value: Value| {
        let mut whole = found.clone();
        let labels = whole["metadata"]["labels"].as_object_mut().unwrap();
        match value {
            Value::Null => drop(labels.remove(keys::PREVIEW)),
            value => drop(labels.insert(keys::PREVIEW.to_owned(), value)),
        }
        whole
    };
    for value in [Value::Null, json!("false"), json!("")] {
        let change = json!({ "metadata": { "labels": { keys::PREVIEW: value } } });
        for call in [
            Call::patch(&path, change.clone()),
            Call::put(&path, without(value.clone())),
            Call::patch(format!("{path}/status"), change),
            Call::put(format!("{path}/status"), without(value.clone())),
            Call::put(format!("{path}/finalize"), without(value.clone())),
        ] {
            assert_refused(call.by(&developer).await, POLICY, "label-removed");
        }
    }
    // By server-side apply: taken over by force, or let go by the only one who had it.
    let applied =
        |name: &str, labels: Value| Call::apply(namespace(name), stage::object(name, labels, json!({})));
    let other = applied(&name, json!({ keys::PREVIEW: "false" }));
    assert_refused(other.by(&developer).await, POLICY, "label-removed");
    let own = stage::unique("applied");
    applied(&own, json!({ keys::PREVIEW: "true" }))
        .by(&developer)
        .await
        .unwrap();
    assert_refused(
        applied(&own, json!({})).by(&developer).await,
        POLICY,
        "label-removed",
    );
    // An exempt user may, on purpose.
    let off = json!({ "metadata": { "labels": { keys::PREVIEW: null } } });
    Call::patch(&path, off)
        .by(&client(User::Admin).await)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_security_of_a_preview_only_rises() {
    // C28
    let _turn = turn(Mode::Gone).await;
    let (path, developer) = (namespace(&stage::preview().await), client(User::Developer).await);
    let enforce = "pod-security.kubernetes.io/enforce";
    let level = |value: Value| Call::patch(&path, json!({ "metadata": { "labels": { enforce: value } } }));
    for loose in [json!("privileged"), Value::Null] {
        assert_refused(level(loose).by(&developer).await, POLICY, "field-reserved");
    }
    level(json!("restricted")).by(&developer).await.unwrap();
    assert_refused(
        level(json!("baseline")).by(&developer).await,
        POLICY,
        "field-reserved",
    );
    let version = |value: Value| {
        let key = format!("{enforce}-version");
        Call::patch(&path, json!({ "metadata": { "labels": { key: value } } }))
    };
    assert_refused(
        version(json!("v1.20")).by(&developer).await,
        POLICY,
        "field-reserved",
    );
    version(json!("latest")).by(&developer).await.unwrap();
    version(Value::Null).by(&developer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_exempt_is_compared_whole() {
    // C14
    let _turn = turn(Mode::Gone).await;
    let (name, admin) = (stage::preview().await, client(User::Admin).await);
    let off = json!({ "metadata": { "labels": { keys::PREVIEW: null } } });
    for (user, group) in [
        ("system:masters", "developers"),
        ("developer", "system:masters2"),
        (
            "system:serviceaccount:understudy-system:understudy-controller2",
            "developers",
        ),
        (
            "system:serviceaccount:understudy-system2:understudy-controller",
            "developers",
        ),
    ] {
        let call = Call::patch(namespace(&name), off.clone()).acting_as(user, &[group, "developers"]);
        assert_refused(call.by(&admin).await, POLICY, "label-removed");
    }
    for (key, value) in FORGED {
        let call = Call::patch(namespace(&name), off.clone()).acting_as("developer", &["developers"]);
        assert_refused(call.saying(key, value).by(&admin).await, POLICY, "label-removed");
    }
    let phase = json!({ "metadata": { "labels": { keys::PHASE: "Failed" } } });
    let call = Call::patch(namespace(&name), phase).acting_as(
        "system:serviceaccount:understudy-system:understudy-controller2",
        &["developers"],
    );
    assert_refused(call.by(&admin).await, POLICY, "field-reserved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_the_administrator_reserves_is_set_on_no_preview() {
    let _turn = turn(Mode::Gone).await;
    let (preview, developer) = (stage::preview().await, client(User::Developer).await);
    let plain = stage::plain("plain").await;
    let reserved = json!({ stage::RESERVED: "false" });
    let change = json!({ "metadata": { "labels": reserved } });
    let answer = Call::patch(namespace(&preview), change.clone())
        .by(&developer)
        .await;
    assert_refused(answer, POLICY, "field-reserved");
    let born = json!({ keys::PREVIEW: "true", stage::RESERVED: "false" });
    let born = Call::post(
        "/api/v1/namespaces",
        stage::object(&stage::unique("born"), born, json!({})),
    );
    assert_refused(born.by(&developer).await, POLICY, "field-reserved");
    Call::patch(namespace(&plain), change.clone())
        .by(&developer)
        .await
        .unwrap();
    Call::patch(namespace(&preview), change)
        .by(&client(User::Admin).await)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_full_of_keys_can_still_be_changed() {
    // Each key costs an expression something, and one that costs too much refuses whatever is asked: to end it, too.
    let _turn = turn(Mode::Gone).await;
    let (preview, developer) = (stage::preview().await, client(User::Developer).await);
    let path = namespace(&preview);
    // As many as annotations may hold, 256 KiB, but for what is there.
    let digits: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
    let key = |number: usize| {
        let places = [number / digits.len().pow(2), number / digits.len(), number];
        places
            .map(|place| digits[place % digits.len()])
            .iter()
            .collect::<String>()
    };
    let many: serde_json::Map<String, Value> = (0..62_000).map(|number| (key(number), json!(""))).collect();
    assert_eq!(many.len(), 62_000);
    let mut whole = Call::get(&path).by(&developer).await.unwrap();
    whole["metadata"]["annotations"]
        .as_object_mut()
        .unwrap()
        .extend(many);
    // Whose each of them is would take the API server long.
    whole["metadata"]["managedFields"] = json!([{}]);
    Call::put(&path, whole).dry().by(&developer).await.unwrap();
}
