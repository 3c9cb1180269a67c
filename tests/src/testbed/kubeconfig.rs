//! Writing kubeconfig files.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::pki::write_secret;

/// Writes a kubeconfig with one context for each `(name, token)`.
pub fn write(path: &Path, server: &str, ca: &Path, users: &[(&str, &str)], current: &str) -> Result<()> {
    let contexts: Vec<Value> = users
        .iter()
        .map(|(name, _)| json!({"name": name, "context": {"cluster": "testbed", "user": name}}))
        .collect();
    let users: Vec<Value> = users
        .iter()
        .map(|(name, token)| json!({"name": name, "user": {"token": token}}))
        .collect();
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": {"server": server, "certificate-authority": ca}}],
        "contexts": contexts,
        "users": users,
        "current-context": current,
    });
    write_secret(path, &serde_saphyr::to_string(&config)?)
}

/// Writes a copy of a kubeconfig with another current context, for programs that know no `--context`.
pub fn write_for(path: &Path, from: &Path, current: &str) -> Result<()> {
    let mut config: Value = serde_saphyr::from_str(&fs::read_to_string(from)?)?;
    config["current-context"] = json!(current);
    // Tests run side by side and each writes it: whoever reads must find all of it.
    let aside = path.with_extension(format!("{:08x}", rand::random::<u32>()));
    write_secret(&aside, &serde_saphyr::to_string(&config)?)?;
    Ok(fs::rename(&aside, path)?)
}
