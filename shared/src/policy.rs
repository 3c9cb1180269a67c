//! `PreviewPolicy`: the administrator's rules for a class of previews.
//!
//! The CRD is derived from these types; the chart's copy is generated and a test holds the two together. Every section
//! has a default that is safe without reading further. Everything is bounded, because CEL rules over unbounded lists are
//! refused for their cost and because a policy is read on every review.

mod access;
mod databases;
mod guarded;
mod lifetime;
mod network;
mod placement;
mod quarantine;
mod schema;
mod sharing;
mod stance;
mod workloads;

pub use access::{Access, Creators};
pub use databases::{Branch, Database, Match, ObjectRef, PostgresBranch, Reach};
pub use guarded::{Protected, Secrets};
pub use lifetime::{Capacity, LifetimeLimits};
pub use network::{Egress, NAMESPACE_NAME, Network, Peer};
pub use placement::{Permission, Placement, TaintEffect, Toleration, TolerationOperator};
pub use quarantine::{CronJobs, Quarantine, Smtp};
pub use sharing::{SharedService, Sharing};
pub use stance::{Adopt, Enforcement, Existing, Rewrites, Trusted};
pub use workloads::{Hosts, Jobs, Limits, PodSecurity, Quota, Size};

use crate::keys;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// The administrator's rules for a class of previews.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "understudy.dev",
    version = "v1alpha1",
    kind = "PreviewPolicy",
    plural = "previewpolicies",
    derive = "PartialEq",
    doc = "The administrator's rules for a class of previews.",
    printcolumn = r#"{"name":"Domain","type":"string","jsonPath":".spec.hosts.domain"}"#,
    printcolumn = r#"{"name":"Default","type":"string","jsonPath":".spec.lifetime.default"}"#,
    printcolumn = r#"{"name":"Max","type":"string","jsonPath":".spec.lifetime.max"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct PreviewPolicySpec {
    /// `enforce`, or `warn` to observe only, for the first weeks in a living cluster.
    #[serde(default)]
    pub enforcement: Enforcement,
    /// Who may make previews under this policy. Empty means anyone, on the policy `default` only.
    #[serde(default)]
    pub creators: Creators,
    /// Whose word on owners is taken, and whose objects count as living in Git.
    #[serde(default)]
    pub trusted: Trusted,
    /// Which existing namespaces may become previews.
    #[serde(default)]
    pub adopt: Adopt,
    /// How long a preview may live.
    #[serde(default)]
    pub lifetime: LifetimeLimits,
    /// How much is made at once.
    #[serde(default)]
    pub capacity: Capacity,
    /// `hard` of the ResourceQuota in each preview.
    #[serde(default)]
    pub quota: Quota,
    /// The LimitRange for containers in each preview.
    #[serde(default)]
    pub limits: Limits,
    /// What a preview may talk to; everything else is denied.
    #[serde(default)]
    pub network: Network,
    /// Who gets access to a preview besides its owner and creator.
    #[serde(default)]
    pub access: Access,
    /// Kinds of other vendors that may exist in a preview, as `group/Kind`. Kubernetes' own always may.
    #[serde(default)]
    #[schemars(schema_with = "schema::kinds")]
    pub kinds: Vec<String>,
    /// The level that the built-in Pod Security admission enforces.
    #[serde(default)]
    pub pod_security: PodSecurity,
    /// Where the Pods of previews run.
    #[serde(default)]
    pub placement: Placement,
    /// Where previews are reached.
    #[serde(default)]
    pub hosts: Hosts,
    /// What a clone's workloads and autoscalers are clamped to.
    #[serde(default)]
    pub size: Size,
    /// What happens to one-off Jobs of the golden: `skip` or `recreate`.
    #[serde(default)]
    pub jobs: Jobs,
    /// Golden databases, what means them, and how each is branched.
    #[serde(default)]
    #[schemars(length(max = 8))]
    #[x_kube(validation = kube::core::Rule::new(
        "self.all(a, self.exists_one(b, b.name == a.name))").message("database names must be distinct"))]
    pub databases: Vec<Database>,
    /// Which Secrets may be taken along or fetched.
    #[serde(default)]
    pub secrets: Secrets,
    /// What no preview may reach, besides every golden.
    #[serde(default)]
    pub protected: Protected,
    /// Golden Services that a partial clone may call.
    #[serde(default)]
    pub sharing: Sharing,
    /// What a preview must not do to the outside.
    #[serde(default)]
    pub quarantine: Quarantine,
    /// What happens to objects that a rule would change and that live in Git.
    #[serde(default)]
    pub rewrites: Rewrites,
}

impl PreviewPolicySpec {
    /// The database called `name`.
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.iter().find(|database| database.name == name)
    }

    /// Whether it only observes.
    pub fn only_observes(&self) -> bool {
        self.enforcement == Enforcement::Warn
    }
}

/// The policy a namespace names by its label, else `default`.
pub fn policy_name(labels: &std::collections::BTreeMap<String, String>) -> &str {
    labels
        .get(keys::POLICY)
        .map_or(keys::DEFAULT_POLICY, String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::CustomResourceExt;

    #[test]
    fn an_empty_spec_is_a_safe_policy() {
        let spec: PreviewPolicySpec = serde_json::from_str("{}").unwrap();
        assert_eq!(spec, PreviewPolicySpec::default());
        assert_eq!(spec.pod_security, PodSecurity::Baseline);
        assert!(spec.quota.0.contains_key("pods"));
        assert!(spec.lifetime.min < spec.lifetime.max);
    }

    #[test]
    fn every_list_map_and_string_of_the_schema_is_bounded() {
        fn walk(path: &str, schema: &serde_json::Value, unbounded: &mut Vec<String>) {
            let bounded = |key: &str| schema.get(key).is_some();
            match schema.get("type").and_then(|kind| kind.as_str()) {
                Some("array") if !bounded("maxItems") => unbounded.push(path.to_owned()),
                Some("string") if !bounded("maxLength") && !bounded("enum") => {
                    unbounded.push(path.to_owned())
                }
                Some("object") if bounded("additionalProperties") && !bounded("maxProperties") => {
                    unbounded.push(path.to_owned());
                }
                _ => {}
            }
            for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
                walk(&format!("{path}.{name}"), inner, unbounded);
            }
            for inner in ["items", "additionalProperties"] {
                if let Some(schema) = schema.get(inner) {
                    walk(&format!("{path}.{inner}"), schema, unbounded);
                }
            }
        }
        let crd = serde_json::to_value(PreviewPolicy::crd()).unwrap();
        let mut unbounded = Vec::new();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        walk("spec", schema, &mut unbounded);
        assert_eq!(unbounded, Vec::<String>::new());
    }
}
