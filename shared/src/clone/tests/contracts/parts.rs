//! What is no part of a clone, what is smaller in it, what rests.

use super::*;

#[test]
fn what_somebody_makes_again_or_what_records_a_run_is_left_out() {
    let owned = json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "api", "uid": "1", "controller": true }]);
    let rows = [
        ("v1", "Pod"),
        ("apps/v1", "ReplicaSet"),
        ("apps/v1", "ControllerRevision"),
        ("v1", "Endpoints"),
        ("discovery.k8s.io/v1", "EndpointSlice"),
        ("v1", "Event"),
        ("coordination.k8s.io/v1", "Lease"),
        ("cert-manager.io/v1", "CertificateRequest"),
        ("acme.cert-manager.io/v1", "Order"),
        ("acme.cert-manager.io/v1", "Challenge"),
        ("metrics.k8s.io/v1beta1", "PodMetrics"),
        ("kube-green.com/v1alpha1", "SleepInfo"),
        ("velero.io/v1", "Backup"),
        ("velero.io/v1", "Schedule"),
    ];
    let mut objects = rows
        .map(|(version, kind)| json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "x" } }))
        .to_vec();
    objects.extend([
        json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "run-1", "ownerReferences": owned }, "spec": {} }),
        config_map(json!({ "name": "kube-root-ca.crt" })),
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default" } }),
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "token", "annotations": { "kubernetes.io/service-account.name": "api" } },
            "type": "kubernetes.io/service-account-token", "data": {} }),
        // kube-green's memory of what slept.
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "sleepinfo-working-hours" }, "data": { "scheduled-at": "eA==" } }),
    ]);
    let count = objects.len();
    let plan = clone_of(objects, json!({ "jobs": "recreate" }));
    assert_eq!(plan.items.len(), count);
    for item in &plan.items {
        assert_eq!(item.verdict, Verdict::Skip, "{}", item.id());
        assert!(!item.reason.is_empty(), "{}", item.id());
    }
}

#[test]
fn addresses_that_somebody_wrote_are_left_out_and_missed() {
    let service = |spec: Value| json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "legacy" }, "spec": spec });
    let endpoints = json!({ "apiVersion": "v1", "kind": "Endpoints", "metadata": { "name": "legacy" },
        "subsets": [{ "addresses": [{ "ip": "192.0.2.7" }] }] });
    let slice = json!({ "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": { "name": "legacy-1", "labels": { "kubernetes.io/service-name": "legacy" } }, "endpoints": [] });
    let reasons = |spec: Value| {
        let plan = clone_of([service(spec), endpoints.clone(), slice.clone()], json!({}));
        let reason = |kind: &str, name: &str| item(&plan, kind, name).reason.clone();
        let reasons = [reason("Endpoints", "legacy"), reason("EndpointSlice", "legacy-1")];
        (reasons, plan.warnings)
    };
    let (by_hand, warnings) = reasons(json!({ "ports": [{ "port": 80 }] }));
    for reason in by_hand {
        assert_eq!(
            reason,
            "somebody wrote the addresses of Service legacy; whose they are cannot be told"
        );
    }
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("Service/legacy: "), "{warnings:?}");
    let (made_again, warnings) = reasons(json!({ "selector": { "app": "legacy" } }));
    assert_eq!(
        made_again,
        ["its controller makes it again"; 2].map(str::to_owned)
    );
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn a_role_of_the_cluster_is_missed_only_where_a_pod_of_the_clone_runs_by_it() {
    let group = |name: &str| json!({ "kind": "Group", "name": name });
    let account = |name: &str| json!({ "kind": "ServiceAccount", "name": name, "namespace": "shop" });
    let bound = |kind: &str, subjects: Value| {
        let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "b" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "watcher" }, "subjects": subjects });
        let mut api = api();
        api["spec"]["template"]["spec"]["serviceAccountName"] = json!("api");
        item(&clone_of([binding, api], json!({})), "RoleBinding", "b").clone()
    };
    for people in [json!([group("developers")]), Value::Null] {
        let reason = bound("ClusterRole", people).reason;
        assert_eq!(reason, "policy demo decides who gets into a preview");
    }
    let unused = bound("ClusterRole", json!([account("tool"), group("developers")]));
    assert_eq!(
        (unused.verdict, unused.reason.as_str()),
        (
            Verdict::Skip,
            "it gives tool the cluster's role watcher, and no Pod of the clone runs by it"
        )
    );
    for used in [account("api"), group("system:serviceaccounts:shop")] {
        let refused = bound("ClusterRole", json!([used]));
        assert_eq!(refused.verdict, Verdict::Refuse);
        assert_eq!(
            refused.remedy,
            "give them a Role of the golden instead, or leave it out with --exclude RoleBinding/b"
        );
    }
    let subjects = json!([
        account("api"),
        group("developers"),
        group("system:serviceaccounts:shop")
    ]);
    let own = bound("Role", subjects).made.unwrap().1;
    assert_eq!(
        own.data["subjects"],
        json!([
            { "kind": "ServiceAccount", "name": "api", "namespace": "shop-pr-7" },
            { "kind": "Group", "name": "system:serviceaccounts:shop-pr-7" }
        ])
    );
}

