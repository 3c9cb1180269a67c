//! Where the Pods of previews run.

use super::schema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the Pods of previews run. The policy wins over what a Pod says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Placement {
    /// Labels that a node must carry.
    #[schemars(schema_with = "schema::selector")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that Pods of previews tolerate.
    #[schemars(length(max = 8))]
    pub tolerations: Vec<Toleration>,
    /// Their priority class; empty leaves what a Pod says.
    #[schemars(length(max = 253), regex(pattern = "^([a-z0-9]([-.a-z0-9]*[a-z0-9])?)?$"))]
    pub priority_class_name: String,
    /// Whether a DaemonSet may exist in a preview: one Pod on every node is rarely what a preview is for.
    pub daemon_sets: Permission,
}

/// One toleration. Source: <https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/>.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// Key of the taint; absent with `Exists` means every taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317))]
    pub key: Option<String>,
    /// How `value` is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<TolerationOperator>,
    /// Value of the taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,
    /// Which effect is tolerated; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
}

/// How a toleration's value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TolerationOperator {
    /// The taint's value is this one.
    Equal,
    /// The taint is there.
    Exists,
}

/// What a taint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// Nothing new is scheduled.
    NoSchedule,
    /// Something new is scheduled only if there is no other place.
    PreferNoSchedule,
    /// What runs is evicted.
    NoExecute,
}

/// Whether something that is refused by default is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// It is refused.
    #[default]
    Refuse,
    /// It is allowed.
    Allow,
}
