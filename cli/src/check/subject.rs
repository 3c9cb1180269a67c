//! One object of a manifest, as admission is asked about it: itself, and the Pod that it would make.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use understudy::admission::{Operation, Request, User};

/// Which resource serves an `apiVersion` and kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The plural.
    pub resource: String,
    /// Whether its objects stand in namespaces.
    pub namespaced: bool,
}

/// What a cluster serves, by `apiVersion` and kind.
pub type Catalogue = BTreeMap<(String, String), Served>;

/// An object of a manifest.
#[derive(Clone, Debug)]
pub struct Subject {
    /// `Deployment/web`.
    pub id: String,
    /// The namespace it stands in; a Namespace's own name; empty where it stands in none.
    pub namespace: String,
    /// The object as admission would see it.
    pub object: Value,
    resource: String,
}

/// Kubernetes' own kinds that stand in no namespace, beside Namespace.
const CLUSTER_WIDE: [&str; 23] = [
    "APIService",
    "CSIDriver",
    "CSINode",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterTrustBundle",
    "CustomResourceDefinition",
    "DeviceClass",
    "FlowSchema",
    "GatewayClass",
    "IngressClass",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "Node",
    "PersistentVolume",
    "PreviewPolicy",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "StorageClass",
    "VolumeAttachment",
];

impl Served {
    /// As Kubernetes names its own resources; other vendors mostly follow.
    fn guess(kind: &str) -> Self {
        let lower = kind.to_ascii_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
        let resource = if kind == "Endpoints" {
            lower
        } else if ends(&["s", "x", "z", "ch", "sh"]) {
            format!("{lower}es")
        } else if ends(&["y"]) && !ends(&["ay", "ey", "oy", "uy"]) {
            format!("{}ies", &lower[..lower.len() - 1])
        } else {
            format!("{lower}s")
        };
        let validating = kind.starts_with("Validating");
        Served {
            resource,
            namespaced: !(validating || CLUSTER_WIDE.contains(&kind)),
        }
    }
}

impl Subject {
    /// From an object of a manifest. `catalogue` says what is served, where a cluster was asked; `default` is where objects go
    /// that name no namespace.
    pub fn new(mut object: Value, catalogue: Option<&Catalogue>, default: &str) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let known = catalogue.and_then(|catalogue| catalogue.get(&(api_version.clone(), kind.clone())));
        let served = known.cloned().unwrap_or_else(|| Served::guess(&kind));
        let name = text(&object["metadata"]["name"]);
        let id = match name.as_str() {
            "" => format!("{kind}/{}*", text(&object["metadata"]["generateName"])),
            name => format!("{kind}/{name}"),
        };
        let namespace = if kind == "Namespace" && api_version == "v1" {
            name
        } else if served.namespaced {
            let own = text(&object["metadata"]["namespace"]);
            let namespace = if own.is_empty() { default.to_owned() } else { own };
            if !object["metadata"].is_object() {
                object["metadata"] = json!({});
            }
            object["metadata"]["namespace"] = json!(namespace);
            namespace
        } else {
            String::new()
        };
        Subject {
            id,
            namespace,
            object,
            resource: served.resource,
        }
    }

    /// Whether it is a Namespace.
    pub fn is_namespace(&self) -> bool {
        self.object["kind"] == "Namespace" && self.object["apiVersion"] == "v1"
    }

    /// Its creation by `user`.
    pub fn creation(&self, user: User) -> Request {
        Request {
            // A Namespace's request carries its own name.
            namespace: self.namespace.clone(),
            ..Request::creation(self.object.clone(), &self.resource, user)
        }
    }

    /// Its change by `user`, where it is there as `live` already.
    pub fn change(&self, live: &Value, user: User) -> Request {
        let creation = self.creation(user);
        let mut object = live.clone();
        merge(&mut object, &creation.object);
        Request {
            operation: Operation::Update,
            object,
            old_object: live.clone(),
            ..creation
        }
    }
}

/// `changes` laid over `object`, as an apply does.
fn merge(object: &mut Value, changes: &Value) {
    match (object, changes) {
        (Value::Object(fields), Value::Object(changes)) => {
            for (key, change) in changes {
                merge(fields.entry(key.clone()).or_insert(Value::Null), change);
            }
        }
        (object, changes) => *object = changes.clone(),
    }
}

/// The creation of the Pod that `workload` would make, by the controller that makes it; `None` where it makes none.
pub fn pod_of(workload: &Value) -> Option<Request> {
    let (path, owner, controller) = match workload["kind"].as_str()? {
        "Deployment" => ("/spec/template", "ReplicaSet", "replicaset-controller"),
        "ReplicaSet" => ("/spec/template", "ReplicaSet", "replicaset-controller"),
        "ReplicationController" => (
            "/spec/template",
            "ReplicationController",
            "replication-controller",
        ),
        "StatefulSet" => ("/spec/template", "StatefulSet", "statefulset-controller"),
        "DaemonSet" => ("/spec/template", "DaemonSet", "daemon-set-controller"),
        "Job" => ("/spec/template", "Job", "job-controller"),
        "CronJob" => ("/spec/jobTemplate/spec/template", "Job", "job-controller"),
        _ => return None,
    };
    let mut pod = workload.pointer(path)?.clone();
    let name = workload["metadata"]["name"].as_str().unwrap_or_default();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    if !pod["metadata"].is_object() {
        pod["metadata"] = json!({});
    }
    pod["metadata"]["generateName"] = json!(format!("{name}-"));
    pod["metadata"]["namespace"] = workload["metadata"]["namespace"].clone();
    pod["metadata"]["ownerReferences"] = json!([{
        "apiVersion": if owner == "Job" { "batch/v1" } else { "apps/v1" }, "kind": owner, "name": name, "uid": "", "controller": true }]);
    let user = User {
        name: format!("system:serviceaccount:kube-system:{controller}"),
        groups: groups_of("kube-system"),
    };
    Some(Request::creation(pod, "pods", user))
}

/// The groups of every service account of `namespace`.
pub fn groups_of(namespace: &str) -> Vec<String> {
    [
        "system:serviceaccounts",
        &format!("system:serviceaccounts:{namespace}"),
        "system:authenticated",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_those_of_the_api() {
        for (kind, resource) in [
            ("Pod", "pods"),
            ("Ingress", "ingresses"),
            ("NetworkPolicy", "networkpolicies"),
            ("Gateway", "gateways"),
            ("Endpoints", "endpoints"),
            ("StorageClass", "storageclasses"),
            ("HTTPRoute", "httproutes"),
        ] {
            assert_eq!(Served::guess(kind).resource, resource);
        }
        assert!(!Served::guess("StorageClass").namespaced && Served::guess("Pod").namespaced);
    }

    #[test]
    fn a_cron_job_makes_the_pod_of_a_job() {
        let job = json!({ "kind": "CronJob", "metadata": { "name": "mail", "namespace": "x" },
            "spec": { "jobTemplate": { "spec": { "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [] } } } } } });
        let pod = pod_of(&job).unwrap();
        assert_eq!((pod.namespace.as_str(), pod.resource.as_str()), ("x", "pods"));
        assert_eq!(pod.object["metadata"]["ownerReferences"][0]["kind"], "Job");
        assert_eq!(pod.object["metadata"]["labels"], json!({ "a": "b" }));
        assert!(pod_of(&json!({ "kind": "Service" })).is_none());
    }
}
