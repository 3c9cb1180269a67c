//! What may be taken along from a golden or fetched from a store, and what no preview may reach.

use super::{Permission, schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Secrets: which may be taken along, which stores may be asked, and what nobody can review.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Secrets {
    /// Names of the golden's Secrets that may be copied by value.
    #[schemars(schema_with = "schema::names")]
    pub copy: Vec<String>,
    /// Names of the SecretStores and ClusterSecretStores that an ExternalSecret may ask.
    #[schemars(schema_with = "schema::names")]
    pub stores: Vec<String>,
    /// What a remote key must begin with; empty means any key of these stores.
    #[schemars(schema_with = "schema::prefixes")]
    pub key_prefixes: Vec<String>,
    /// Inline CSI volumes, which bring files that nobody can review.
    pub csi: Permission,
    /// Annotations and values by which an injector brings secrets that nobody can review.
    pub injectors: Permission,
    /// `fileKeyRef`, which takes variables from a file that another container writes.
    pub file_key_ref: Permission,
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
