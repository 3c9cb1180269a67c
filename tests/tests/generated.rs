//! What is generated from the types stands in the repository as generated.

use kube::CustomResourceExt;
use std::path::Path;
use understudy::policy::PreviewPolicy;

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
