//! The previews: how many, which of them need a person, and which should be gone.

use super::finding::{Finding, known};
use crate::cluster::Inspection;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Namespace;
use std::collections::BTreeMap;
use understudy::keys;
use understudy::phase::Phase;
use understudy::policy::PreviewPolicySpec;
use understudy::preview::Preview;

/// An ordered end takes its time; beyond this something holds it.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

pub(super) fn check(inspection: &Inspection) -> Vec<Finding> {
    let namespaces = match known("namespaces", &inspection.namespaces, || Finding::ok("none")) {
        Ok(namespaces) => namespaces,
        Err(finding) => return vec![finding],
    };
    let policies: BTreeMap<&str, &PreviewPolicySpec> = inspection
        .policies
        .there()
        .into_iter()
        .flatten()
        .filter_map(|policy| Some((policy.metadata.name.as_deref()?, &policy.spec)))
        .collect();
    let previews = namespaces
        .iter()
        .filter_map(|namespace| Some((namespace, Preview::of(&namespace.metadata)?)));
    let mut found = vec![Finding::ok("")];
    let mut count = 0;
    for (namespace, preview) in previews {
        count += 1;
        let policy = policies.get(preview.policy.as_str()).copied();
        // A policy that nobody may read is no policy that is missing.
        let policy_missing = inspection.policies.there().is_some() && policy.is_none();
        found.extend(trouble(
            namespace,
            &preview,
            policy,
            policy_missing,
            inspection.now,
        ));
    }
    found[0] = Finding::ok(match count {
        1 => "1 preview".to_owned(),
        count => format!("{count} previews"),
    });
    found
}

/// What is wrong with one preview; at most one thing, the most urgent.
fn trouble(
    namespace: &Namespace,
    preview: &Preview,
    policy: Option<&PreviewPolicySpec>,
    policy_missing: bool,
    now: Timestamp,
) -> Option<Finding> {
    let name = &preview.name;
    let metadata = &namespace.metadata;
    let message = metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(keys::MESSAGE))
        .cloned();
    let describe = format!("understudy describe {name}");
    let waited = |since: Timestamp| now.duration_since(since) > PATIENCE;
    if let Some(since) = metadata.deletion_timestamp.as_ref().map(|time| time.0) {
        return waited(since).then(|| {
            Finding::warning(format!("{name} is being deleted since {since}"))
                .mend(format!("kubectl get namespace {name} --output yaml"))
        });
    }
    if policy_missing {
        let policy = &preview.policy;
        return Some(Finding::warning(format!("{name} lives under policy {policy}, which is gone")).mend(format!("kubectl get previewpolicies, and make {policy} again or end {name}: understudy destroy {name}")));
    }
    if let Some(end) = preview
        .lease_under(policy)
        .map(|lease| lease.expires_at)
        .filter(|end| waited(*end))
    {
        return Some(
            Finding::warning(format!("{name} should have ended at {end}{}", because(message))).mend(describe),
        );
    }
    (preview.phase == Some(Phase::Failed))
        .then(|| Finding::warning(format!("{name} needs somebody{}", because(message))).mend(describe))
}

fn because(message: Option<String>) -> String {
    message.map(|message| format!(": {message}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(labels: Value, annotations: Value) -> Option<String> {
        let namespace: Namespace = serde_json::from_value(json!({ "metadata": {
            "name": "shop-pr-7", "creationTimestamp": "2026-01-01T00:00:00Z", "labels": labels, "annotations": annotations } }))
        .unwrap();
        let preview = Preview::of(&namespace.metadata)?;
        let now = "2026-01-01T02:00:00Z".parse().unwrap();
        trouble(
            &namespace,
            &preview,
            Some(&PreviewPolicySpec::default()),
            false,
            now,
        )
        .map(|finding| finding.found)
    }

    #[test]
    fn a_preview_past_its_end_and_one_that_failed_are_named() {
        let label = |phase: &str| json!({ keys::PREVIEW: "true", keys::PHASE: phase });
        assert_eq!(
            of(
                label("Ready"),
                json!({ keys::EXPIRES_AT: "2026-01-01T03:00:00Z" })
            ),
            None
        );
        assert_eq!(
            of(
                label("Expired"),
                json!({ keys::EXPIRES_AT: "2026-01-01T01:00:00Z", keys::MESSAGE: "waits for x" })
            )
            .unwrap(),
            "shop-pr-7 should have ended at 2026-01-01T01:00:00Z: waits for x"
        );
        assert_eq!(
            of(
                label("Failed"),
                json!({ keys::EXPIRES_AT: "2026-01-01T03:00:00Z", keys::MESSAGE: "no template" })
            )
            .unwrap(),
            "shop-pr-7 needs somebody: no template"
        );
    }
}
