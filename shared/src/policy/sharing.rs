//! Golden Services that a partial clone may call.

use super::schema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Golden Services that previews may call. A golden database stays out of bounds, whatever is listed here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Sharing {
    /// The Services, each with the Pods behind it: a network policy knows Pods only.
    #[schemars(length(max = 32))]
    pub services: Vec<SharedService>,
}

/// One Service of a golden and what reaches it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SharedService {
    /// `namespace/name`.
    #[schemars(schema_with = "schema::qualified_name")]
    pub service: String,
    /// All of these labels are on the Pods behind it.
    #[schemars(schema_with = "schema::labels")]
    pub pod_labels: BTreeMap<String, String>,
    /// Ports of these Pods.
    #[schemars(schema_with = "schema::ports")]
    pub ports: Vec<u16>,
}

impl Sharing {
    /// Namespace and name of every Service.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.services
            .iter()
            .filter_map(|shared| shared.service.split_once('/'))
    }

    /// Whether the Service `name` of `namespace` is shared.
    pub fn has(&self, namespace: &str, name: &str) -> bool {
        self.names().any(|shared| shared == (namespace, name))
    }
}
