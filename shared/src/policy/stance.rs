//! How a policy meets what is there already: whether it refuses or only observes, what it lets become a preview, whose
//! word it takes, and what it changes of objects that live in Git.

use super::schema;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whether a policy refuses or only observes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// What a rule refuses is refused.
    #[default]
    Enforce,
    /// What a rule would refuse or change is said as a warning; no guardrail, gate or expiry. The contract on the
    /// namespace holds all the same.
    Warn,
}

/// Whose word counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Trusted {
    /// Service accounts as `namespace/name` that may name another user as the owner of a preview. What they write counts
    /// as living in Git.
    #[schemars(schema_with = "schema::service_accounts")]
    pub service_accounts: Vec<String>,
}

/// Which existing namespaces may become previews by taking the label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Existing {
    /// Those without any Pod.
    #[default]
    Empty,
    /// Those that carry the labels of `selector`.
    Any,
    /// None.
    Never,
}

/// Adoption of existing namespaces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.existing) || self.existing != 'any' || (has(self.selector) && size(self.selector) > 0)")
    .message("adopt.existing: any needs a selector, or a slip such as `kubectl label ns --all` would take every namespace"))]
pub struct Adopt {
    /// Which existing namespaces may become previews.
    #[serde(default)]
    pub existing: Existing,
    /// Labels that an existing namespace must carry before it takes the preview label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::selector")]
    pub selector: BTreeMap<String, String>,
}

/// What happens to an object that a rule would change and that Argo CD or Flux applies from Git.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rewrites {
    /// It is refused, since the change and Git would fight; anything else is changed. Pods are always changed: what is in
    /// Git is what makes them.
    #[default]
    UnlessGitops,
    /// It is changed as anything else is.
    Always,
    /// Nothing but Pods is changed: what a rule would change is refused.
    Never,
}
