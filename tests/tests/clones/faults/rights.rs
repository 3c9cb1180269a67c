//! D01, D03: what somebody may not read, and what nobody may have.

use k8s_openapi::api::rbac::v1::ClusterRole;
use serde_json::json;
use understudy_tests::previews::{create, objects, unique, vendors_kind};
use understudy_tests::shop::{apply, stage};
use understudy_tests::testbed::User;

use super::{config, golden, namespace, plain_policy, service, some_golden, unseen_golden, web, workload};
use crate::run::developer;

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_holds_what_its_maker_may_read_and_names_the_rest() {
    // D01
    let (name, policy) = (some_golden(), plain_policy().await);
    unseen_golden(&name, web("web")).await;
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "some" },
        "rules": [{ "apiGroups": ["", "apps"], "resources": ["deployments", "configmaps"], "verbs": ["list"] }] });
    create(User::Admin, &name, "roles", role).await.unwrap();
    let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "some" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "some" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "developer" }] });
    create(User::Admin, &name, "rolebindings", binding).await.unwrap();

    let ran = developer(&["clone", &name, "--pr", "7", "--policy", &policy, "--wait"])
        .await
        .done();
    let unread = ran
        .stderr
        .lines()
        .find(|line| line.contains("you may not list them"))
        .unwrap_or_default();
    for kind in ["Ingress", "Service", "Secret"] {
        assert!(unread.contains(kind), "{kind} is not named: {}", ran.stderr);
    }
    assert!(
        !unread.contains("ConfigMap") && !unread.contains("Event"),
        "{unread}"
    );
    let clone = format!("{name}-pr-7");
    let deployments = objects(User::Admin, &clone, "apps/v1", "Deployment", "deployments").await;
    assert!(deployments.get_opt("web").await.unwrap().is_some());
    // The controller, which may read more, lends nobody its rights.
    let ingresses = objects(
        User::Admin,
        &clone,
        "networking.k8s.io/v1",
        "Ingress",
        "ingresses",
    )
    .await;
    assert!(ingresses.get_opt("web").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_golden_that_its_maker_may_not_read_at_all_is_not_cloned() {
    // D01
    let (name, policy) = (some_golden(), plain_policy().await);
    unseen_golden(&name, web("web")).await;
    let ran = developer(&["clone", &name, "--pr", "7", "--policy", &policy]).await;
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.stderr.contains("kubectl auth can-i --list"), "{}", ran.stderr);
    assert!(namespace(&format!("{name}-pr-7")).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_preview_may_have_is_named_all_at_once_and_nothing_is_written() {
    // D03
    vendors_kind("widgets.example.com", "v1", "Widget", "widgets").await;
    let (name, policy) = (some_golden(), plain_policy().await);
    let mut root = workload("root");
    root["spec"]["template"]["spec"]["hostNetwork"] = json!(true);
    root["spec"]["template"]["spec"]["volumes"] = json!([{ "name": "disk", "hostPath": { "path": "/" } }]);
    root["spec"]["template"]["spec"]["containers"][0]["securityContext"] = json!({ "privileged": true });
    let mut agent = workload("agent");
    agent["kind"] = json!("DaemonSet");
    let token = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "token",
        "annotations": { "kubernetes.io/service-account.name": "default" } }, "type": "kubernetes.io/service-account-token" });
    let mut objects = web("web");
    objects.extend([
        ("deployments", root),
        ("daemonsets", agent),
        ("secrets", token),
        (
            "widgets",
            json!({ "apiVersion": "widgets.example.com/v1", "kind": "Widget", "metadata": { "name": "w" } }),
        ),
        ("configmaps", config("other", json!({}))),
        ("services", service("root")),
    ]);
    golden(&name, objects).await;
    let read = unique("read");
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": read },
        "rules": [{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["list"] }] });
    apply::<ClusterRole>(stage().await.bed(), None, &read, &role)
        .await
        .unwrap();
    let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": read },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": read },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "developer" }] });
    create(User::Admin, &name, "rolebindings", binding).await.unwrap();

    let clone = async |more: &[&str]| {
        let mut arguments = vec!["clone", &name, "--pr", "7", "--policy", &policy];
        arguments.extend(more);
        developer(&arguments).await
    };
    let ran = clone(&[]).await;
    assert_eq!(ran.code, 5, "{ran:?}");
    for (object, why) in [
        ("DaemonSet/agent", "on every node"),
        (
            "Deployment/root",
            "hostNetwork, hostPath in volume disk, privileged in container root",
        ),
        ("Widget/w", "add widgets.example.com/Widget to spec.kinds"),
    ] {
        let line = ran
            .stderr
            .lines()
            .find(|line| line.contains(object))
            .unwrap_or_default();
        assert!(
            line.contains(why) && line.contains("--exclude"),
            "{object}: {}",
            ran.stderr
        );
    }
    assert!(
        namespace(&format!("{name}-pr-7")).await.is_none(),
        "something was written"
    );
    // What belongs to the cluster or to one ServiceAccount is left out by itself, and the rest by its name.
    let out = ["DaemonSet/agent", "Deployment/root", "Widget"].map(|pattern| format!("--exclude={pattern}"));
    let mut out: Vec<&str> = out.iter().map(String::as_str).collect();
    out.push("--wait");
    clone(&out).await.done();
}
