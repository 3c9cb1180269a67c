//! Who may do what: by exactly what the API server says of them, and by what a policy says.

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::previews::{
    SOON, assert_refused, client, create, make, objects, own_policy, pod, preview, ready_preview, sealed,
    stage, unique,
};
use understudy_tests::testbed::{User, eventually};

const OBJECTS: &str = "objects.understudy.dev";
const RBAC: &str = "rbac.authorization.k8s.io";

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_admits_whom_it_names_and_nobody_else() {
    let policy = own_policy("creators", |spec| {
        spec["creators"] = json!({ "users": ["somebody-else"] })
    })
    .await;
    let mut manifest = preview(&unique("creators"), json!({}));
    manifest["metadata"]["labels"][keys::POLICY] = json!(policy);
    let refused = eventually(SOON, "admission knows the policy", || async {
        match make(User::Developer, manifest.clone()).await {
            Err(error) if error.to_string().contains("policy-missing") => anyhow::bail!("{error}"),
            answer => Ok(answer),
        }
    })
    .await
    .unwrap();
    assert_refused(refused, "namespaces.understudy.dev", &["creator-refused"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_for_people_is_no_way_to_more() {
    let namespace = ready_preview("role").await;
    let rbac = "rbac.authorization.k8s.io/v1";
    let developer = json!([{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "developer" }]);
    let bound = |kind: &str, name: &str| {
        json!({ "apiVersion": rbac, "kind": "RoleBinding", "metadata": { "name": unique("more") }, "subjects": developer,
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name } })
    };
    for role in [
        "cluster-admin",
        "admin",
        "edit",
        "understudy-preview-controller",
        "understudy-golden-reader",
    ] {
        let refused = create(
            User::Developer,
            &namespace,
            "rolebindings",
            bound("ClusterRole", role),
        )
        .await;
        assert!(refused.is_err(), "{role}");
    }
    for (resource, verb) in [
        ("*", "*"),
        ("serviceaccounts/token", "create"),
        ("serviceaccounts", "impersonate"),
        ("endpoints", "update"),
    ] {
        let role = json!({ "apiVersion": rbac, "kind": "Role", "metadata": { "name": unique("more") },
            "rules": [{ "apiGroups": [""], "resources": [resource], "verbs": [verb] }] });
        let refused = create(User::Developer, &namespace, "roles", role).await;
        assert!(refused.is_err(), "{verb} {resource}");
    }
    // A token of a preview's own account would outlive the access to it.
    let accounts = objects(
        User::Developer,
        &namespace,
        "v1",
        "ServiceAccount",
        "serviceaccounts",
    )
    .await;
    let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
    let token = accounts
        .create_subresource::<Value, Value>("token", "default", &Default::default(), &request)
        .await;
    assert!(
        matches!(&token, Err(kube::Error::Api(status)) if status.code == 403),
        "a token was given"
    );
    for (place, plural, manifest) in [
        ("shop", "pods", pod("thief", json!([]))),
        (
            "understudy-system",
            "configmaps",
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "thief" } }),
        ),
    ] {
        let refused = create(User::Developer, place, plural, manifest).await;
        assert!(
            matches!(&refused, Err(kube::Error::Api(status)) if status.code == 403),
            "{place}: {refused:?}"
        );
    }
    // What a chart brings for its own service account is fine.
    let role = json!({ "apiVersion": rbac, "kind": "Role", "metadata": { "name": "own" },
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"] }] });
    create(User::Developer, &namespace, "roles", role).await.unwrap();
    let own = json!({ "apiVersion": rbac, "kind": "RoleBinding", "metadata": { "name": "own" },
        "subjects": [{ "kind": "ServiceAccount", "name": "default", "namespace": namespace }],
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "own" } });
    create(User::Developer, &namespace, "rolebindings", own)
        .await
        .unwrap();
}

