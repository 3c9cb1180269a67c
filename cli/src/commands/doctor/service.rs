//! The Service that the API server calls, and what stands behind it.

use super::finding::{Finding, known};
use super::webhooks::upgrade;
use crate::cluster::{Inspection, SERVICE};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::Value;

pub(super) fn check(inspection: &Inspection) -> Vec<Finding> {
    let home = &inspection.namespace;
    let absent = || {
        Finding::failed(format!(
            "there is no Service {home}/{SERVICE}: the API server finds nobody to ask"
        ))
        .mend(upgrade(home))
    };
    let service = match known(&format!("Service {home}/{SERVICE}"), &inspection.service, absent) {
        Ok(service) => service,
        Err(finding) => return vec![finding],
    };
    let mut found = Vec::new();
    let ports = ports(service);
    for called in called_ports(inspection) {
        if !ports.contains(&called) {
            found.push(
                Finding::failed(format!(
                    "the webhook configurations call port {called}, and the Service has {}",
                    listed(&ports)
                ))
                .mend(upgrade(home)),
            );
        }
    }
    if let Some(elsewhere) = leads_elsewhere(service) {
        found.push(Finding::ok(format!(
            "{home}/{SERVICE} leads to {elsewhere}, outside the cluster"
        )));
        return found;
    }
    let pods =
        format!("kubectl --namespace {home} get pods --selector app.kubernetes.io/component=admission");
    found.push(match known("its endpoints", &inspection.endpoints, || Finding::failed("it has no endpoints").mend(&pods)) {
        Err(finding) => finding,
        Ok(slices) => match ready(slices) {
            0 => Finding::failed(format!("{home}/{SERVICE} has no ready endpoint: no Pod of admission is ready, or the Service selects none")).mend(pods),
            count => Finding::ok(format!("{home}/{SERVICE}, {count} ready")),
        },
    });
    found
}

/// Where a Service of type ExternalName leads.
pub(super) fn leads_elsewhere(service: &Service) -> Option<&str> {
    let spec = service
        .spec
        .as_ref()
        .filter(|spec| spec.type_.as_deref() == Some("ExternalName"))?;
    spec.external_name.as_deref()
}

/// How many endpoints take requests.
pub(super) fn ready(slices: &[EndpointSlice]) -> usize {
    let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    endpoints
        .filter(|endpoint| {
            endpoint
                .conditions
                .as_ref()
                .and_then(|conditions| conditions.ready)
                != Some(false)
        })
        .count()
}

fn ports(service: &Service) -> Vec<i64> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    ports.map(|port| i64::from(port.port)).collect()
}

/// The ports that the webhook configurations name.
fn called_ports(inspection: &Inspection) -> std::collections::BTreeSet<i64> {
    let configurations = inspection.configurations.iter().filter_map(|seen| seen.there());
    let entries = configurations.flat_map(|found| found["webhooks"].as_array().into_iter().flatten());
    let service = |entry: &Value| entry["clientConfig"]["service"].as_object().cloned();
    entries
        .filter_map(service)
        .map(|service| service.get("port").and_then(Value::as_i64).unwrap_or(443))
        .collect()
}

fn listed(ports: &[i64]) -> String {
    match ports {
        [] => "none".to_owned(),
        ports => ports.iter().map(i64::to_string).collect::<Vec<_>>().join(", "),
    }
}
