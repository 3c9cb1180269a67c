//! How much a preview may hold, how strict its Pods are, where it is reached.

use super::schema;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// `hard` of the ResourceQuota.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quota(pub BTreeMap<String, String>);

impl Default for Quota {
    fn default() -> Self {
        Quota(map(&[
            ("requests.cpu", "2"),
            ("requests.memory", "4Gi"),
            ("limits.cpu", "4"),
            ("limits.memory", "8Gi"),
            ("pods", "20"),
            ("services.loadbalancers", "0"),
            ("services.nodeports", "0"),
            ("persistentvolumeclaims", "10"),
            ("requests.storage", "50Gi"),
        ]))
    }
}

impl JsonSchema for Quota {
    fn schema_name() -> Cow<'static, str> {
        "Quota".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema::quantities(generator)
    }
}

/// Defaults and maxima of the LimitRange, for containers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(within("default", "max")).message("limits.default must not exceed limits.max"))]
#[x_kube(validation = Rule::new(within("defaultRequest", "default"))
    .message("limits.defaultRequest must not exceed limits.default"))]
#[x_kube(validation = Rule::new(within("defaultRequest", "max"))
    .message("limits.defaultRequest must not exceed limits.max"))]
pub struct Limits {
    /// Limits of a container that names none.
    #[serde(default = "limits_default")]
    #[schemars(schema_with = "schema::quantities")]
    pub default: BTreeMap<String, String>,
    /// Requests of a container that names none.
    #[serde(default = "limits_default_request")]
    #[schemars(schema_with = "schema::quantities")]
    pub default_request: BTreeMap<String, String>,
    /// The most a container may ask for.
    #[serde(default = "limits_max")]
    #[schemars(schema_with = "schema::quantities")]
    pub max: BTreeMap<String, String>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            default: limits_default(),
            default_request: limits_default_request(),
            max: limits_max(),
        }
    }
}

fn limits_default() -> BTreeMap<String, String> {
    map(&[("cpu", "500m"), ("memory", "512Mi")])
}

fn limits_default_request() -> BTreeMap<String, String> {
    map(&[("cpu", "100m"), ("memory", "128Mi")])
}

fn limits_max() -> BTreeMap<String, String> {
    map(&[("cpu", "2"), ("memory", "4Gi")])
}

/// CEL: what `less` says of a resource does not exceed what `more` says of it.
fn within(less: &str, more: &str) -> String {
    format!(
        "self.{less}.all(r, !(r in self.{more}) || !quantity(self.{less}[r]).isGreaterThan(quantity(self.{more}[r])))"
    )
}

/// A level of the Pod Security Standards.
/// Source: <https://kubernetes.io/docs/concepts/security/pod-security-standards/>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PodSecurity {
    /// Unrestricted.
    Privileged,
    /// Prevents known privilege escalations.
    #[default]
    Baseline,
    /// Heavily restricted.
    Restricted,
}

impl PodSecurity {
    /// The value of the label `pod-security.kubernetes.io/enforce`.
    pub fn level(self) -> &'static str {
        match self {
            PodSecurity::Privileged => "privileged",
            PodSecurity::Baseline => "baseline",
            PodSecurity::Restricted => "restricted",
        }
    }

    /// The level that a label's value names.
    pub fn from_level(level: &str) -> Option<Self> {
        [
            PodSecurity::Privileged,
            PodSecurity::Baseline,
            PodSecurity::Restricted,
        ]
        .into_iter()
        .find(|known| known.level() == level)
    }
}

/// Where previews are reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Hosts {
    /// A preview's main host is `<namespace>.<domain>`. Empty: objects with hosts are refused.
    #[schemars(schema_with = "schema::domain")]
    pub domain: String,
    /// The Secret in each preview with the wildcard certificate; empty leaves TLS to the ingress controller's own.
    #[schemars(schema_with = "schema::optional_name")]
    pub tls_secret: String,
    /// The class that Ingresses of previews get; empty leaves what an Ingress says.
    #[schemars(schema_with = "schema::optional_name")]
    pub ingress_class: String,
}

/// What a clone's workloads and autoscalers are clamped to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Size {
    /// The most replicas of one workload.
    #[schemars(range(min = 1, max = 100))]
    pub replicas: i32,
}

impl Default for Size {
    fn default() -> Self {
        Size { replicas: 1 }
    }
}

/// What happens to one-off Jobs of the golden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Jobs {
    /// They are not part of a clone.
    #[default]
    Skip,
    /// They run once more, in the clone.
    Recreate,
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}
