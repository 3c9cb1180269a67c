//! Others that act on namespaces, on sizes, on identities.

use super::*;

#[test]
fn nobody_elses_end_or_sleep_comes_along() {
    let made = clone(config_map(
        json!({ "labels": { "cleanup.kyverno.io/ttl": "2h" }, "annotations": {
        "janitor/ttl": "7d", "janitor/expires": "2026-01-01", "k8s-ttl-controller.twin.sh/ttl": "1h",
        "k8s-ttl-controller.twin.sh/refreshed-at": "x", "downscaler/uptime": "Mon-Fri 07:00-19:00 CET", "downscaler/exclude": "true",
    } }),
    ));
    assert_eq!((made.metadata.labels, made.metadata.annotations), (None, None));
    let mut asleep = api();
    asleep["metadata"]["name"] = json!("asleep");
    asleep["metadata"]["annotations"] =
        json!({ "downscaler/original-replicas": "3", "downscaler/downtime-replicas": "0" });
    assert_eq!(clone(asleep).metadata.annotations, None);
}

#[test]
fn a_scaler_that_is_held_is_not_held_in_the_clone() {
    for key in ["paused", "paused-replicas", "paused-scale-in", "paused-scale-out"] {
        let mut annotations = json!({});
        annotations[format!("autoscaling.keda.sh/{key}")] = json!("true");
        let scaled = json!({ "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": { "name": "api", "annotations": annotations },
            "spec": { "scaleTargetRef": { "name": "api" }, "triggers": [] } });
        assert_eq!(
            clone_with(scaled, json!({ "kinds": ["keda.sh/ScaledObject"] }))
                .metadata
                .annotations,
            None,
            "{key}"
        );
    }
}

#[test]
fn no_service_account_is_anybody_in_a_cloud() {
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "cloudy",
        "labels": { "azure.workload.identity/use": "true", "app": "x" }, "annotations": {
            "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x", "eks.amazonaws.com/token-expiration": "3600", "eks.amazonaws.com/sts-regional-endpoints": "true",
            "iam.gke.io/gcp-service-account": "x@y.iam.gserviceaccount.com", "iam.gke.io/credential-key": "x",
            "azure.workload.identity/client-id": "1", "azure.workload.identity/tenant-id": "2" } },
        "secrets": [{ "name": "cloudy-token-x" }] });
    let made = clone(account);
    assert_eq!(
        json!(made.metadata),
        json!({ "name": "cloudy", "namespace": "shop-pr-7", "labels": { "app": "x" } })
    );
    assert_eq!(made.data["secrets"], Value::Null);
}

#[test]
fn no_pod_is_anybody_in_a_cloud() {
    let token = |audience: &str| json!({ "serviceAccountToken": { "audience": audience, "path": "token" } });
    let volume = |name: &str, sources: Value| json!({ "name": name, "projected": { "sources": sources } });
    let pod = |volumes: Value| {
        let mut pod = workload("Deployment", "cloudy", json!({}));
        let template = &mut pod["spec"]["template"];
        template["metadata"]["labels"]["azure.workload.identity/use"] = json!("true");
        template["metadata"]["labels"]["aadpodidbinding"] = json!("x");
        template["metadata"]["annotations"] =
            json!({ "iam.amazonaws.com/role": "x", "azure.workload.identity/inject-proxy-sidecar": "true" });
        let mounts: Vec<Value> = volumes
            .as_array()
            .unwrap()
            .iter()
            .map(|volume| json!({ "name": volume["name"], "mountPath": "/x" }))
            .collect();
        template["spec"]["containers"][0]["volumeMounts"] = json!(mounts);
        template["spec"]["volumes"] = volumes;
        pod
    };
    let own = volume(
        "own",
        json!([token("https://kubernetes.default.svc"), { "configMap": { "name": "x" } }]),
    );
    let plan = clone_of(
        [pod(json!([
            volume("aws", json!([token("sts.amazonaws.com")])),
            own,
            volume("gcp", json!([token("shop.svc.id.goog")]))
        ]))],
        json!({}),
    );
    assert_eq!(
        item(&plan, "Deployment", "cloudy").reason,
        "the cloud identity is dropped"
    );
    let template = &made(&plan, "Deployment", "cloudy").data["spec"]["template"];
    assert_eq!(
        template["metadata"],
        json!({ "labels": { "app": "cloudy" }, "annotations": {} })
    );
    assert_eq!(template["spec"]["volumes"], json!([own]));
    assert_eq!(
        template["spec"]["containers"][0]["volumeMounts"],
        json!([{ "name": "own", "mountPath": "/x" }])
    );
    // One that holds more cannot be taken apart without breaking it.
    let plan = clone_of(
        [pod(json!([volume(
            "mixed",
            json!([token("sts.amazonaws.com"), { "configMap": { "name": "x" } }])
        )]))],
        json!({}),
    );
    assert!(
        item(&plan, "Deployment", "cloudy")
            .reason
            .starts_with("identity-dropped: ")
    );
}

#[test]
fn a_clone_is_in_the_mesh_that_its_golden_is_in() {
    let mut golden = shop();
    let map = |pairs: &[(&str, &str)]| {
        Some(
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        )
    };
    golden.golden.labels = map(&[
        ("istio-injection", "enabled"),
        ("istio.io/rev", "stable"),
        ("istio.io/dataplane-mode", "ambient"),
        ("kuma.io/sidecar-injection", "enabled"),
        ("team", "checkout"),
        ("argocd.argoproj.io/instance", "shop"),
    ]);
    golden.golden.annotations = map(&[("linkerd.io/inject", "enabled"), ("janitor/ttl", "1h")]);
    let metadata = planned(&golden, &spec(), &policy(json!({})))
        .unwrap()
        .namespace
        .metadata;
    let labels = metadata.labels.unwrap();
    for key in [
        "istio-injection",
        "istio.io/rev",
        "istio.io/dataplane-mode",
        "kuma.io/sidecar-injection",
    ] {
        assert!(labels.contains_key(key), "{key}");
    }
    assert!(!labels.contains_key("team") && !labels.contains_key("argocd.argoproj.io/instance"));
    let annotations = metadata.annotations.unwrap();
    assert!(annotations.contains_key("linkerd.io/inject") && !annotations.contains_key("janitor/ttl"));
    // What a workload says of its own sidecar is the workload's.
    let mut meshed = api();
    meshed["metadata"]["name"] = json!("meshed");
    meshed["spec"]["template"]["metadata"]["annotations"] =
        json!({ "sidecar.istio.io/inject": "true", "linkerd.io/inject": "enabled" });
    assert_eq!(
        clone(meshed).data["spec"]["template"]["metadata"]["annotations"],
        json!({ "sidecar.istio.io/inject": "true", "linkerd.io/inject": "enabled" })
    );
}
