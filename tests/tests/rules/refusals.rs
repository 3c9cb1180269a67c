//! Every row that refuses, with the attack it stops. Each manifest is also made outside previews, where nothing refuses it.

use serde_json::{Value, json};
use understudy_tests::previews::{
    assert_refused, create, grant_everything, make, pod, ready_preview, unique, vendors_kind,
};
use understudy_tests::testbed::User;

const OBJECTS: &str = "objects.understudy.dev";

/// Resource, manifest, the reason it is refused with.
fn rows() -> Vec<(&'static str, Value, &'static str)> {
    let container = json!([{ "name": "main", "image": "registry.example.com/x:1" }]);
    let with = |edit: fn(&mut Value)| {
        let mut pod = pod("x", json!([]));
        edit(&mut pod);
        pod
    };
    let object = |api_version: &str, kind: &str, body: Value| {
        let mut object = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "x" } });
        object
            .as_object_mut()
            .unwrap()
            .extend(body.as_object().unwrap().clone());
        object
    };
    let rbac = "rbac.authorization.k8s.io/v1";
    let own = json!([{ "kind": "ServiceAccount", "name": "default", "namespace": "default" }]);
    let cluster_admin =
        json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" });
    let everybody =
        json!([{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated" }]);
    let view = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" });
    vec![
        (
            "pods",
            pod("x", json!([{ "name": "A", "value": "redis://cache.shop:6379" }])),
            "protected-endpoint",
        ),
        (
            "pods",
            with(|pod| pod["spec"]["containers"][0]["args"] = json!(["--api=http://api.shop"])),
            "protected-endpoint",
        ),
        (
            "pods",
            with(|pod| pod["spec"]["dnsConfig"] = json!({ "searches": ["shop.svc.cluster.local"] })),
            "protected-endpoint",
        ),
        (
            "pods",
            with(|pod| pod["spec"]["dnsConfig"] = json!({ "nameservers": ["10.1.2.3"] })),
            "protected-endpoint",
        ),
        (
            "services",
            object(
                "v1",
                "Service",
                json!({ "spec": { "type": "ExternalName", "externalName": "db.shop.svc.cluster.local" } }),
            ),
            "protected-endpoint",
        ),
        (
            "endpoints",
            object(
                "v1",
                "Endpoints",
                json!({ "subsets": [{ "addresses": [{ "ip": "10.1.2.3" }] }] }),
            ),
            "protected-endpoint",
        ),
        (
            "endpointslices",
            object(
                "discovery.k8s.io/v1",
                "EndpointSlice",
                json!({ "addressType": "IPv4", "endpoints": [{ "addresses": ["10.1.2.3"] }] }),
            ),
            "protected-endpoint",
        ),
        (
            "pods",
            with(|pod| {
                pod["metadata"]["annotations"] = json!({ "vault.hashicorp.com/agent-inject": "true" })
            }),
            "unreadable-environment",
        ),
        (
            "pods",
            with(|pod| {
                pod["spec"]["volumes"] =
                    json!([{ "name": "s", "csi": { "driver": "secrets-store.csi.k8s.io" } }])
            }),
            "unreadable-environment",
        ),
        (
            "pods",
            with(
                |pod| pod["spec"]["volumes"] = json!([{ "name": "t", "projected": { "sources": [{ "serviceAccountToken": { "audience": "sts.amazonaws.com", "path": "t" } }, { "serviceAccountToken": { "path": "own" } }] } }]),
            ),
            "identity-dropped",
        ),
        (
            "daemonsets",
            object(
                "apps/v1",
                "DaemonSet",
                json!({ "spec": { "selector": { "matchLabels": { "a": "b" } }, "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": container } } } }),
            ),
            "daemonset-refused",
        ),
        (
            "kustomizations",
            object(
                "kustomize.toolkit.fluxcd.io/v1",
                "Kustomization",
                json!({ "spec": {} }),
            ),
            "kind-not-allowed",
        ),
        (
            "claims",
            object("database.example.org/v1", "Claim", json!({ "spec": {} })),
            "kind-not-allowed",
        ),
        (
            "ciliumnetworkpolicies",
            object("cilium.io/v2", "CiliumNetworkPolicy", json!({ "spec": {} })),
            "kind-not-allowed",
        ),
        (
            "networkpolicies",
            object(
                "networking.k8s.io/v1",
                "NetworkPolicy",
                json!({ "spec": { "podSelector": {}, "egress": [{ "to": [{ "ipBlock": { "cidr": "10.0.0.0/8" } }] }] } }),
            ),
            "network-widened",
        ),
        (
            "rolebindings",
            object(
                rbac,
                "RoleBinding",
                json!({ "roleRef": cluster_admin, "subjects": own }),
            ),
            "role-escalated",
        ),
        (
            "rolebindings",
            object(
                rbac,
                "RoleBinding",
                json!({ "roleRef": view, "subjects": everybody }),
            ),
            "role-escalated",
        ),
        (
            "roles",
            object(
                rbac,
                "Role",
                json!({ "rules": [{ "apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"] }] }),
            ),
            "role-escalated",
        ),
        (
            "ingresses",
            object(
                "networking.k8s.io/v1",
                "Ingress",
                json!({ "spec": { "defaultBackend": { "service": { "name": "web", "port": { "number": 80 } } } } }),
            ),
            "host-stolen",
        ),
        (
            "secrets",
            object(
                "v1",
                "Secret",
                json!({ "metadata": { "name": "understudy-db-other" } }),
            ),
            "guardrail-tampered",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_refuses_in_a_preview_and_nowhere_else() {
    // C26
    for (group, version, kind, plural) in [
        (
            "kustomize.toolkit.fluxcd.io",
            "v1",
            "Kustomization",
            "kustomizations",
        ),
        ("database.example.org", "v1", "Claim", "claims"),
        ("cilium.io", "v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies"),
    ] {
        vendors_kind(group, version, kind, plural).await;
    }
    let (preview, plain) = (ready_preview("rows").await, unique("plain"));
    make(User::Admin, json!({ "metadata": { "name": plain } }))
        .await
        .unwrap();
    grant_everything(&preview).await;
    grant_everything(&plain).await;
    for (plural, mut manifest, reason) in rows() {
        manifest["metadata"]["name"] = json!(if reason == "guardrail-tampered" {
            "understudy-db-other".to_owned()
        } else {
            unique("x")
        });
        assert_refused(
            create(User::Developer, &preview, plural, manifest.clone()).await,
            OBJECTS,
            &[reason],
        );
        if let Err(error) = create(User::Developer, &plain, plural, manifest.clone()).await {
            let message = error.to_string();
            // A bare Pod needs its ServiceAccount, which a namespace gets a moment after its birth.
            assert!(
                !message.contains("understudy"),
                "refused outside previews: {message}"
            );
        }
    }
}
