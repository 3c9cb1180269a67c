//! The definition of PreviewPolicy: there, served, and of the schema that this version knows.

use super::finding::{Finding, known};
use crate::cluster::Inspection;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use understudy::policy::PreviewPolicy;

/// Helm installs what is in `crds/` once and never again.
const APPLY: &str =
    "helm show crds charts/understudy | kubectl apply --server-side --force-conflicts --filename -";

pub(super) fn check(inspection: &Inspection) -> Vec<Finding> {
    let absent = || {
        Finding::failed("previewpolicies.understudy.dev is not defined: Understudy is not installed")
            .mend(APPLY)
    };
    let definition = match known("previewpolicies.understudy.dev", &inspection.definition, absent) {
        Ok(definition) => definition,
        // Who may list policies knows that they are served.
        Err(unknown) => {
            return vec![
                inspection
                    .policies
                    .there()
                    .map_or(unknown, |_| Finding::ok("PreviewPolicies are served")),
            ];
        }
    };
    let conditions = definition
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let mut refused = conditions.filter(|condition| {
        condition.status != "True" && matches!(condition.type_.as_str(), "Established" | "NamesAccepted")
    });
    if let Some(condition) = refused.next_back() {
        let why = condition.message.clone().unwrap_or_default();
        return vec![
            Finding::failed(format!("the definition is not established: {why}"))
                .mend("kubectl describe crd previewpolicies.understudy.dev"),
        ];
    }
    let (ours, theirs) = (fields(&PreviewPolicy::crd()), fields(definition));
    let missing: Vec<&str> = ours.difference(&theirs).map(String::as_str).collect();
    let further: Vec<&str> = theirs.difference(&ours).map(String::as_str).collect();
    vec![match (missing.as_slice(), further.as_slice()) {
        ([], []) => Finding::ok("PreviewPolicy v1alpha1, the schema of this version"),
        ([first, ..], _) => Finding::failed(format!(
            "the definition is from another version: it lacks {first}{}",
            others(missing.len())
        ))
        .mend(APPLY),
        ([], [first, ..]) => Finding::warning(format!(
            "the definition is from a newer version: it has {first}{}",
            others(further.len())
        ))
        .mend("use the command line of that version"),
    }]
}

fn others(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    }
}

/// The path of every field that the served version describes.
fn fields(definition: &CustomResourceDefinition) -> BTreeSet<String> {
    let served = definition
        .spec
        .versions
        .iter()
        .find(|version| version.served && version.name == "v1alpha1");
    let mut found = BTreeSet::new();
    if let Some(schema) = served.and_then(|version| version.schema.as_ref()) {
        walk(
            "",
            &json!(schema)["openAPIV3Schema"]["properties"]["spec"],
            &mut found,
        );
    }
    found
}

fn walk(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        walk(&path, inner, found);
        found.insert(format!("spec{path}"));
    }
    if schema["items"].is_object() {
        walk(&format!("{path}[]"), &schema["items"], found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_field_has_a_path_of_its_own() {
        let all = fields(&PreviewPolicy::crd());
        assert!(all.contains("spec.databases"));
        assert!(
            all.contains("spec.databases[].branch.postgres.adminSecret.name"),
            "{all:?}"
        );
    }
}
