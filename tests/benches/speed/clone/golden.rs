//! Goldens of any number of objects, always the same, as a service landscape has them: of ten objects seven or eight are
//! ConfigMaps, one is a Service, every other ten have a Secret, and one is a workload or what belongs to it.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// As many Secrets as a policy can list.
pub const SECRETS: usize = 64;

/// Kinds of a golden: `apiVersion`, kind, and where their lists are.
pub const KINDS: [(&str, &str, &str); 6] = [
    ("v1", "ConfigMap", "api/v1"),
    ("v1", "Secret", "api/v1"),
    ("v1", "Service", "api/v1"),
    ("v1", "ServiceAccount", "api/v1"),
    ("apps/v1", "Deployment", "apis/apps/v1"),
    ("batch/v1", "CronJob", "apis/batch/v1"),
];

/// Where lists of `kind` are in `namespace`.
pub fn path(kind: &str, namespace: &str) -> Option<String> {
    let (_, _, at) = KINDS.iter().find(|(_, known, _)| *known == kind)?;
    Some(format!("/{at}/namespaces/{namespace}/{}s", kind.to_lowercase()))
}

/// `count` objects for the namespace `golden`.
pub fn objects(golden: &str, count: usize) -> Vec<Value> {
    (0..count).map(|number| object(golden, number)).collect()
}

/// Name of the Secret with this number.
pub fn secret(number: usize) -> String {
    format!("keys-{number}")
}

fn object(golden: &str, number: usize) -> Value {
    let (ten, place) = (number / 10, number % 10);
    let (kind, name, rest) = match place {
        0 if ten.is_multiple_of(2) => workload(ten),
        0 if ten % 4 == 1 => ("ServiceAccount", format!("runs-{ten}"), json!({})),
        0 => ("CronJob", format!("nightly-{ten}"), cron_job(ten)),
        1 => ("Service", format!("program-{ten}"), service(ten)),
        2 if ten.is_multiple_of(2) && ten / 2 < SECRETS => {
            let data = json!({ "API_KEY": format!("key-of-program-{ten}-in-the-golden") });
            ("Secret", secret(ten / 2), json!({ "stringData": data }))
        }
        _ => (
            "ConfigMap",
            format!("config-{ten}-{place}"),
            json!({ "data": settings(golden, ten, place) }),
        ),
    };
    let api_version = KINDS
        .iter()
        .find(|(_, known, _)| *known == kind)
        .map(|kind| kind.0);
    let labels = json!({ "app.kubernetes.io/part-of": golden, "app": format!("program-{ten}") });
    let mut object =
        json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name, "labels": labels } });
    if let (Some(object), Value::Object(rest)) = (object.as_object_mut(), rest) {
        object.extend(rest);
    }
    object
}

/// No replicas: what is measured are the objects, not the scheduler.
fn workload(ten: usize) -> (&'static str, String, Value) {
    let labels = json!({ "app": format!("program-{ten}") });
    let spec = json!({ "replicas": 0, "selector": { "matchLabels": labels },
        "template": { "metadata": { "labels": labels }, "spec": pod(ten, "Always") } });
    ("Deployment", format!("program-{ten}"), json!({ "spec": spec }))
}

fn cron_job(ten: usize) -> Value {
    json!({ "spec": { "schedule": "0 3 * * *", "suspend": true,
        "jobTemplate": { "spec": { "template": { "spec": pod(ten, "Never") } } } } })
}

fn pod(ten: usize, restart: &str) -> Value {
    let config = json!({ "configMapRef": { "name": format!("config-{ten}-3") } });
    let resources =
        json!({ "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "memory": "256Mi" } });
    let container = json!({
        "name": "main", "image": format!("registry.example.com/program-{ten}:1.4.2"), "envFrom": [config], "resources": resources,
        "env": [{ "name": "PORT", "value": "8080" }, { "name": "NEXT", "value": format!("http://program-{ten}:80/") }],
    });
    json!({ "restartPolicy": restart, "containers": [container] })
}

fn service(ten: usize) -> Value {
    json!({ "spec": { "selector": { "app": format!("program-{ten}") }, "ports": [{ "name": "http", "port": 80, "targetPort": 8080 }] } })
}

/// Three variables and a file of 600 bytes; one of seven names the golden, which a clone has to rewrite.
fn settings(golden: &str, ten: usize, place: usize) -> Value {
    let within = if place == 3 {
        format!(".{golden}.svc.cluster.local")
    } else {
        String::new()
    };
    let mut file = String::new();
    for line in 0..12 {
        let _ = writeln!(
            file,
            "feature.part-{line}.of-program-{ten}.timeout={}s",
            line + place
        );
    }
    json!({ "LOG_LEVEL": "info", "WORKERS": place.to_string(), "UPSTREAM": format!("http://program-{ten}{within}:80/v1"),
        "application.properties": file })
}
