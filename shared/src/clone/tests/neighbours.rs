//! The kinds and marks of other vendors, on manifests as their own documentation writes them.

use super::*;

/// A golden with nothing but `objects`.
fn golden(objects: impl IntoIterator<Item = Value>) -> Snapshot {
    Snapshot {
        objects: objects.into_iter().map(object).collect(),
        ..shop()
    }
}

fn api() -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "api" }, "spec": {
        "replicas": 3, "selector": { "matchLabels": { "app": "api" } },
        "template": { "metadata": { "labels": { "app": "api" } }, "spec": { "containers": [{ "name": "api", "image": "api:1",
            "env": [{ "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "api-keys", "key": "payment" } } }] }] } } } })
}

fn service() -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "api" }, "spec": { "selector": { "app": "api" }, "ports": [{ "port": 80 }] } })
}

fn no_images() -> CloneSpec {
    CloneSpec {
        images: Vec::new(),
        ..spec()
    }
}

fn clone_of(objects: impl IntoIterator<Item = Value>, changes: Value) -> Plan {
    planned(&golden(objects), &no_images(), &policy(changes)).unwrap()
}

fn external_secret(spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": { "name": "api-keys" },
        "spec": {
            "refreshInterval": "1h", "secretStoreRef": { "name": "vault", "kind": "SecretStore" },
            "target": { "name": "api-keys", "creationPolicy": "Owner" },
            "data": [{ "secretKey": "payment", "remoteRef": { "key": "shop/api", "property": "payment" } }],
        }
    });
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    object
}

const STORES: [&str; 1] = ["external-secrets.io/ExternalSecret"];

#[test]
fn an_external_secret_asks_the_policys_store_for_keys_made_for_previews() {
    let made_by = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "api-keys", "labels": { "reconcile.external-secrets.io/created-by": "x" },
            "ownerReferences": [{ "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "api-keys", "uid": "1", "controller": true }] },
        "data": { "payment": "c2tfbGl2ZV8wMTIzNDU2Nzg5" }
    });
    let store = json!({ "apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": { "name": "vault" } });
    let plan = clone_of(
        [api(), external_secret(json!({})), made_by, store],
        json!({ "kinds": STORES, "secrets": { "stores": ["preview-vault"], "keyPrefixes": ["preview/"], "keyMap": { "shop/": "preview/shop/" } } }),
    );
    assert_eq!(plan.refusals().count(), 0, "{:?}", plan.refusals().next());
    let spec = &made(&plan, "ExternalSecret", "api-keys").data["spec"];
    assert_eq!(
        spec["secretStoreRef"],
        json!({ "name": "preview-vault", "kind": "ClusterSecretStore" })
    );
    assert_eq!(
        spec["data"][0]["remoteRef"],
        json!({ "key": "preview/shop/api", "property": "payment" })
    );
    let secret = item(&plan, "Secret", "api-keys");
    assert_eq!((secret.verdict, secret.made.is_none()), (Verdict::ReCreate, true));
    assert_eq!(item(&plan, "SecretStore", "vault").verdict, Verdict::Skip);
}

#[test]
fn an_external_secret_whose_key_nobody_maps_is_refused_with_the_ways_out() {
    let stores = |stores: Value| json!({ "kinds": STORES, "secrets": { "stores": stores, "keyPrefixes": ["preview/"] } });
    for (policy, why) in [
        (stores(json!(["preview-vault"])), "key shop/api is the golden's"),
        (
            stores(json!([])),
            "it asks the store vault; the policy lists none",
        ),
        (
            stores(json!(["a", "b"])),
            "it asks the store vault; the policy lists a, b",
        ),
    ] {
        let plan = clone_of([api(), external_secret(json!({}))], policy);
        let refused = item(&plan, "ExternalSecret", "api-keys");
        assert_eq!(refused.verdict, Verdict::Refuse);
        assert!(refused.reason.contains(why), "{}", refused.reason);
        assert!(
            refused.remedy.contains("--secret api-keys=FILE"),
            "{}",
            refused.remedy
        );
    }
}

