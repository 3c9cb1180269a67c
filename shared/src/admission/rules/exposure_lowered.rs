//! `exposure-lowered`: a Service of a preview stays inside the cluster; reviewers come by the ingress.
//!
//! Source: <https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types>. External
//! addresses could also take traffic that is meant for others (CVE-2020-8554).

use super::{Draft, Facts, Request, Rule};
use crate::admission::gitops;
use crate::reason::Reason;
use serde_json::json;

pub(super) const RULE: Rule = Rule {
    reason: Reason::ExposureLowered,
    applies: |request| request.is("", "services"),
    review,
};

/// Fields that a Service inside the cluster may not have, or that would take it outside.
const OUTSIDE: [&str; 7] = [
    "allocateLoadBalancerNodePorts",
    "externalIPs",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
];

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let service = draft.current();
    let spec = &service["spec"];
    let kind = spec["type"].as_str().unwrap_or("ClusterIP");
    let exposed = matches!(kind, "LoadBalancer" | "NodePort");
    let external = spec["externalIPs"]
        .as_array()
        .is_some_and(|addresses| !addresses.is_empty());
    if !exposed && !external {
        return;
    }
    let (field, wanted) = if exposed {
        (
            "spec.type",
            format!("found {kind}, a preview's Services are of type ClusterIP"),
        )
    } else {
        (
            "spec.externalIPs",
            "a preview's Services have no external addresses".to_owned(),
        )
    };
    if !gitops::may_change(request, facts, draft, Reason::ExposureLowered, field, &wanted) {
        return;
    }
    if exposed {
        draft.replace(Reason::ExposureLowered, &["spec", "type"], json!("ClusterIP"));
    }
    for field in OUTSIDE.iter().filter(|field| !spec[**field].is_null()) {
        draft.remove(Reason::ExposureLowered, &["spec", field]);
    }
    let ports = spec["ports"].as_array().into_iter().flatten().enumerate();
    for (index, _) in ports.filter(|(_, port)| exposed && !port["nodePort"].is_null()) {
        let index = index.to_string();
        draft.remove(Reason::ExposureLowered, &["spec", "ports", &index, "nodePort"]);
    }
}
