//! What a clone strips and rewrites of any object.

use super::*;

#[test]
fn what_the_server_wrote_is_gone() {
    let made = clone(config_map(json!({
        "uid": "1f", "resourceVersion": "2", "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z", "selfLink": "/x",
        "managedFields": [{ "manager": "kubectl" }], "finalizers": ["example.com/x"], "generateName": "x-",
        "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "9" }],
    })));
    assert_eq!(
        json!(made.metadata),
        json!({ "name": "x", "namespace": "shop-pr-7" })
    );
}

#[test]
fn marks_of_kubectl_and_the_controllers_are_gone() {
    let made = clone(config_map(json!({ "annotations": {
        "kubectl.kubernetes.io/last-applied-configuration": "{}", "kubectl.kubernetes.io/restartedAt": "2026-01-01",
        "deployment.kubernetes.io/revision": "7", "autoscaling.alpha.kubernetes.io/conditions": "[]",
        "control-plane.alpha.kubernetes.io/leader": "{}", "example.com/team": "checkout",
    } })));
    assert_eq!(
        json!(made.metadata.annotations),
        json!({ "example.com/team": "checkout" })
    );
    let mut restarted = api();
    restarted["metadata"]["name"] = json!("restarted");
    restarted["spec"]["template"]["metadata"]["annotations"] =
        json!({ "kubectl.kubernetes.io/restartedAt": "2026-01-01", "prometheus.io/scrape": "true" });
    let made = clone(restarted);
    assert_eq!(
        made.data["spec"]["template"]["metadata"]["annotations"],
        json!({ "prometheus.io/scrape": "true" })
    );
}

#[test]
fn marks_of_argo_cd_are_gone() {
    let made = clone(config_map(
        json!({ "labels": { "argocd.argoproj.io/instance": "shop" }, "annotations": {
        "argocd.argoproj.io/tracking-id": "shop:/ConfigMap:shop/x", "argocd.argoproj.io/installation-id": "one",
        "argocd.argoproj.io/sync-wave": "1", "argocd.argoproj.io/sync-options": "Prune=false",
        "argocd.argoproj.io/hook": "PreSync", "argocd.argoproj.io/hook-delete-policy": "HookSucceeded",
        "argocd.argoproj.io/compare-options": "IgnoreExtraneous", "argocd.argoproj.io/refresh": "hard",
    } }),
    ));
    assert_eq!((made.metadata.labels, made.metadata.annotations), (None, None));
}

#[test]
fn the_tracking_label_of_argo_cd_is_renamed_wherever_it_selects() {
    // A stale one would have the golden's Application prune the clone.
    let tracked = json!({ "app.kubernetes.io/instance": "shop", "app.kubernetes.io/name": "cart" });
    let mut cart = workload(
        "Deployment",
        "cart",
        json!({ "selector": { "matchLabels": tracked } }),
    );
    cart["metadata"]["labels"] = tracked.clone();
    cart["spec"]["template"]["metadata"]["labels"] = tracked.clone();
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "cart", "labels": tracked }, "spec": { "selector": tracked } });
    let plan = clone_of([cart, service], json!({}));
    let renamed = json!({ "app.kubernetes.io/instance": "shop-pr-7", "app.kubernetes.io/name": "cart" });
    let deployment = made(&plan, "Deployment", "cart");
    assert_eq!(json!(deployment.metadata.labels), renamed);
    assert_eq!(deployment.data["spec"]["selector"]["matchLabels"], renamed);
    assert_eq!(deployment.data["spec"]["template"]["metadata"]["labels"], renamed);
    assert_eq!(made(&plan, "Service", "cart").data["spec"]["selector"], renamed);
}

#[test]
fn marks_of_helm_are_gone_and_its_releases_are_left_out() {
    let made = clone(config_map(json!({
        "labels": { "app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "shop-1.2.3", "app.kubernetes.io/name": "shop" },
        "annotations": { "meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "shop",
            "helm.sh/hook": "post-install", "helm.sh/hook-weight": "5", "helm.sh/hook-delete-policy": "hook-succeeded",
            "helm.sh/resource-policy": "keep" },
    })));
    assert_eq!(
        json!(made.metadata.labels),
        json!({ "app.kubernetes.io/name": "shop" })
    );
    assert_eq!(made.metadata.annotations, None);
    let release = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "sh.helm.release.v1.shop.v3",
        "labels": { "owner": "helm" } }, "type": "helm.sh/release.v1", "data": { "release": "SDRzSUFBQQ==" } });
    let plan = clone_of(
        [release],
        json!({ "secrets": { "copy": ["sh.helm.release.v1.shop.v3"] } }),
    );
    assert_eq!(plan.items[0].verdict, Verdict::Skip);
}