#[test]
fn what_makes_a_secret_is_left_out_where_the_secret_comes_otherwise() {
    let sealed = json!({ "apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "metadata": { "name": "api-keys" }, "spec": {} });
    let golden = golden([api(), external_secret(json!({})), sealed]);
    let given = CloneSpec {
        secrets: [(
            "api-keys".to_owned(),
            GivenSecret::from_env_file("payment=test").unwrap(),
        )]
        .into(),
        ..no_images()
    };
    let plan = planned(&golden, &given, &policy(json!({}))).unwrap();
    assert_eq!(plan.refusals().count(), 0, "{:?}", plan.refusals().next());
    assert!(
        item(&plan, "ExternalSecret", "api-keys")
            .reason
            .contains("given with --secret")
    );
    let listed = policy(json!({ "secrets": { "copy": ["api-keys"] } }));
    let plan = planned(&golden, &no_images(), &listed).unwrap();
    assert!(
        item(&plan, "SealedSecret", "api-keys")
            .reason
            .contains("for copying")
    );
}

#[test]
fn routes_of_the_gateway_api_serve_hosts_of_the_clone() {
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": { "name": "api",
            "annotations": { "external-dns.alpha.kubernetes.io/hostname": "shop.example.com", "external-dns.alpha.kubernetes.io/set-identifier": "eu" } },
        "spec": {
            "parentRefs": [{ "name": "shared", "namespace": "gateways", "sectionName": "https" }, { "name": "own" }],
            "hostnames": ["shop.example.com", "api.example.com"],
            "rules": [{
                "filters": [{ "type": "RequestRedirect", "requestRedirect": { "hostname": "api.example.com" } }],
                "backendRefs": [{ "name": "api", "port": 80, "namespace": "shop" }]
            }]
        },
        "status": { "parents": [] }
    });
    let plan = clone_of(
        [api(), service(), route],
        json!({ "kinds": ["gateway.networking.k8s.io/HTTPRoute"], "secrets": { "copy": ["api-keys"] } }),
    );
    let made = made(&plan, "HTTPRoute", "api");
    let hosts = [
        "shop-pr-7.preview.example.com",
        "api--shop-pr-7.preview.example.com",
    ];
    assert_eq!(plan.hosts, hosts);
    assert_eq!(made.data["spec"]["hostnames"], json!(hosts));
    assert_eq!(
        made.data["spec"]["parentRefs"],
        json!([{ "name": "shared", "namespace": "gateways", "sectionName": "https" }, { "name": "own", "namespace": "shop" }])
    );
    let rule = &made.data["spec"]["rules"][0];
    assert_eq!(rule["filters"][0]["requestRedirect"]["hostname"], hosts[1]);
    assert_eq!(rule["backendRefs"][0]["namespace"], "shop-pr-7");
    assert_eq!(
        made.metadata.annotations.clone().unwrap(),
        [(
            "external-dns.alpha.kubernetes.io/hostname".to_owned(),
            hosts[0].to_owned()
        )]
        .into()
    );
    assert!(
        plan.warnings
            .iter()
            .any(|warning| warning.contains("Gateway own of shop")),
        "{:?}",
        plan.warnings
    );
}

#[test]
fn what_delivers_reports_backs_up_or_puts_to_sleep_is_no_part_of_a_clone() {
    let kinds = [
        ("argoproj.io/v1alpha1", "Application"),
        ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
        ("helm.toolkit.fluxcd.io/v2", "HelmRelease"),
        ("source.toolkit.fluxcd.io/v1", "GitRepository"),
        ("fluxcd.controlplane.io/v1", "ResourceSet"),
        ("cert-manager.io/v1", "Certificate"),
        ("cert-manager.io/v1", "CertificateRequest"),
        ("acme.cert-manager.io/v1", "Challenge"),
        ("kube-green.com/v1alpha1", "SleepInfo"),
        ("velero.io/v1", "Backup"),
        ("postgresql.cnpg.io/v1", "ScheduledBackup"),
        ("snapshot.storage.k8s.io/v1", "VolumeSnapshot"),
        ("monitoring.coreos.com/v1", "ServiceMonitor"),
        ("cilium.io/v2", "CiliumNetworkPolicy"),
        ("gateway.networking.k8s.io/v1beta1", "ReferenceGrant"),
    ];
    let objects = kinds.map(|(version, kind)| json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "x" }, "spec": {} }));
    let plan = clone_of(objects, json!({}));
    for item in &plan.items {
        assert_eq!(item.verdict, Verdict::Skip, "{}", item.id());
        assert!(!item.reason.is_empty());
    }
    assert_eq!(plan.items.len(), kinds.len());
}

#[test]
fn a_cnpg_cluster_a_gateway_and_a_sealed_secret_are_refused_by_name() {
    // D03
    let kinds = [
        (
            "bitnami.com/v1alpha1",
            "SealedSecret",
            "bound to its name and namespace",
        ),
        ("gateway.networking.k8s.io/v1", "Gateway", "load balancer"),
        ("postgresql.cnpg.io/v1", "Cluster", "would start empty"),
    ];
    let objects = kinds.map(|(version, kind, _)| json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "x" }, "spec": {} }));
    let listed: Vec<String> = kinds
        .iter()
        .map(|(version, kind, _)| format!("{}/{kind}", version.split('/').next().unwrap()))
        .collect();
    let plan = clone_of(objects, json!({ "kinds": listed }));
    for (_, kind, why) in kinds {
        let refused = item(&plan, kind, "x");
        assert_eq!(refused.verdict, Verdict::Refuse);
        assert!(
            refused.reason.contains(why) && refused.remedy.contains("--exclude"),
            "{refused:?}"
        );
    }
}

