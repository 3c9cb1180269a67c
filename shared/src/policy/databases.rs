//! Golden databases: which connection strings mean one, and how it is branched.

use super::{Peer, schema};
use crate::lifetime::Lifetime;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One golden database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// Appears in the names of Secrets, annotations and variables.
    #[schemars(length(max = 32), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Which connection strings mean it.
    #[serde(rename = "match")]
    pub matches: Match,
    /// Exactly one provider.
    pub branch: Branch,
}

/// Which connection strings mean a database: host **and** database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// Hosts; `*.x` means everything below `x`. A Service is meant however it is spelt.
    #[schemars(schema_with = "schema::hosts", extend("minItems" = 1))]
    pub hosts: Vec<String>,
    /// Names of databases on these hosts; empty means any.
    #[serde(default)]
    #[schemars(schema_with = "schema::names")]
    pub databases: Vec<String>,
    /// Keys of the golden's Secrets that hold a connection, as `secret/key`: marks them without reading them.
    #[serde(default)]
    #[schemars(schema_with = "schema::secret_keys")]
    pub secrets: Vec<String>,
}

/// How a database is branched: exactly one provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
// A second provider is unknown to this version: kept by the API server, so that `maxProperties` can refuse it by count.
#[schemars(extend("minProperties" = 1, "maxProperties" = 1, "x-kubernetes-preserve-unknown-fields" = true))]
pub struct Branch {
    /// A database of its own on a PostgreSQL server, copied from a template database.
    pub postgres: PostgresBranch,
}

/// A branch made by `CREATE DATABASE … TEMPLATE`.
/// Source: <https://www.postgresql.org/docs/current/manage-ag-templatedbs.html>.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostgresBranch {
    /// The Secret with the keys `host`, `port`, `username`, `password` of a role that may create roles and databases.
    pub admin_secret: ObjectRef,
    /// The template database on that server. Nothing may be connected to it while a branch is made.
    #[schemars(length(min = 1, max = 63))]
    pub template: String,
    /// Connections a branch's role may hold at once.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 1000))]
    pub connection_limit: i32,
    /// `statement_timeout` of the branch's role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_timeout: Option<Lifetime>,
    /// Where the server is reached from a preview: becomes an egress rule.
    pub reach: Reach,
}

fn twenty() -> i32 {
    20
}

/// A Secret by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Its namespace.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Where a database server is reached: by the labels of its namespace, or by networks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.namespaceLabels) != (has(self.cidrs) && size(self.cidrs) > 0)")
    .message("reach needs either namespaceLabels or cidrs"))]
pub struct Reach {
    /// All of these labels are on the server's namespace.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub namespace_labels: std::collections::BTreeMap<String, String>,
    /// Networks that hold the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::cidrs")]
    pub cidrs: Vec<String>,
    /// The server's port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
}

impl Reach {
    /// The namespaces, where the server is reached by labels.
    pub fn peer(&self) -> Option<Peer> {
        (!self.namespace_labels.is_empty()).then(|| Peer {
            namespace_labels: self.namespace_labels.clone(),
        })
    }
}
