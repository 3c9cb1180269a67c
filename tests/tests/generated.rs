//! What is generated from the types and tables of the core stands in the repository as generated.

use std::collections::BTreeMap;
use std::path::Path;

use kube::CustomResourceExt;
use serde_json::json;
use understudy::contract::{self, Key, Place, Writer};
use understudy::keys;
use understudy::policy::{PodSecurity, PreviewPolicy};
use understudy::reason::Reason;

/// Set to write the files instead of comparing them.
const REGENERATE: &str = "UNDERSTUDY_REGENERATE";

#[test]
fn the_chart_carries_the_crd_of_the_types() {
    // Through a plain JSON value, so that strings which look like something else are quoted by one rule.
    let crd = serde_json::to_value(PreviewPolicy::crd()).unwrap();
    let yaml = serde_saphyr::to_string(&crd).unwrap();
    let text = format!(
        "# Generated from shared/src/policy.rs: {REGENERATE}=1 cargo test --workspace --test generated\n{yaml}"
    );
    holds(
        "charts/understudy/crds/previewpolicies.understudy.dev.yaml",
        &text,
    );
}

#[test]
fn the_policies_of_the_chart_hold_the_tables_of_the_rules() {
    let mut text = format!(
        "{{{{/* Generated from shared/src/contract.rs: {REGENERATE}=1 cargo test --workspace --test generated\n     \
         Lists and maps as CEL reads them, so that the policies in the API server and the rules of admission\n     \
         cannot differ. */}}}}\n"
    );
    for (name, body) in tables() {
        text.push_str(&format!(
            "\n{{{{- define \"understudy.tables.{name}\" -}}}}\n{body}\n{{{{- end }}}}\n"
        ));
    }
    holds("charts/understudy/templates/_tables.tpl", &text);
}

/// Every table by its name in the templates.
fn tables() -> Vec<(&'static str, String)> {
    let reserved = |code: Reason| move |key: &Key| key.is_fixed_at_birth() && key.reason == code;
    let fixed = reserved(Reason::FieldReserved);
    let controllers = |key: &Key| key.later == Writer::Controller;
    let unborn = |key: &Key| key.birth == Writer::Nobody;
    vec![
        // Fixed when the namespace becomes a preview, by the code of the refusal.
        (
            "fixed.policy",
            list(Place::Label, reserved(Reason::PolicyChanged)),
        ),
        (
            "fixed.parent",
            list(Place::Label, reserved(Reason::ParentChanged)),
        ),
        (
            "fixed.owner",
            list(Place::Annotation, reserved(Reason::OwnerForged)),
        ),
        ("fixed.labels", list(Place::Label, fixed)),
        ("fixed.annotations", list(Place::Annotation, fixed)),
        // The controller's while a preview lives.
        ("controllers.labels", list(Place::Label, controllers)),
        ("controllers.annotations", list(Place::Annotation, controllers)),
        ("controllers.prefixes", families(controllers)),
        // On no namespace that becomes a preview.
        ("unborn.labels", list(Place::Label, unborn)),
        ("unborn.annotations", list(Place::Annotation, unborn)),
        ("unborn.prefixes", families(unborn)),
        // Ours to write, so nobody puts them on a namespace in advance.
        ("reserved.labels", list(Place::Label, Key::is_reserved)),
        ("reserved.annotations", list(Place::Annotation, Key::is_reserved)),
        ("reserved.prefixes", families(Key::is_reserved)),
        // Looser ones have lower numbers.
        ("podSecurity", json!(pod_security()).to_string()),
        // Objects in a preview. In single quotes, since YAML's own strings have double ones.
        ("prefix", format!("'{}/'", keys::GROUP)),
        ("mark", format!("'{}'", keys::REVIEWED)),
        ("exemption", format!("'{}'", keys::EXEMPTED_BY)),
        ("guardrail", format!("'{}'", keys::GUARDRAIL)),
        ("branchSecrets", format!("'{}'", keys::BRANCH_SECRET_PREFIX)),
        ("guardrailRules", guardrail_rules()),
        // Our own identities.
        ("boundRoles", bound_roles()),
        ("publicGroups", json!(contract::PUBLIC_GROUPS).to_string()),
        // The control plane.
        ("controlPlane", control_plane()),
        ("whatRuns", what_runs()),
    ]
}

/// The keys of `place` that `pick` picks, without families, as a list.
fn list(place: Place, pick: impl Fn(&Key) -> bool) -> String {
    let picked = contract::KEYS
        .iter()
        .filter(|key| key.place == place && pick(key));
    let names: Vec<&str> = picked
        .map(|key| key.name)
        .filter(|name| !name.ends_with('.'))
        .collect();
    json!(names).to_string()
}

/// The families of annotations that `pick` picks, as a list of prefixes.
fn families(pick: impl Fn(&Key) -> bool) -> String {
    let picked = contract::KEYS
        .iter()
        .filter(|key| pick(key) && key.name.ends_with('.'));
    let names: Vec<&str> = picked
        .inspect(|key| assert_eq!(key.place, Place::Annotation, "{}", key.name))
        .map(|key| key.name)
        .collect();
    json!(names).to_string()
}

fn pod_security() -> BTreeMap<&'static str, usize> {
    let levels = [
        PodSecurity::Privileged,
        PodSecurity::Baseline,
        PodSecurity::Restricted,
    ];
    assert!(levels.is_sorted());
    levels
        .iter()
        .enumerate()
        .map(|(rank, level)| (level.level(), rank))
        .collect()
}

/// The rules by which the policy on guardrails matches their kinds.
fn guardrail_rules() -> String {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (group, resource) in contract::GUARDRAIL_KINDS {
        groups.entry(group).or_default().push(resource);
    }
    let rules = groups.iter().map(|(group, resources)| {
        format!(
            "- operations: [CREATE, UPDATE, DELETE]\n  apiGroups: [\"{group}\"]\n  apiVersions: [\"*\"]\n  \
             resources: [{}]\n  scope: Namespaced",
            resources.join(", ")
        )
    });
    rules.collect::<Vec<_>>().join("\n")
}

/// ClusterRole → the service account of ours that it is for, or nothing.
fn bound_roles() -> String {
    let roles = contract::BOUND_ROLES
        .iter()
        .map(|(role, account)| (*role, account.unwrap_or_default()));
    json!(roles.collect::<BTreeMap<_, _>>()).to_string()
}

fn control_plane() -> String {
    let accounts = contract::CONTROL_PLANE_ACCOUNTS.iter();
    let users = accounts
        .map(|name| format!("system:serviceaccount:kube-system:{name}"))
        .chain(contract::CONTROL_PLANE_USERS.map(str::to_owned));
    json!(users.collect::<Vec<_>>()).to_string()
}

/// A CEL term: the request is about one of the kinds that run.
fn what_runs() -> String {
    let kinds = contract::REVIEWED_OF_CONTROL_PLANE
        .iter()
        .map(|(group, resource)| {
            format!("(request.resource.group == '{group}' && request.resource.resource == '{resource}')")
        });
    format!("({})", kinds.collect::<Vec<_>>().join(" || "))
}

#[test]
fn every_reason_code_is_explained_by_its_page() {
    holds("docs/reasons.md", &understudy::reason::page());
}

fn holds(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if std::env::var_os(REGENERATE).is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == text,
        "{path} is not what the types say; run: {REGENERATE}=1 cargo test --workspace --test generated"
    );
}