#[test]
fn kedas_scalers_are_clamped_and_the_deployment_is_theirs() {
    let scaled = json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": { "name": "api",
            "annotations": { "autoscaling.keda.sh/paused-replicas": "0", "autoscaling.keda.sh/paused": "true" } },
        "spec": { "scaleTargetRef": { "name": "api" }, "minReplicaCount": 2, "maxReplicaCount": 50, "idleReplicaCount": 1,
            "triggers": [{ "type": "redis", "metadata": { "address": "redis.shop.svc:6379" }, "authenticationRef": { "name": "redis" } }] }
    });
    let authentication = json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "metadata": { "name": "redis" },
        "spec": { "secretTargetRef": [{ "parameter": "password", "name": "redis-auth", "key": "password" }] }
    });
    let redis = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "redis" }, "spec": { "selector": { "app": "redis" } } });
    let listed = json!({ "kinds": ["keda.sh/ScaledObject", "keda.sh/TriggerAuthentication"], "secrets": { "copy": ["api-keys"] } });
    let plan = clone_of([api(), redis, scaled, authentication], listed);
    let scaled = made(&plan, "ScaledObject", "api");
    assert_eq!(scaled.metadata.annotations, None);
    assert_eq!(
        scaled.data["spec"],
        json!({ "scaleTargetRef": { "name": "api" }, "minReplicaCount": 1, "maxReplicaCount": 1,
            "triggers": [{ "type": "redis", "metadata": { "address": "redis.shop-pr-7.svc:6379" }, "authenticationRef": { "name": "redis" } }] })
    );
    assert_eq!(
        made(&plan, "Deployment", "api").data["spec"]["replicas"],
        Value::Null
    );
    // What the trigger signs in with is in use, and nobody makes it again.
    let refused = item(&plan, "Secret", "redis-auth");
    assert_eq!(refused.verdict, Verdict::Refuse);
    assert!(
        refused.reason.contains("TriggerAuthentication/redis"),
        "{}",
        refused.reason
    );
}

#[test]
fn a_custom_resource_of_an_unknown_vendor_is_rewritten_by_the_general_rules() {
    let queue = json!({
        "apiVersion": "messaging.example.com/v1", "kind": "Worker", "metadata": { "name": "mail", "finalizers": ["example.com/x"],
            "ownerReferences": [], "annotations": { "argocd.argoproj.io/tracking-id": "shop:messaging.example.com/Worker:shop/mail" } },
        "spec": {
            "endpoint": "http://api.shop.svc.cluster.local/hook",
            "credentials": { "secretKeyRef": { "name": "api-keys", "key": "payment" } },
            "podTemplate": { "metadata": {}, "spec": { "nodeName": "node-1", "containers": [{ "name": "mail", "image": "mail:1",
                "env": [{ "name": "DATABASE_URL", "value": "postgres://u:p@db.shop/shop" }] }] } }
        },
        "status": { "ready": true }
    });
    let listed = json!({ "kinds": ["messaging.example.com/Worker"] });
    let plan = clone_of([api(), service(), queue.clone()], listed.clone());
    let made = made(&plan, "Worker", "mail");
    assert_eq!(made.metadata.annotations, None);
    assert_eq!(made.metadata.finalizers, None);
    assert_eq!(
        made.data["spec"]["endpoint"],
        "http://api.shop-pr-7.svc.cluster.local/hook"
    );
    assert_eq!(made.data["status"], Value::Null);
    let pod = &made.data["spec"]["podTemplate"]["spec"];
    assert_eq!(pod["nodeName"], Value::Null);
    assert_eq!(
        pod["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"]["name"],
        "understudy-db-app"
    );
    assert!(item(&plan, "Secret", "api-keys").reason.contains("Worker/mail"));

    let mut leaking = queue;
    leaking["spec"]["dsn"] = json!("postgres://u:hunter2@db.shop/shop");
    let plan = clone_of([leaking], listed);
    let refused = item(&plan, "Worker", "mail");
    assert!(
        refused
            .reason
            .contains("spec.dsn holds a connection to golden database app"),
        "{}",
        refused.reason
    );
    assert!(!refused.reason.contains("hunter2"));
}

#[test]
fn what_another_object_makes_is_said_when_that_is_left_out() {
    let owned = |kind: &str, name: &str| json!([{ "apiVersion": "example.com/v1", "kind": kind, "name": name, "uid": "1", "controller": true }]);
    let mut deployment = api();
    deployment["metadata"]["ownerReferences"] = owned("Shop", "main");
    let owner =
        json!({ "apiVersion": "example.com/v1", "kind": "Shop", "metadata": { "name": "main" }, "spec": {} });
    let plan = clone_of(
        [deployment.clone(), owner.clone()],
        json!({ "kinds": ["example.com/Shop"] }),
    );
    assert_eq!(item(&plan, "Deployment", "api").reason, "made by Shop main");
    assert_eq!(plan.warnings, Vec::<String>::new());

    let spec = CloneSpec {
        selection: Selection {
            exclude: vec!["Shop".parse().unwrap()],
            ..Selection::default()
        },
        ..no_images()
    };
    let plan = planned(&golden([deployment, owner]), &spec, &policy(json!({}))).unwrap();
    assert_eq!(
        plan.warnings,
        ["Deployment/api: Shop main makes it in the golden, and is no part of the clone"]
    );
}
