//! What may be taken along from a golden, and what no preview may reach.

use super::schema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which Secrets a clone may take along.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Secrets {
    /// Names of the golden's Secrets that may be copied by value.
    #[schemars(schema_with = "schema::names")]
    pub copy: Vec<String>,
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