#[test]
fn marks_of_flux_are_gone() {
    for controller in [
        "kustomize.toolkit.fluxcd.io",
        "helm.toolkit.fluxcd.io",
        "resourceset.fluxcd.controlplane.io",
    ] {
        let mut labels = json!({ "app.kubernetes.io/managed-by": "flux-operator" });
        for key in ["name", "namespace"] {
            labels[format!("{controller}/{key}")] = json!("shop");
        }
        let made = clone(config_map(json!({ "labels": labels, "annotations": {
            "kustomize.toolkit.fluxcd.io/prune": "disabled", "kustomize.toolkit.fluxcd.io/ssa": "Merge",
            "kustomize.toolkit.fluxcd.io/reconcile": "disabled", "kustomize.toolkit.fluxcd.io/force": "enabled",
            "fluxcd.controlplane.io/copyFrom": "shop/other",
        } })));
        assert_eq!((made.metadata.labels, made.metadata.annotations), (None, None));
    }
}

#[test]
fn what_a_service_was_allotted_is_gone_and_a_headless_one_stays_headless() {
    let service = |cluster_ip: &str| {
        clone(json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "edge" }, "spec": {
            "type": "LoadBalancer", "clusterIP": cluster_ip, "clusterIPs": [cluster_ip], "healthCheckNodePort": 31000,
            "loadBalancerIP": "192.0.2.7", "externalIPs": ["192.0.2.8"], "selector": { "app": "api" },
            "ports": [{ "port": 80, "nodePort": 30080 }], "publishNotReadyAddresses": true } }))
        .data["spec"]
            .clone()
    };
    let kept = json!({ "type": "ClusterIP", "selector": { "app": "api" }, "ports": [{ "port": 80 }], "publishNotReadyAddresses": true });
    assert_eq!(service("10.96.0.7"), kept);
    let mut headless = kept;
    headless["clusterIP"] = json!("None");
    assert_eq!(service("None"), headless);
}

#[test]
fn a_claim_is_empty_and_bound_to_nothing() {
    let claim = clone(
        json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "files", "annotations": {
        "pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes",
        "volume.kubernetes.io/selected-node": "node-1", "volume.kubernetes.io/storage-provisioner": "ebs.csi.aws.com",
        "volume.beta.kubernetes.io/storage-provisioner": "ebs.csi.aws.com" } },
        "spec": { "volumeName": "pvc-1", "storageClassName": "fast", "accessModes": ["ReadWriteOnce"],
            "dataSource": { "kind": "VolumeSnapshot", "name": "nightly" }, "resources": { "requests": { "storage": "1Gi" } } } }),
    );
    assert_eq!(claim.metadata.annotations, None);
    assert_eq!(
        claim.data["spec"],
        json!({ "storageClassName": "fast", "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } })
    );
    let set = workload(
        "StatefulSet",
        "files",
        json!({ "volumeClaimTemplates": [
        { "metadata": { "name": "data" }, "spec": { "volumeName": "pvc-2" }, "status": { "phase": "Pending" } }] }),
    );
    let plan = clone_of([set], json!({}));
    assert_eq!(
        item(&plan, "StatefulSet", "files").reason,
        "its volumes come up empty"
    );
    assert_eq!(
        made(&plan, "StatefulSet", "files").data["spec"]["volumeClaimTemplates"],
        json!([{ "metadata": { "name": "data" }, "spec": {} }])
    );
}

#[test]
fn what_ties_pods_and_jobs_to_their_first_run_is_gone() {
    let generated = json!({ "app": "migrate", "controller-uid": "1f", "job-name": "migrate",
        "batch.kubernetes.io/controller-uid": "1f", "batch.kubernetes.io/job-name": "migrate" });
    let job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "migrate", "labels": generated }, "spec": {
        "selector": { "matchLabels": { "batch.kubernetes.io/controller-uid": "1f" } }, "manualSelector": true,
        "template": { "metadata": { "labels": generated }, "spec": { "nodeName": "node-1", "restartPolicy": "Never",
            "containers": [{ "name": "migrate", "image": "registry.example.com/x:1" }] } } } });
    let made = clone_with(job, json!({ "jobs": "recreate" }));
    let labels = json!({ "app": "migrate" });
    assert_eq!(json!(made.metadata.labels), labels);
    assert_eq!(made.data["spec"]["selector"], Value::Null);
    let template = &made.data["spec"]["template"];
    assert_eq!(
        (&template["metadata"]["labels"], &template["spec"]["nodeName"]),
        (&labels, &Value::Null)
    );
}

#[test]
fn fields_that_name_the_namespace_are_rewritten_and_doubts_are_said() {
    let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "leader" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "leader" },
        "subjects": [{ "kind": "ServiceAccount", "name": "api", "namespace": "shop" }] });
    assert_eq!(clone(binding).data["subjects"][0]["namespace"], "shop-pr-7");
    let texts =
        json!({ "namespace": "shop", "url": "http://api.shop.svc:80", "hosts": "api.shop,mail.shop" });
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x" }, "data": texts });
    let plan = clone_of([map, api_service()], json!({}));
    assert_eq!(
        made(&plan, "ConfigMap", "x").data["data"],
        json!({ "namespace": "shop-pr-7", "url": "http://api.shop-pr-7.svc:80", "hosts": "api.shop-pr-7,mail.shop" })
    );
    assert_eq!(
        plan.warnings,
        [
            "ConfigMap/x: data.hosts holds \"mail.shop\", which looks like a reference to shop and was left as it is"
        ]
    );
}
