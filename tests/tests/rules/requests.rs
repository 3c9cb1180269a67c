//! Requests that are not plain creations: sub-resources, dry runs, server-side apply, generated names, dying objects.

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::previews::{assert_refused, create, objects, pod, ready_preview};
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
async fn the_same_manifest_applied_twice_changes_nothing_the_second_time() {
    // C01, C05
    let namespace = ready_preview("twice").await;
    let pods = objects(User::Developer, &namespace, "v1", "Pod", "pods").await;
    let manifest = pod(
        "web",
        json!([{ "name": "DATABASE_URL", "value": "postgres://u:p@db.shop/shop" }]),
    );
    let params = PatchParams::apply("kubectl").force();
    let first = pods
        .patch("web", &params, &Patch::Apply(&manifest))
        .await
        .unwrap();
    // A Pod's environment is immutable, so an apply that fought the rewrite would be refused by the API server.
    let second = pods
        .patch(
            "web",
            &PatchParams::apply("other"),
            &Patch::Apply(&json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "labels": { "seen": "true" } } })),
        )
        .await
        .unwrap();
    assert_eq!(
        first.data["spec"]["containers"],
        second.data["spec"]["containers"]
    );
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" }, "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }] } });
    let services = objects(User::Developer, &namespace, "v1", "Service", "services").await;
    let one = services
        .patch("web", &params, &Patch::Apply(&service))
        .await
        .unwrap();
    let two = services
        .patch("web", &params, &Patch::Apply(&service))
        .await
        .unwrap();
    assert_eq!(
        one.metadata.resource_version, two.metadata.resource_version,
        "the second apply is no change"
    );
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
async fn a_generated_name_is_no_obstacle() {
    // A11
    let namespace = ready_preview("generated").await;
    let mut manifest = pod("", json!([{ "name": "A", "value": "http://api/" }]));
    manifest["metadata"] = json!({ "generateName": "web-" });
    let made = create(User::Developer, &namespace, "pods", manifest)
        .await
        .unwrap();
    assert!(made["metadata"]["name"].as_str().unwrap().starts_with("web-"));
    assert!(made["metadata"]["annotations"][keys::REVIEWED].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_being_deleted_is_neither_changed_nor_held_up() {
    // C13
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
    assert!(
        changed.metadata.annotations.is_some(),
        "it is on its way out, whatever it says"
    );
    let freed = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    accounts
        .patch("web", &PatchParams::default(), &freed)
        .await
        .unwrap();
    assert!(accounts.get_opt("web").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn status_scale_binding_and_eviction_are_not_ours_to_hold_up() {
    // C06, C07
    let namespace = ready_preview("sub").await;
    understudy_tests::previews::grant_everything(&namespace).await;
    create(User::Developer, &namespace, "pods", pod("web", json!([])))
        .await
        .unwrap();
    let pods = objects(User::Developer, &namespace, "v1", "Pod", "pods").await;
    let status = Patch::Merge(json!({ "status": { "message": "written by a node" } }));
    pods.patch_subresource("status", "web", &PatchParams::default(), &status)
        .await
        .unwrap();
    let label = Patch::Merge(json!({ "metadata": { "labels": { "a": "b" } } }));
    pods.patch("web", &PatchParams::default(), &label).await.unwrap();
    let template = json!({ "metadata": { "labels": { "app": "x" } }, "spec": { "containers": [{ "name": "x", "image": "registry.example.com/x:1" }] } });
    let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "x" },
        "spec": { "replicas": 0, "selector": { "matchLabels": { "app": "x" } }, "template": template } });
    create(User::Developer, &namespace, "deployments", deployment)
        .await
        .unwrap();
    let deployments = objects(
        User::Developer,
        &namespace,
        "apps/v1",
        "Deployment",
        "deployments",
    )
    .await;
    let scale = Patch::Merge(json!({ "spec": { "replicas": 1 } }));
    deployments
        .patch_subresource("scale", "x", &PatchParams::default(), &scale)
        .await
        .unwrap();
    let limits = Patch::Strategic(
        json!({ "spec": { "containers": [{ "name": "main", "resources": { "limits": { "cpu": "600m" } } }] } }),
    );
    let resized = pods
        .patch_subresource("resize", "web", &PatchParams::default(), &limits)
        .await;
    assert!(
        resized.as_ref().is_ok() || !resized.unwrap_err().to_string().contains("understudy"),
        "not ours to hold up"
    );
    let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "web", "namespace": namespace } });
    pods.create_subresource::<Value, Value>("eviction", "web", &PostParams::default(), &eviction)
        .await
        .unwrap();
}
