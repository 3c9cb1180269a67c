//! Services: inside the preview only, with nothing the golden's was allotted.

use super::{Context, Notes, ingress};
use kube::core::DynamicObject;
use serde_json::{Value, json};

/// What a cluster allots to one Service, or what only means something on one that is exposed.
const ALLOTTED: [&str; 10] = [
    "clusterIPs",
    "healthCheckNodePort",
    "loadBalancerIP",
    "loadBalancerClass",
    "loadBalancerSourceRanges",
    "externalIPs",
    "externalTrafficPolicy",
    "allocateLoadBalancerNodePorts",
    "ipFamilies",
    "ipFamilyPolicy",
];

pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, notes: &mut Notes) {
    if let Some(spec) = object.data.get_mut("spec").and_then(Value::as_object_mut) {
        ALLOTTED.iter().for_each(|field| drop(spec.remove(*field)));
        // `None` is no address but what makes a Service headless.
        if spec.get("clusterIP") != Some(&json!("None")) {
            spec.remove("clusterIP");
        }
        for port in spec
            .get_mut("ports")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Value::Object(fields) = port {
                fields.remove("nodePort");
            }
        }
        let exposed = spec
            .get("type")
            .and_then(Value::as_str)
            .filter(|kind| matches!(*kind, "LoadBalancer" | "NodePort"));
        if let Some(kind) = exposed.map(str::to_owned) {
            spec.insert("type".to_owned(), json!("ClusterIP"));
            notes.change(format!("{kind} becomes ClusterIP"));
        }
    }
    let annotations = object.metadata.annotations.get_or_insert_default();
    annotations.retain(|key, _| {
        !key.starts_with("service.beta.kubernetes.io/") && !key.starts_with("cloud.google.com/")
    });
    ingress::annotations(annotations, context, notes);
    if annotations.is_empty() {
        object.metadata.annotations = None;
    }
}
