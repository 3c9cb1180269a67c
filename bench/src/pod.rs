//! Pods as the API server sends them: completed by it, with what an operator, a mesh and a few developers put in.

use serde_json::{Value, json};

/// A connection of the golden's, in the spelling of its own manifests.
pub const GOLDEN_URL: &str = "postgres://shop:goldenpassword@db.shop:5432/shop?sslmode=disable";
/// Variables of one container at most.
const VARIABLES: usize = 400;
/// Annotations of one object are limited to 256 KiB.
const ANNOTATIONS: usize = 200 * 1024;

/// A Pod of about `bytes` of JSON, whose first container has `variable` among its variables.
///
/// What is beyond a plain Pod is half annotations, which hold JSON as those of operators do, and half variables, which
/// cost a review most.
#[must_use]
pub fn pod(namespace: &str, bytes: usize, variable: &Value) -> Value {
    let mut pod = plain(namespace, variable);
    let beyond = bytes.saturating_sub(pod.to_string().len());
    let annotations = (beyond / 2).min(ANNOTATIONS);
    annotate(&mut pod, annotations);
    vary(&mut pod, beyond - annotations);
    pod
}

fn plain(namespace: &str, variable: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": "web-5d8f7c9b4-", "namespace": namespace,
            "labels": { "app": "web", "app.kubernetes.io/name": "web", "app.kubernetes.io/instance": "shop", "pod-template-hash": "5d8f7c9b4" },
            "annotations": { "prometheus.io/scrape": "true", "prometheus.io/port": "8080" },
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d8f7c9b4",
                "uid": "0b1c7a52-2b3c-4c5e-9a2e-0d9f5f8e7a11", "controller": true, "blockOwnerDeletion": true
            }]
        },
        "spec": {
            "containers": [container("web", vec![json!({ "name": "PORT", "value": "8080" }), variable.clone()])],
            "volumes": [{
                "name": "kube-api-access-x7k2p",
                "projected": { "defaultMode": 420, "sources": [
                    { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
                    { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
                    { "downwardAPI": { "items": [{ "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } }] } }
                ] }
            }],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default", "serviceAccount": "default", "securityContext": {},
            "schedulerName": "default-scheduler", "priority": 0, "enableServiceLinks": true,
            "preemptionPolicy": "PreemptLowerPriority",
            "tolerations": [
                { "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 },
                { "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 }
            ]
        },
        "status": {}
    })
}

fn container(name: &str, env: Vec<Value>) -> Value {
    json!({
        "name": name, "image": format!("registry.example.com/shop/{name}:1.42.0"), "env": env,
        "ports": [{ "name": "http", "containerPort": 8080, "protocol": "TCP" }],
        "resources": { "limits": { "cpu": "500m", "memory": "512Mi" }, "requests": { "cpu": "100m", "memory": "128Mi" } },
        "volumeMounts": [{ "name": "kube-api-access-x7k2p", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" }],
        "livenessProbe": {
            "httpGet": { "path": "/healthz", "port": 8080, "scheme": "HTTP" },
            "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3
        },
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent"
    })
}

/// Annotations of about `bytes` in all.
fn annotate(pod: &mut Value, bytes: usize) {
    let mut size = 0;
    for number in 0.. {
        let room = bytes.saturating_sub(size);
        if room < 120 {
            return;
        }
        let padding = "x".repeat(room.saturating_sub(110).min(4000));
        let text =
            format!(r#"{{"revision":{number},"source":"https://git.example.com/shop","note":"{padding}"}}"#);
        let key = format!("operator.example.com/state-{number}");
        size += json!({ key.as_str(): text }).to_string().len();
        pod["metadata"]["annotations"][key] = json!(text);
    }
}

/// Variables of about `bytes` in all: in the first container, and in as many more as it takes.
fn vary(pod: &mut Value, bytes: usize) {
    let mut size = 0;
    for number in 0.. {
        let value = match number % 4 {
            0 => format!("https://api-{number}.example.com/v1/orders?page={number}&sort=created"),
            1 => format!("feature-{number}-enabled,feature-{number}-visible,feature-{number}-measured"),
            2 => format!("cache-{number}:6379"),
            _ => format!("/var/lib/shop/data/{number}/segment.bin"),
        };
        let variable = json!({ "name": format!("SETTING_{number}"), "value": value });
        size += variable.to_string().len() + 1;
        if size > bytes {
            return;
        }
        let containers = pod["spec"]["containers"].as_array_mut().expect("containers");
        let at = number / VARIABLES;
        if at == containers.len() {
            containers.push(container(&format!("sidecar-{at}"), Vec::new()));
        }
        let env = containers[at]["env"].as_array_mut().expect("variables");
        env.push(variable);
    }
}
