//! Every row that refuses, with the attack it stops. Each manifest is also made outside previews, where nothing refuses it.

use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::previews::{
    SOON, assert_refused, create, grant_everything, make, own_policy, pod, preview, preview_under,
    ready_preview, settled, unique, vendors_kind,
};
use understudy_tests::testbed::{User, eventually};

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
        let by = if reason == "guardrail-tampered" {
            "understudy-guardrails"
        } else {
            OBJECTS
        };
        assert_refused(
            create(User::Developer, &preview, plural, manifest.clone()).await,
            by,
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

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_of_the_golden_is_found_through_the_service_that_hides_it() {
    let (preview, elsewhere) = (ready_preview("alias").await, unique("elsewhere"));
    make(User::Admin, json!({ "metadata": { "name": elsewhere } }))
        .await
        .unwrap();
    let alias = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "far" },
        "spec": { "type": "ExternalName", "externalName": "db.shop.svc.cluster.local" } });
    create(User::Admin, &elsewhere, "services", alias).await.unwrap();
    let env = json!([{ "name": "A", "value": format!("postgres://u:p@far.{elsewhere}.svc:5432/shop") }]);
    let refused = understudy_tests::testbed::eventually(
        understudy_tests::previews::SOON,
        "admission knows the alias",
        || async {
            match create(User::Developer, &preview, "pods", pod(&unique("x"), env.clone())).await {
                Err(error) => Ok(error.to_string()),
                Ok(_) => anyhow::bail!("let in"),
            }
        },
    )
    .await
    .unwrap();
    assert!(
        refused.contains("an alias of db.shop.svc.cluster.local"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_a_golden_service_is_as_good_as_its_name() {
    let preview = ready_preview("address").await;
    let service = understudy_tests::previews::objects(User::Admin, "shop", "v1", "Service", "services").await;
    let found = service.list(&Default::default()).await.unwrap().items;
    let address = found
        .iter()
        .find_map(|service| {
            service.data["spec"]["clusterIP"]
                .as_str()
                .filter(|ip| *ip != "None")
        })
        .expect("the golden has a Service with an address");
    let env = json!([{ "name": "A", "value": format!("http://{address}:80/") }]);
    let refused = create(User::Developer, &preview, "pods", pod("x", env)).await;
    let message = assert_refused(refused, OBJECTS, &["protected-endpoint"]);
    assert!(message.contains("the address of Service"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_file_is_read_before_the_pod_is() {
    let preview = ready_preview("file").await;
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "app" },
        "data": { "app.yaml": "database:\n  url: postgres://u:hunter2hunter2@db.shop:5432/ledger\n" } });
    create(User::Developer, &preview, "configmaps", map)
        .await
        .unwrap();
    let mut reader = pod("x", json!([]));
    reader["spec"]["volumes"] = json!([{ "name": "v", "configMap": { "name": "app" } }]);
    let message = assert_refused(
        create(User::Developer, &preview, "pods", reader).await,
        OBJECTS,
        &["protected-endpoint"],
    );
    assert!(
        message.contains("file app.yaml of ConfigMap app: host db.shop"),
        "{message}"
    );
    assert!(!message.contains("hunter2"), "{message}");
}

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
async fn a_laxer_policy_opens_nothing_that_another_protects() {
    // C25
    let host = format!("{}.prod.example.com", unique("db"));
    own_policy("strict", |spec| spec["protected"] = json!({ "hosts": [host] })).await;
    let lax = own_policy("lax", |spec| spec["databases"] = json!([])).await;
    let namespace = preview_under(&lax, "lax").await;
    settled(&namespace, |metadata| {
        anyhow::ensure!(
            metadata
                .annotations
                .unwrap_or_default()
                .contains_key(keys::GUARDRAILS),
            "not sealed"
        );
        Ok(())
    })
    .await;
    for value in [
        format!("postgres://u:p@{host}/x"),
        "postgres://u:p@db.shop/shop".to_owned(),
    ] {
        let env = json!([{ "name": "A", "value": value }]);
        let refused = create(User::Developer, &namespace, "pods", pod(&unique("x"), env)).await;
        assert_refused(refused, OBJECTS, &["protected-endpoint"]);
    }
    let mut none = preview(&unique("none"), json!({ keys::DATABASES: "none" }));
    none["metadata"]["labels"][keys::POLICY] = json!("default");
    make(User::Developer, none.clone()).await.unwrap();
    let name = none["metadata"]["name"].as_str().unwrap();
    settled(name, |metadata| {
        anyhow::ensure!(
            metadata
                .annotations
                .unwrap_or_default()
                .contains_key(keys::GUARDRAILS),
            "not sealed"
        );
        Ok(())
    })
    .await;
    let env = json!([{ "name": "A", "value": "postgres://u:p@db.shop/shop" }]);
    assert_refused(
        create(User::Developer, name, "pods", pod("x", env)).await,
        OBJECTS,
        &["protected-endpoint"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_brings_values_from_elsewhere_is_refused_unless_the_policy_says_where_from() {
    // C26, C27
    vendors_kind("external-secrets.io", "v1", "ExternalSecret", "externalsecrets").await;
    let policy = own_policy("stores", |spec| {
        spec["databases"] = json!([]);
        spec["kinds"] = json!(["external-secrets.io/ExternalSecret"]);
        spec["secrets"] = json!({ "stores": ["preview-vault"], "keyPrefixes": ["preview/"] });
    })
    .await;
    let namespace = preview_under(&policy, "stores").await;
    settled(&namespace, |metadata| {
        anyhow::ensure!(
            metadata
                .annotations
                .unwrap_or_default()
                .contains_key(keys::GUARDRAILS),
            "not sealed"
        );
        Ok(())
    })
    .await;
    grant_everything(&namespace).await;
    let external = |store: &str, key: &str, target: &str| {
        json!({ "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": { "name": unique("x") }, "spec": {
            "secretStoreRef": { "name": store, "kind": "ClusterSecretStore" }, "target": { "name": target },
            "data": [{ "secretKey": "k", "remoteRef": { "key": key } }] } })
    };
    create(
        User::Developer,
        &namespace,
        "externalsecrets",
        external("preview-vault", "preview/shop", "app"),
    )
    .await
    .unwrap();
    for bad in [
        external("production-vault", "preview/shop", "app"),
        external("preview-vault", "production/shop", "app"),
        external("preview-vault", "preview/shop", "understudy-db-app"),
    ] {
        let refused = create(User::Developer, &namespace, "externalsecrets", bad).await;
        assert_refused(refused, OBJECTS, &["secret-store-forbidden"]);
    }
    let file = json!([{ "name": "A", "valueFrom": { "fileKeyRef": { "volumeName": "v", "path": "env", "key": "A" } } }]);
    let mut from_a_file = pod("x", file);
    from_a_file["spec"]["volumes"] = json!([{ "name": "v", "emptyDir": {} }]);
    let refused = create(User::Developer, &namespace, "pods", from_a_file).await;
    assert_refused(refused, OBJECTS, &["unreadable-environment"]);
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
    let accounts = understudy_tests::previews::objects(
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
