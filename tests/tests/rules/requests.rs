//! Requests that are not plain creations: sub-resources, dry runs, generated names, fixed fields, dying objects.

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::previews::{
    assert_refused, create, make, objects, pod, preview, ready_preview, sealed,
};
use understudy_tests::testbed::User;

const OBJECTS: &str = "objects.understudy.dev";

#[tokio::test(flavor = "multi_thread")]
async fn a_debugging_container_is_reviewed_like_any_other() {
    // C08, C07
    let namespace = ready_preview("debug").await;
    create(User::Developer, &namespace, "pods", pod("web", json!([])))
        .await
        .unwrap();
    let pods = objects(User::Developer, &namespace, "v1", "Pod", "pods").await;
    let debugger = |env: Value| {
        Patch::Strategic(json!({ "spec": { "ephemeralContainers": [
            { "name": "debugger", "image": "registry.example.com/busybox:1", "targetContainerName": "main", "env": env }] } }))
    };
    let golden = debugger(json!([{ "name": "A", "value": "http://api.shop/" }]));
    let refused = pods
        .patch_subresource("ephemeralcontainers", "web", &PatchParams::default(), &golden)
        .await;
    assert_refused(refused, OBJECTS, &["protected-endpoint"]);
    let harmless = debugger(json!([{ "name": "A", "value": "http://api/" }]));
    pods.patch_subresource("ephemeralcontainers", "web", &PatchParams::default(), &harmless)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debugging_container_with_a_golden_connection_gets_the_branch() {
    let namespace = ready_preview("debug").await;
    create(User::Developer, &namespace, "pods", pod("web", json!([])))
        .await
        .unwrap();
    let pods = objects(User::Developer, &namespace, "v1", "Pod", "pods").await;
    let patch = Patch::Strategic(
        json!({ "spec": { "ephemeralContainers": [{ "name": "psql", "image": "registry.example.com/psql:1",
        "env": [{ "name": "DATABASE_URL", "value": "postgres://u:p@db.shop/shop" }] }] } }),
    );
    let made = pods
        .patch_subresource("ephemeralcontainers", "web", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let env = &made.data["spec"]["ephemeralContainers"][0]["env"][0];
    assert_eq!(
        env["valueFrom"]["secretKeyRef"]["name"], "understudy-db-app",
        "{env}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_answers_the_same_and_leaves_nothing() {
    // C04
    let namespace = ready_preview("dry").await;
    let pods = objects(User::Developer, &namespace, "v1", "Pod", "pods").await;
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let good = pod(
        "web",
        json!([{ "name": "DATABASE_URL", "value": "postgres://u:p@db.shop/shop" }]),
    );
    let answered = pods
        .create(&dry, &serde_json::from_value(good.clone()).unwrap())
        .await
        .unwrap();
    let made = create(User::Developer, &namespace, "pods", good).await.unwrap();
    assert_eq!(
        answered.data["spec"]["containers"][0]["env"],
        made["spec"]["containers"][0]["env"]
    );
    let bad = pod("bad", json!([{ "name": "A", "value": "http://api.shop/" }]));
    assert_refused(
        pods.create(&dry, &serde_json::from_value(bad).unwrap()).await,
        OBJECTS,
        &["protected-endpoint"],
    );
    assert!(pods.get_opt("bad").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_get_a_clear_answer_in_time() {
    // C20
    let namespace = ready_preview("large").await;
    let map = |size: usize| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("m{size}") }, "data": { "a": "x".repeat(size) } });
    create(User::Developer, &namespace, "configmaps", map(1_000_000))
        .await
        .unwrap();
    let refused = create(User::Developer, &namespace, "configmaps", map(1_400_000))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("must have at most 1048576 bytes") || refused.contains("Too long"),
        "{refused}"
    );
    let env: Vec<Value> = (0..3000)
        .map(|n| json!({ "name": format!("V{n}"), "value": format!("http://service-{n}:80/") }))
        .collect();
    let mut manifest = pod("web", json!(env));
    manifest["spec"]["volumes"] = json!([{ "name": "v", "configMap": { "name": "m1000000" } }]);
    let made = create(User::Developer, &namespace, "pods", manifest)
        .await
        .unwrap();
    assert_eq!(
        made["spec"]["containers"][0]["env"].as_array().map(Vec::len),
        Some(3000)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_being_deleted_is_not_held_up_and_becomes_no_other_one() {
    // C13: as long as somebody's finalizer keeps it, it is in force.
    let namespace = ready_preview("dying").await;
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": "web", "finalizers": ["example.org/wait"] } });
    create(User::Developer, &namespace, "serviceaccounts", account)
        .await
        .unwrap();
    let accounts = objects(
        User::Developer,
        &namespace,
        "v1",
        "ServiceAccount",
        "serviceaccounts",
    )
    .await;
    accounts.delete("web", &DeleteParams::default()).await.unwrap();
    let identity = json!({ "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x" });
    let changed = Patch::Merge(json!({ "metadata": { "annotations": identity } }));
    let changed = accounts
        .patch("web", &PatchParams::default(), &changed)
        .await
        .unwrap();
    assert_eq!(changed.metadata.annotations, None);
    let freed = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    accounts
        .patch("web", &PatchParams::default(), &freed)
        .await
        .unwrap();
    assert!(accounts.get_opt("web").await.unwrap().is_none());

    let isolated = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": { "name": "x", "finalizers": ["example.org/wait"] },
        "spec": { "podSelector": {}, "policyTypes": ["Egress"] } });
    // By somebody exempt, since nobody else's finalizer may keep it.
    create(User::Admin, &namespace, "networkpolicies", isolated)
        .await
        .unwrap();
    let (api, kind) = ("networking.k8s.io/v1", "NetworkPolicy");
    let policies = objects(User::Developer, &namespace, api, kind, "networkpolicies").await;
    policies.delete("x", &DeleteParams::default()).await.unwrap();
    let opened = Patch::Merge(json!({ "spec": { "egress": [{}] } }));
    let opened = policies.patch("x", &PatchParams::default(), &opened).await;
    assert_refused(opened, "objects.understudy.dev", &["network-widened"]);
    let freed = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    policies
        .patch("x", &PatchParams::default(), &freed)
        .await
        .unwrap();
    // Born on its way out, as server-side apply lets it.
    let born = Patch::Apply(json!({ "apiVersion": api, "kind": kind,
        "metadata": { "name": "y", "deletionTimestamp": "2026-01-01T00:00:00Z" },
        "spec": { "podSelector": {}, "policyTypes": ["Egress"], "egress": [{}] } }));
    let born = policies.patch("y", &PatchParams::apply("somebody"), &born).await;
    assert_refused(born, "objects.understudy.dev", &["network-widened"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_name_is_no_obstacle() {
    // A11
    let namespace = ready_preview("generated").await;
    let mut manifest = pod("", json!([{ "name": "A", "value": "http://api/" }]));
    manifest["metadata"] = json!({ "generateName": "web-", "namespace": "" });
    let made = create(User::Developer, &namespace, "pods", manifest)
        .await
        .unwrap();
    assert!(made["metadata"]["name"].as_str().unwrap().starts_with("web-"));
    assert!(made["metadata"]["annotations"][keys::REVIEWED].is_string());
    // A namespace too: mutation sees it without its name, validation with it.
    let born = |prefix: &str| {
        let mut manifest = preview("", json!({}));
        manifest["metadata"]["name"] = Value::Null;
        manifest["metadata"]["generateName"] = json!(prefix);
        make(User::Developer, manifest)
    };
    let born_well = born("generated-").await.unwrap().metadata;
    assert!(born_well.annotations.unwrap().contains_key(keys::EXPIRES_AT));
    let name = born_well.name.unwrap();
    sealed(&name).await;
    create(User::Developer, &name, "pods", pod("web", json!([])))
        .await
        .unwrap();
    assert_refused(
        born("generated--").await,
        "namespaces.understudy.dev",
        &["name-invalid"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_change_of_a_pod_changes_and_the_rest_is_kubernetes_own_refusal() {
    // C06
    let namespace = ready_preview("fixed").await;
    let env = json!([{ "name": "DATABASE_URL", "value": "postgres://u:p@db.shop/shop" }]);
    let made = create(User::Developer, &namespace, "pods", pod("web", env.clone()))
        .await
        .unwrap();
    let pods = objects(User::Developer, &namespace, "v1", "Pod", "pods").await;
    let params = PatchParams::default();
    for change in [
        json!({ "metadata": { "labels": { "a": "b" }, "annotations": { "note": "x" } } }),
        json!({ "spec": { "containers": [{ "name": "main", "image": "registry.example.com/shop/web:2" }] } }),
        json!({ "spec": { "activeDeadlineSeconds": 100_000 } }),
    ] {
        let changed = pods
            .patch("web", &params, &Patch::Strategic(change))
            .await
            .unwrap();
        let containers = &changed.data["spec"]["containers"];
        assert_eq!(containers[0]["env"], made["spec"]["containers"][0]["env"]);
    }
    for change in [
        json!({ "spec": { "containers": [{ "name": "main", "env": env }] } }),
        json!({ "spec": { "nodeSelector": { "a": "b" } } }),
        json!({ "spec": { "serviceAccountName": "other" } }),
    ] {
        let refused = pods
            .patch("web", &params, &Patch::Strategic(change))
            .await
            .unwrap_err();
        let message = refused.to_string();
        assert!(
            message.contains("pod updates may not change fields other than")
                && !message.contains("understudy"),
            "{message}"
        );
    }
}