/// Everything in this namespace, for everybody in this group.
async fn everything(namespace: &str, group: &str) {
    let binding = json!({ "apiVersion": format!("{RBAC}/v1"), "kind": "RoleBinding", "metadata": { "name": "everything" },
        "roleRef": { "apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "apiGroup": RBAC, "kind": "Group", "name": group }] });
    create(User::Admin, namespace, "rolebindings", binding)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_exempt_who_only_looks_like_it() {
    // C14
    let namespace = ready_preview("looks").await;
    everything(&namespace, "developers").await;
    let admin = client(User::Admin).await;
    let golden = pod("x", json!([{ "name": "A", "value": "http://api.shop/" }]));
    let ask = async |user: &str, group: &str, extra: Option<(&str, &str)>| {
        let mut request = http::Request::post(format!("/api/v1/namespaces/{namespace}/pods?dryRun=All"))
            .header("content-type", "application/json")
            .header("impersonate-user", user)
            .header("impersonate-group", group)
            .header("impersonate-group", "developers");
        if let Some((key, value)) = extra {
            request = request.header(format!("impersonate-extra-{key}"), value);
        }
        let request = request.body(golden.to_string().into_bytes()).unwrap();
        admin.request::<Value>(request).await
    };
    for extra in [
        ("groups", "system:masters"),
        ("username", "system:kube-controller-manager"),
        ("understudy.dev%2fexempt", "true"),
        ("authentication.kubernetes.io%2fnode-name", "node-0"),
    ] {
        let refused = ask("developer", "developers", Some(extra)).await;
        assert_refused(refused, OBJECTS, &["protected-endpoint"]);
    }
    for (user, group) in [
        ("system:masters", "developers"),
        ("kubeadm:cluster-admins", "developers"),
        ("developer", "system:masters2"),
        ("developer", "System:Masters"),
        ("system:kube-controller-manager2", "developers"),
        (
            "system:serviceaccount:kube-system2:deployment-controller",
            "developers",
        ),
        (
            "system:serviceaccount:understudy-system:understudy-controller2",
            "developers",
        ),
        ("system:node:node-0", "developers"),
    ] {
        assert_refused(ask(user, group, None).await, OBJECTS, &["protected-endpoint"]);
    }
    ask("developer", "system:masters", None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_account_names_the_owner_and_what_it_writes_lives_in_git() {
    let bed = stage().await.bed();
    let place = unique("gitops");
    make(User::Admin, json!({ "metadata": { "name": place } }))
        .await
        .unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client(User::Admin).await, &place);
    for name in ["applier", "other"] {
        let account = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        accounts.create(&PostParams::default(), &account).await.unwrap();
    }
    let group = format!("system:serviceaccounts:{place}");
    let binding = json!({ "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding", "metadata": { "name": place },
        "roleRef": { "apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "apiGroup": RBAC, "kind": "Group", "name": group }] });
    understudy_tests::shop::apply::<k8s_openapi::api::rbac::v1::ClusterRoleBinding>(
        bed, None, &place, &binding,
    )
    .await
    .unwrap();
    let policy = own_policy("trusted", |spec| {
        let [applier, other] = ["applier", "other"].map(|name| format!("{place}/{name}"));
        spec["creators"] = json!({ "serviceAccounts": [applier, other] });
        spec["trusted"] = json!({ "serviceAccounts": [applier] });
    })
    .await;
    let applier = bed.service_account_client(&place, "applier").await.unwrap();
    let other = bed.service_account_client(&place, "other").await.unwrap();
    let name = unique("trusted");
    let mut manifest = preview(&name, json!({ keys::OWNER: "developer2" }));
    manifest["metadata"]["labels"][keys::POLICY] = json!(policy);
    let manifest: Namespace = serde_json::from_value(manifest).unwrap();
    let born = async |client: &kube::Client| {
        let api: Api<Namespace> = Api::all(client.clone());
        api.create(&PostParams::default(), &manifest).await
    };
    let refused = eventually(SOON, "admission knows the policy", || async {
        match born(&other).await {
            Err(error) if error.to_string().contains("policy-missing") => anyhow::bail!("{error}"),
            answer => Ok(answer),
        }
    })
    .await
    .unwrap();
    assert_refused(refused, "namespaces.understudy.dev", &["owner-forged"]);
    let annotations = born(&applier).await.unwrap().metadata.annotations.unwrap();
    assert_eq!(annotations[keys::OWNER], "developer2");
    assert_eq!(
        annotations[keys::CREATOR],
        format!("system:serviceaccount:{place}:applier")
    );
    sealed(&name).await;

    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" },
        "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }] } });
    let services: Api<k8s_openapi::api::core::v1::Service> = Api::namespaced(applier, &name);
    let refused = services
        .create(
            &PostParams::default(),
            &serde_json::from_value(service.clone()).unwrap(),
        )
        .await;
    let message = assert_refused(refused, OBJECTS, &["gitops-managed"]);
    assert!(
        message.contains(&format!("{place}/applier applies this from Git")),
        "{message}"
    );
    // Its owner has access, and is no GitOps controller.
    let made = create(User::Developer2, &name, "services", service)
        .await
        .unwrap();
    assert_eq!(made["spec"]["type"], "ClusterIP");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_says_later_of_a_pod_that_it_is_exempt() {
    let namespace = ready_preview("excused").await;
    everything(&namespace, "developers").await;
    let made = create(User::Developer, &namespace, "pods", pod("web", json!([])));
    made.await.unwrap();
    let pods = objects(User::Developer, &namespace, "v1", "Pod", "pods").await;
    let annotate = async |key: &str| {
        let patch = json!({ "metadata": { "annotations": { key: "admin" } } });
        pods.patch("web", &PatchParams::default(), &Patch::Merge(patch))
            .await
    };
    assert_refused(annotate(keys::EXEMPTED_BY).await, OBJECTS, &["field-reserved"]);
    annotate("example.com/seen-by").await.unwrap();
}
