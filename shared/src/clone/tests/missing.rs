//! What a clone names and does not have.

use super::*;

fn without(exclude: &[&str], only: &[&str]) -> CloneSpec {
    let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    CloneSpec {
        selection: Selection {
            exclude: patterns(exclude),
            only: patterns(only),
            ..Selection::default()
        },
        images: Vec::new(),
        ..spec()
    }
}

fn named(kind: &str, name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name, "namespace": "shop" } })
}

/// A Deployment `web` whose Pods are as `pod` says.
fn web(pod: Value) -> Value {
    let mut pod = pod;
    pod["containers"][0]["name"] = json!("web");
    pod["containers"][0]["image"] = json!("registry.example.com/web:1");
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "namespace": "shop" },
        "spec": { "selector": { "matchLabels": { "app": "web" } }, "template": { "metadata": { "labels": { "app": "web" } }, "spec": pod } } })
}

fn warnings(objects: impl IntoIterator<Item = Value>, spec: &CloneSpec) -> Vec<String> {
    let snapshot = Snapshot {
        objects: objects.into_iter().map(object).collect(),
        ..shop()
    };
    let kinds = json!({ "kinds": ["keda.sh/ScaledObject", "keda.sh/TriggerAuthentication"] });
    planned(&snapshot, spec, &policy(kinds)).unwrap().warnings
}

#[test]
fn what_pods_name_and_a_flag_left_out_is_a_warning_with_its_path() {
    let pod = json!({ "serviceAccountName": "web", "containers": [{}], "volumes": [
        { "name": "rules", "configMap": { "name": "rules" } },
        { "name": "maybe", "configMap": { "name": "maybe", "optional": true } },
        { "name": "data", "persistentVolumeClaim": { "claimName": "uploads" } },
    ] });
    let objects = [
        web(pod),
        named("ServiceAccount", "web"),
        named("ConfigMap", "rules"),
        named("ConfigMap", "maybe"),
        named("PersistentVolumeClaim", "uploads"),
    ];
    assert_eq!(
        warnings(objects.clone(), &without(&[], &["Deployment"])),
        [
            "Deployment/web: spec.template.spec.serviceAccountName names ServiceAccount web, which is no part of the clone: not among what --only names",
            "Deployment/web: spec.template.spec.volumes[0].configMap names ConfigMap rules, which is no part of the clone: not among what --only names",
            "Deployment/web: spec.template.spec.volumes[2].persistentVolumeClaim.claimName names PersistentVolumeClaim uploads, which is no part of the clone: not among what --only names",
        ]
    );
    assert_eq!(warnings(objects, &without(&[], &[])), Vec::<String>::new());
}

#[test]
fn a_variable_of_a_config_map_that_was_left_out_is_not_said_to_be_missing_in_the_golden() {
    let env = |name: &str| json!([{ "name": "X", "valueFrom": { "configMapKeyRef": { "name": name, "key": "x" } } }]);
    let config = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web-config" }, "data": { "x": "1" } });
    let reads = |name: &str| web(json!({ "containers": [{ "env": env(name) }] }));
    let left_out = without(&["ConfigMap/web-config"], &[]);
    assert_eq!(
        warnings([reads("web-config"), config.clone()], &left_out),
        [
            "Deployment/web: spec.template.spec.containers[0].env[0].valueFrom.configMapKeyRef names ConfigMap web-config, \
          which is no part of the clone: left out by --exclude ConfigMap/web-config"
        ]
    );
    assert_eq!(
        warnings([reads("nowhere"), config], &without(&[], &[])),
        [
            "Deployment/web: container web, variable X: ConfigMap nowhere, key x cannot be read; it is not in the golden either"
        ]
    );
}

#[test]
fn what_routes_and_scalers_lead_to_is_missed_as_well() {
    let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    let ingress = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "web" }, "spec": { "rules": [
        { "host": "shop.example.com", "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] } }] } });
    let scaler = json!({ "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": { "name": "web" }, "spec": {
        "scaleTargetRef": { "name": "web" }, "triggers": [{ "type": "rabbitmq", "metadata": {}, "authenticationRef": { "name": "queue" } }] } });
    let authentication = json!({ "apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "metadata": { "name": "queue" }, "spec": {} });
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" }, "spec": { "selector": { "app": "web" } } });
    let objects = [
        web(json!({ "containers": [{}] })),
        ingress,
        scaler,
        authentication,
        service,
    ];
    let spec = without(&["Service/web", "Deployment/web", "TriggerAuthentication"], &[]);
    let said = warnings(objects.clone(), &spec);
    for part in [
        "Ingress/web: spec.rules[0].http.paths[0].backend.service names Service web, ",
        "ScaledObject/web: spec.scaleTargetRef names Deployment web, ",
        "ScaledObject/web: spec.triggers[0].authenticationRef names TriggerAuthentication queue, ",
    ] {
        assert!(
            said.iter().any(|warning| warning.starts_with(part)),
            "{part:?} is missing: {said:?}"
        );
    }
    // What a scaler signs in with comes along with what it sizes.
    let changed = CloneSpec {
        changed: vec!["web".to_owned()],
        ..without(&[], &[])
    };
    assert_eq!(warnings(objects, &changed), Vec::<String>::new());
}

#[test]
fn what_somebody_makes_in_the_clone_anyway_is_not_missed() {
    let set = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "store" }, "spec": { "serviceName": "store",
        "selector": { "matchLabels": { "app": "store" } }, "volumeClaimTemplates": [{ "metadata": { "name": "data" }, "spec": {} }],
        "template": { "metadata": { "labels": { "app": "store" } }, "spec": { "containers": [{ "name": "store", "image": "registry.example.com/store:1" }] } } } });
    let pod = json!({ "serviceAccountName": "default", "containers": [{}], "volumes": [
        { "name": "ca", "configMap": { "name": "kube-root-ca.crt" } },
        { "name": "backup", "persistentVolumeClaim": { "claimName": "data-store-0" } } ] });
    let objects = [
        set,
        named("Service", "store"),
        web(pod),
        named("ServiceAccount", "default"),
        named("ConfigMap", "kube-root-ca.crt"),
        named("PersistentVolumeClaim", "data-store-0"),
    ];
    assert_eq!(warnings(objects, &without(&[], &[])), Vec::<String>::new());
}