#[test]
fn hooks_of_another_time_are_left_out_and_those_of_an_installation_are_made() {
    for (key, hook, is_made) in [
        ("helm.sh/hook", "pre-install,pre-upgrade", true),
        ("helm.sh/hook", "post-install, post-delete", true),
        ("helm.sh/hook", "pre-delete", false),
        ("helm.sh/hook", "test", false),
        ("helm.sh/hook", "pre-rollback,post-rollback", false),
        ("argocd.argoproj.io/hook", "PreSync", true),
        ("argocd.argoproj.io/hook", "PostDelete", false),
        ("argocd.argoproj.io/hook", "SyncFail", false),
    ] {
        let mut annotations = json!({});
        annotations[key] = json!(hook);
        let job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "hook", "annotations": annotations }, "spec": {
            "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "x", "image": "registry.example.com/x:1" }] } } } });
        let plan = clone_of([job], json!({ "jobs": "recreate" }));
        let hooked = item(&plan, "Job", "hook");
        assert_eq!(hooked.made.is_some(), is_made, "{hook}: {}", hooked.reason);
        assert!(is_made || hooked.reason.contains(hook), "{}", hooked.reason);
    }
}

#[test]
fn cron_jobs_rest_unless_the_policy_lets_them_run() {
    let cron = || {
        json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "nightly" }, "spec": { "schedule": "0 3 * * *", "suspend": false,
        "jobTemplate": { "spec": { "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "x", "image": "registry.example.com/x:1" }] } } } } } })
    };
    assert_eq!(clone(cron()).data["spec"]["suspend"], true);
    let runs = clone_with(cron(), json!({ "quarantine": { "cronJobs": "run" } }));
    assert_eq!(runs.data["spec"]["suspend"], false);
}

#[test]
fn scalers_and_replicas_are_clamped_to_the_policys_size() {
    let hpa = json!({ "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "api" },
        "spec": { "scaleTargetRef": { "kind": "Deployment", "name": "api" }, "minReplicas": 3, "maxReplicas": 20 } });
    let many = workload("Deployment", "many", json!({ "replicas": 5 }));
    let scaled = json!({ "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledJob", "metadata": { "name": "work" }, "spec": { "maxReplicaCount": 100,
        "jobTargetRef": { "template": { "spec": { "containers": [{ "name": "x", "image": "registry.example.com/x:1" }] } } } } });
    let plan = clone_of(
        [hpa, api(), many, scaled],
        json!({ "size": { "replicas": 2 }, "kinds": ["keda.sh/ScaledJob"] }),
    );
    let spec = &made(&plan, "HorizontalPodAutoscaler", "api").data["spec"];
    assert_eq!(
        (&spec["minReplicas"], &spec["maxReplicas"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(made(&plan, "Deployment", "many").data["spec"]["replicas"], 2);
    assert_eq!(
        made(&plan, "ScaledJob", "work").data["spec"]["maxReplicaCount"],
        2
    );
}

#[test]
fn what_belongs_to_the_cluster_is_no_part_of_a_clone() {
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "shop" } });
    let snapshot = Snapshot {
        objects: vec![object(role)],
        cluster_wide: [(
            "rbac.authorization.k8s.io/v1".to_owned(),
            "ClusterRole".to_owned(),
        )]
        .into(),
        ..shop()
    };
    let none = CloneSpec {
        images: Vec::new(),
        ..spec()
    };
    let plan = planned(&snapshot, &none, &policy(json!({}))).unwrap();
    assert_eq!(plan.items[0].verdict, Verdict::Skip);
    assert!(plan.items[0].reason.contains("whole cluster"));
}

#[test]
fn a_cloud_native_pg_cluster_is_refused_and_what_serves_it_is_left_out() {
    let kinds = ["Cluster", "Pooler", "Database", "Backup", "ScheduledBackup"];
    let objects = kinds.map(|kind| json!({ "apiVersion": "postgresql.cnpg.io/v1", "kind": kind, "metadata": { "name": "db" }, "spec": {} }));
    let plan = clone_of(objects, json!({}));
    for kind in kinds {
        let wanted = if kind == "Cluster" {
            Verdict::Refuse
        } else {
            Verdict::Skip
        };
        assert_eq!(item(&plan, kind, "db").verdict, wanted, "{kind}");
    }
}

#[test]
fn what_a_cluster_makes_gives_way_to_the_branch_without_a_warning() {
    let owned = json!([{ "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "db", "uid": "1", "controller": true }]);
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "db", "ownerReferences": owned }, "spec": { "selector": { "cnpg.io/cluster": "db" } } });
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "db-app", "ownerReferences": owned }, "type": "kubernetes.io/basic-auth",
        "data": { "uri": "cG9zdGdyZXM6Ly91OnBAZGIuc2hvcC9zaG9w" } });
    let reader = workload(
        "Deployment",
        "reader",
        json!({ "template": { "metadata": { "labels": { "app": "reader" } }, "spec": { "containers": [{ "name": "x",
        "image": "registry.example.com/x:1", "env": [{ "name": "DATABASE_URL", "valueFrom": { "secretKeyRef": { "name": "db-app", "key": "uri" } } }] }] } } }),
    );
    let plan = clone_of([service, secret, reader], json!({}));
    assert_eq!(plan.refusals().count(), 0);
    assert!(
        item(&plan, "Service", "db")
            .reason
            .contains("the preview has a branch of it")
    );
    assert_eq!(item(&plan, "Secret", "db-app").verdict, Verdict::ReCreate);
    assert_eq!(plan.warnings, Vec::<String>::new());
}
