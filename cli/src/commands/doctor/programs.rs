//! The Deployments of both programs.

use super::finding::{Finding, known};
use super::service::leads_elsewhere;
use super::webhooks::upgrade;
use crate::cluster::Inspection;
use k8s_openapi::api::apps::v1::Deployment;

pub(super) fn check(inspection: &Inspection) -> Vec<Finding> {
    let home = &inspection.namespace;
    let outside = inspection.service.there().and_then(leads_elsewhere).is_some();
    let programs = inspection.programs.iter();
    programs
        .map(|(name, seen)| {
            let absent =
                || Finding::failed(format!("there is no Deployment {home}/{name}")).mend(upgrade(home));
            known(&format!("Deployment {home}/{name}"), seen, absent).map_or_else(
                |finding| finding,
                |deployment| of_one(name, deployment, home, outside),
            )
        })
        .collect()
}

fn of_one(name: &str, deployment: &Deployment, home: &str, outside: bool) -> Finding {
    let wanted = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    let status = deployment.status.as_ref();
    let available = status.and_then(|status| status.available_replicas).unwrap_or(0);
    let found = format!("{name}: {available} of {wanted} available");
    let look = format!("kubectl --namespace {home} describe deployment {name}");
    match (wanted, available) {
        (0, _) if outside => Finding::ok(format!(
            "{name}: none here, since the Service leads outside the cluster"
        )),
        (0, _) => Finding::failed(format!("{name} is scaled to zero")).mend(format!(
            "kubectl --namespace {home} scale deployment {name} --replicas 2"
        )),
        (_, 0) => Finding::failed(format!("{found}{}", why(deployment))).mend(look),
        (wanted, available) if available < wanted => {
            Finding::warning(format!("{found}{}", why(deployment))).mend(look)
        }
        _ => Finding::ok(found),
    }
}

/// What the Deployment says of itself, where it says something bad.
fn why(deployment: &Deployment) -> String {
    let conditions = deployment
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let mut bad = conditions.filter(|condition| match condition.type_.as_str() {
        "ReplicaFailure" => condition.status == "True",
        _ => condition.status == "False",
    });
    bad.next_back()
        .and_then(|condition| condition.message.as_deref())
        .map(|message| format!(": {message}"))
        .unwrap_or_default()
}
