//! What may be taken along from a golden or fetched from a store, and what no preview may reach.

use super::{Permission, schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Secrets: which may be taken along, which stores may be asked, and what nobody can review.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Secrets {
    /// Names of the golden's Secrets that may be copied by value.
    #[schemars(schema_with = "schema::names")]
    pub copy: Vec<String>,
    /// Names of Secrets with certificates in Understudy's own namespace that every preview gets a copy of.
    #[schemars(schema_with = "schema::names")]
    pub tls: Vec<String>,
    /// Names of Secrets in Understudy's own namespace by which every preview pulls images.
    #[schemars(schema_with = "schema::names")]
    pub pull: Vec<String>,
    /// Names of the SecretStores and ClusterSecretStores that an ExternalSecret may ask.
    #[schemars(schema_with = "schema::names")]
    pub stores: Vec<String>,
    /// What a remote key must begin with; empty means any key of these stores.
    #[schemars(schema_with = "schema::prefixes")]
    pub key_prefixes: Vec<String>,
    /// What keys become in a clone: a beginning of the golden's key → what takes its place. The longest one counts.
    #[schemars(schema_with = "schema::key_map")]
    pub key_map: BTreeMap<String, String>,
    /// Inline CSI volumes, which bring files that nobody can review.
    pub csi: Permission,
    /// Annotations and values by which an injector brings secrets that nobody can review.
    pub injectors: Permission,
    /// `fileKeyRef`, which takes variables from a file that another container writes.
    pub file_key_ref: Permission,
}

impl Secrets {
    /// What an object lists as `imagePullSecrets` to pull by the policy's; `None` where it has none.
    pub fn pull_references(&self) -> Option<Value> {
        let references = self.pull.iter().map(|name| json!({ "name": name }));
        (!self.pull.is_empty()).then(|| references.collect())
    }

    /// Whether every preview gets a Secret `name` of its own.
    pub fn fans_out(&self, name: &str) -> bool {
        self.tls.iter().chain(&self.pull).any(|fanned| fanned == name)
    }

    /// What the remote key `key` of the golden becomes in a preview; `None` where the policy says nothing of it.
    pub fn map_key(&self, key: &str) -> Option<String> {
        let allowed = |key: &str| {
            self.key_prefixes.is_empty() || self.key_prefixes.iter().any(|prefix| key.starts_with(prefix))
        };
        if !self.key_prefixes.is_empty() && allowed(key) {
            return Some(key.to_owned());
        }
        let longest = self
            .key_map
            .iter()
            .filter(|(prefix, _)| key.starts_with(prefix.as_str()))
            .max_by_key(|(prefix, _)| prefix.len());
        match longest {
            Some((prefix, new)) => Some(format!("{new}{}", &key[prefix.len()..])).filter(|key| allowed(key)),
            None if self.key_map.is_empty() && allowed(key) && !key.is_empty() => Some(key.to_owned()),
            None => None,
        }
    }
}

/// What no preview may reach, besides every golden. Protection is the union over all policies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Protected {
    /// Namespaces.
    #[schemars(schema_with = "schema::names")]
    pub namespaces: Vec<String>,
    /// Hosts; `*.x` means everything below `x`.
    #[schemars(schema_with = "schema::hosts")]
    pub hosts: Vec<String>,
}
