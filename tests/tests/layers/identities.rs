//! Our own two identities, by their tokens: what a thief could do with them. What RBAC does not give is refused by RBAC;
//! what it cannot say, by the policy.

use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::testbed::{NAMESPACE, Role, User};

use crate::mode::{Mode, turn};
use crate::stage::{
    self, Call, GOLDEN, assert_refused, client, core, group, make_pod, namespace, object, own, pod,
};

const POLICY: &str = "understudy-identities";
const CODE: &str = "identity-confined";
const RBAC: &str = "rbac.authorization.k8s.io";

fn binding(role: &str, subject: Value) -> Value {
    json!({ "apiVersion": format!("{RBAC}/v1"), "kind": "RoleBinding", "metadata": { "name": stage::unique("stolen") },
        "roleRef": { "apiGroup": RBAC, "kind": "ClusterRole", "name": role }, "subjects": [subject] })
}

fn user(name: &str) -> Value {
    json!({ "apiGroup": RBAC, "kind": "User", "name": name })
}

/// Refused, by whomever.
async fn forbidden(call: Call, client: &kube::Client) {
    match call.by(client).await {
        Err(kube::Error::Api(status)) if status.code == 403 => {}
        other => panic!("{} {}: {other:?}", call.method, call.path),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controller_binds_in_previews_only_and_three_roles_only() {
    // C24
    let _turn = turn(Mode::Gone).await;
    let (controller, preview) = (own(Role::Control).await, stage::preview().await);
    let plain = stage::plain("plain").await;
    let bindings = |place: &str| group(RBAC, place, "rolebindings");
    for place in [&plain, GOLDEN, "kube-system", NAMESPACE] {
        let call = Call::post(bindings(place), binding(keys::ROLE_CONTROLLER, user("thief")));
        assert_refused(call.by(&controller).await, POLICY, CODE);
    }
    // Access for people is what it is for.
    let people = Call::post(bindings(&preview), binding(keys::ROLE_USER, user("developer")));
    people.by(&controller).await.unwrap();
    for role in ["cluster-admin", "admin", "view"] {
        forbidden(
            Call::post(bindings(&preview), binding(role, user("thief"))),
            &controller,
        )
        .await;
    }
    let account = |namespace: &str, name: &str| json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name });
    let everybody = json!({ "apiGroup": RBAC, "kind": "Group", "name": "system:authenticated" });
    for (role, subject) in [
        (keys::ROLE_CONTROLLER, user("thief")),
        (
            keys::ROLE_CONTROLLER,
            account("default", keys::CONTROLLER_ACCOUNT),
        ),
        (keys::ROLE_ADMISSION, account(NAMESPACE, keys::CONTROLLER_ACCOUNT)),
        (keys::ROLE_USER, everybody),
    ] {
        let call = Call::post(bindings(&preview), binding(role, subject));
        assert_refused(call.by(&controller).await, POLICY, CODE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controller_reads_secrets_in_previews_only() {
    // C24
    let _turn = turn(Mode::Gone).await;
    let (controller, preview) = (own(Role::Control).await, stage::preview().await);
    let plain = stage::plain("plain").await;
    Call::get(core(&preview, "secrets"))
        .by(&controller)
        .await
        .unwrap();
    for place in [&plain, GOLDEN, "kube-system"] {
        forbidden(Call::get(core(place, "secrets")), &controller).await;
        forbidden(Call::get(core(place, "secrets/any")), &controller).await;
        forbidden(Call::get(core(place, "configmaps/kube-root-ca.crt")), &controller).await;
    }
    forbidden(Call::get("/api/v1/secrets"), &controller).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controller_deletes_in_previews_only() {
    // C24
    let _turn = turn(Mode::Gone).await;
    let (controller, preview) = (own(Role::Control).await, stage::preview().await);
    let plain = stage::plain("plain").await;
    make_pod(&preview, pod("web", json!({ keys::REVIEWED: "v1" }), &[])).await;
    make_pod(&plain, pod("web", json!({}), &[])).await;
    Call::delete(core(&preview, "pods/web"))
        .dry()
        .by(&controller)
        .await
        .unwrap();
    let note = json!({ "metadata": { "annotations": { "note": "x" } } });
    for call in [
        Call::delete(core(&plain, "pods/web")),
        Call::delete(core(&plain, "pods")),
        Call::patch(core(&plain, "pods/web"), note),
    ] {
        assert_refused(call.by(&controller).await, POLICY, CODE);
    }
    forbidden(
        Call::post(core(&plain, "pods"), pod("more", json!({}), &[])),
        &controller,
    )
    .await;
    for (api, kind) in [
        ("apps", "deployments"),
        ("batch", "jobs"),
        ("networking.k8s.io", "ingresses"),
    ] {
        let call = Call::delete(group(api, "kube-system", kind));
        let list = Call::get(&call.path)
            .by(&client(User::Admin).await)
            .await
            .unwrap();
        // A deletion of nothing asks nobody.
        if list["items"].as_array().is_some_and(|items| !items.is_empty()) {
            assert_refused(call.by(&controller).await, POLICY, CODE);
        }
    }
    Call::delete(namespace(&preview))
        .dry()
        .by(&controller)
        .await
        .unwrap();
    for name in [&plain, GOLDEN, "kube-system", NAMESPACE, "default"] {
        // Some of them the API server keeps from everybody.
        forbidden(Call::delete(namespace(name)).dry(), &controller).await;
        let label = json!({ "metadata": { "labels": { "note": "x" } } });
        assert_refused(
            Call::patch(namespace(name), label).by(&controller).await,
            POLICY,
            CODE,
        );
    }
    assert_refused(
        Call::delete(namespace(&plain)).by(&controller).await,
        POLICY,
        CODE,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controller_writes_nothing_of_the_whole_cluster() {
    // C24
    let _turn = turn(Mode::Gone).await;
    let controller = own(Role::Control).await;
    let rule = json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }]);
    let role = json!({ "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": { "name": "stolen" }, "rules": rule });
    let mut bound = binding("cluster-admin", user("thief"));
    bound["kind"] = json!("ClusterRoleBinding");
    let roles = format!("/apis/{RBAC}/v1/clusterroles");
    let admission = "/apis/admissionregistration.k8s.io/v1";
    for call in [
        Call::post(&roles, role),
        Call::patch(
            format!("{roles}/{}", keys::ROLE_CONTROLLER),
            json!({ "rules": rule }),
        ),
        Call::post(format!("/apis/{RBAC}/v1/clusterrolebindings"), bound),
        Call::post("/api/v1/namespaces", object("stolen", json!({}), json!({}))),
        Call::post(
            "/api/v1/namespaces",
            object("stolen", json!({ keys::PREVIEW: "true" }), json!({})),
        ),
        Call::delete("/api/v1/nodes/node-0"),
        Call::delete(format!(
            "{admission}/validatingadmissionpolicies/understudy-identities"
        )),
        Call::delete(format!(
            "{admission}/validatingadmissionpolicybindings/understudy-identities"
        )),
        Call::delete(format!("{admission}/validatingwebhookconfigurations/understudy")),
        Call::patch(
            "/apis/understudy.dev/v1alpha1/previewpolicies/default",
            json!({ "spec": { "podSecurity": "privileged" } }),
        ),
        Call::post(
            core(NAMESPACE, "serviceaccounts/understudy-admission/token"),
            json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} }),
        ),
    ] {
        forbidden(call, &controller).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn admission_writes_nothing_anywhere() {
    // C24
    let _turn = turn(Mode::Gone).await;
    let (admission, preview) = (own(Role::Serve).await, stage::preview().await);
    let plain = stage::plain("plain").await;
    let note = json!({ "metadata": { "annotations": { "note": "x" } } });
    for place in [preview.as_str(), &plain, GOLDEN, "kube-system", NAMESPACE] {
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "stolen" } });
        for call in [
            Call::post(core(place, "secrets"), secret),
            Call::delete(core(place, "pods")),
            Call::post(
                group(RBAC, place, "rolebindings"),
                binding(keys::ROLE_USER, user("thief")),
            ),
            Call::patch(namespace(place), note.clone()),
            Call::delete(namespace(place)),
            Call::get(core(place, "secrets")),
        ] {
            forbidden(call, &admission).await;
        }
    }
    // What it reads: its own certificate and nothing beside it; in a preview what a Pod refers to, by name.
    let ours = |name: &str| core(NAMESPACE, &format!("secrets/{name}"));
    Call::get(ours(keys::SERVING_SECRET))
        .by(&admission)
        .await
        .unwrap();
    forbidden(Call::get(ours("understudy-webhook-ca")), &admission).await;
    forbidden(Call::patch(ours(keys::SERVING_SECRET), note), &admission).await;
    Call::get(core(&preview, "configmaps/kube-root-ca.crt"))
        .by(&admission)
        .await
        .unwrap();
    forbidden(Call::get(core(&plain, "configmaps/kube-root-ca.crt")), &admission).await;
    forbidden(Call::get(core(GOLDEN, "secrets/any")), &admission).await;
}
